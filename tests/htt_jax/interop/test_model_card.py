"""The page beside an export says what is true of the run and the files."""

import json

import jax
import pytest

from htt_jax import evaluate, from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import model_card
from htt_jax.models.outputs import OF_NAME
from htt_jax.runs import version
from htt_jax.runs.opening import open_run
from htt_jax.support.files import sha256
from tests import prepared, torch_files

DIFFERENCES = {"joints_2d": 0.00123, "depth": 4.5e-7, "action_logits": 0.0}


@pytest.fixture(scope="module")
def root(tmp_path_factory, one_program):
    """A dataset and a run on it."""
    root = tmp_path_factory.mktemp("card")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8, 6, 9], "test": [7, 2]})
    torch_files.save_trained(root / "published.pth")
    options = [f"--out={root / 'run'}", f"--data={data}", *torch_files.OPTIONS]
    from_pytorch.main([str(root / "published.pth"), *options])
    return root


def write(root, folder):
    """The card of the run beside two files."""
    run = open_run(root / "run", None, sharding.single_device_mesh())
    folder.mkdir()
    (folder / "htt.bin").write_bytes(b"weights")
    (folder / "htt.bin.json").write_text("{}")
    model_card.write(folder / "htt.bin.md", run, "bin", DIFFERENCES)
    return (folder / "htt.bin.md").read_text()


def rows(card, section):
    """The cells of the table in a section, without its head."""
    text = card.split(f"\n## {section}\n")[1].split("\n## ")[0] if section else card
    lines = [line for line in text.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]


@pytest.fixture(scope="module")
def card(root):
    """Before the run was evaluated."""
    return write(root, root / "before")


def test_files_are_listed_with_size_and_checksum(root, card):
    expected = [
        [path.name, str(path.stat().st_size), sha256(path)]
        for path in (root / "before/htt.bin", root / "before/htt.bin.json")
    ]
    assert rows(card.split("\n## ")[0], None) == expected


def test_differences_stand_with_their_units(card):
    assert rows(card, "Exported") == [
        ["joints_2d", "1.23e-03", "pixels"],
        ["depth", "4.50e-07", "metres"],
        ["action_logits", "0.00e+00", ""],
    ]


def test_what_goes_in_and_comes_out_is_said_in_the_runs_numbers(card):
    (text,) = (part for part in card.split("\n\n") if part.startswith("RGB frames of"))
    for words in ("64x36", "up to 4 frames", "every second frame", "whole windows of 2"):
        assert words in text
    assert "left hand" not in text
    assert "\n\nHow inputs are made of frames:\n\n1. resize each frame to 64x36 pixels" in card
    assert "\n2. image = pixel / 255 - 0.5," in card
    assert "\n\nHow outputs are read:\n\n1. object probabilities of a frame = softmax" in card
    returned = [row[0] for row in rows(card, "Input and output")]
    assert returned == [f"`{name}`" for name in OF_NAME]
    assert card.startswith("# HTT, FPHA layout, as bin\n")
    assert "21 joints (right hand), 3 actions, 2 objects" in card


def test_where_it_comes_from_is_said(root, card):
    facts = dict(rows(card, "Where it comes from"))
    run = open_run(root / "run", None, sharding.single_device_mesh())
    assert facts == {
        "run": "run",
        "step": "14",
        "imported from": f"published.pth, epoch 2, SHA-256 {sha256(root / 'published.pth')}",
        "dataset": f"{root / 'data'}, FPHA layout",
        "fingerprint of the training split": run.dataset.fingerprint,
        "exported by": f"htt_jax {version.package_version()}, commit {version.commit()}",
        "jax": jax.__version__,
    }


def test_an_unknown_dataset_is_called_so(root):
    options = [f"--out={root / 'without/run'}", *torch_files.OPTIONS]
    from_pytorch.main([str(root / "published.pth"), *options])
    facts = dict(rows(write(root / "without", root / "unknown"), "Where it comes from"))
    assert facts["dataset"] == "not known, FPHA layout by the number of joints"
    assert "fingerprint of the training split" not in facts


def test_classes_and_config_are_whole(root, card):
    assert "Actions: open_milk, close_milk, put_salt.\n\nObjects: milk, salt." in card
    found = json.loads(card.split("```json\n")[1].split("```")[0])
    assert found == json.loads((root / "run/run.json").read_text())["config"]


def test_results_are_those_of_this_checkpoint_alone(root, card):
    assert "## Results\n\nThis checkpoint has not been evaluated.\n" in card
    report = evaluate.evaluate(str(root / "run"), split="test").report
    path = root / "run/evaluation/test/results.json"
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps(report))
    evaluated = write(root, root / "after")
    assert "has not been evaluated" not in evaluated
    assert "| measure" in evaluated
    expected = [
        [title, f"{factor * report['headline'][name]:.{decimals}f}"]
        for title, name, factor, decimals in (
            ("action %: videos whose action is recognised", "action_accuracy", 100, 2),
            ("object %: frames whose object is recognised", "object_accuracy", 100, 2),
            ("MEPE mm: mean end-point error", "mepe", 1, 2),
            ("AUC: area under the PCK curve", "auc", 1, 3),
            ("MEPE-RA mm: mean end-point error, relative to the wrist", "mepe_ra", 1, 2),
            ("AUC-RA: area under the PCK curve, relative to the wrist", "auc_ra", 1, 3),
        )
    ]
    assert rows(evaluated, "Results") == expected
    report["run"]["step"] = 13  # of another checkpoint
    path.write_text(json.dumps(report))
    assert "has not been evaluated" in write(root, root / "other")


@pytest.mark.parametrize("content", ["{", "[]", '{"run": {}}', "\udcff"])
def test_results_that_are_damaged_are_passed_over_with_a_line(root, tmp_path, capsys, content):
    path = root / "run/evaluation/val/results.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content.encode("utf-8", "surrogateescape"))
    assert "## Results\n\n" in write(root, tmp_path / "damaged")
    said = capsys.readouterr().err
    assert said.startswith(f"warning: {path} is not what htt_jax.evaluate writes")
    assert said.count("\n") == 1
    path.unlink()
