"""`htt_jax.evaluate --folds`: a training repeated fold by fold, and what it says of labels."""

import csv
import itertools
import json
import shutil

import pytest

from htt_jax import evaluate
from htt_jax.cross_validation.writing import FILES
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.runs.directory import read
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train
from tests import prepared, toy_config

SPLITS = {"train": [8, 8, 8, 8], "test": [8, 8]}


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """A dataset of six videos of three recordings, and a run of the toy system on it."""
    folder = tmp_path_factory.mktemp("folds")
    prepared.write_dataset(folder / "data", FPHA, SPLITS)
    config = toy_config.get_config()
    config.data.directory = str(folder / "data")
    config.epochs = 1
    train(config, folder / "run")
    return folder


@pytest.fixture(scope="module")
def out(root):
    """What two folds found, in the default place."""
    evaluate.main([f"--workdir={root / 'run'}", "--folds=2"])
    return root / "run/evaluation/2_folds"


def test_every_video_is_judged_once_by_a_run_that_has_not_seen_it(root, out):
    found = json.loads((out / "folds.json").read_text())
    judged = [[video["video_id"] for video in fold["videos"]] for fold in found["folds"]]
    names = [name for split in SPLITS for name in RecordSource(root / "data", split).video_ids]
    assert sorted(itertools.chain(*judged)) == sorted(names)
    assert found["unit"] == "recording"
    of_run = read(root / "run").config
    for number in range(2):
        config = read(out / f"fold_{number}").config
        assert (config.data.folds, config.data.fold, config.eval.split) == (2, number, "held_out")
        assert (config.epochs, config.batch_size) == (of_run.epochs, of_run.batch_size)
        results = json.loads((out / f"fold_{number}/evaluation/held_out/results.json").read_text())
        assert results["headline"] == found["folds"][number]["headline"]


def test_sheet_and_page_have_the_doubted_labels(out):
    rows = list(csv.DictReader((out / "doubts.csv").read_text().splitlines()))
    assert len(rows) == 6
    suspects = [row for row in rows if row["suspected"] == "True"]
    page = (out / "doubts.html").read_text()
    assert page.count("<article>") == len(suspects)
    for row in suspects:
        assert row["label"] != row["believed"]
        assert row["video_id"] in page
    assert "mean ± deviation" in (out / "folds.md").read_text()


def test_what_is_done_is_not_done_again(root, out, capsys):
    before = {name: (out / name).read_bytes() for name in FILES}
    evaluate.main([f"--workdir={root / 'run'}", "--folds=2"])
    said = capsys.readouterr()
    assert "training" not in said.err
    assert said.out.startswith("2 folds by recording")
    assert {name: (out / name).read_bytes() for name in FILES} == before


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--folds=1"], "--folds=1 must be at least 2"),
        (["--folds=9"], "too few for 9 folds"),
        (
            ["--folds=2", "--split=test"],
            "evaluates runs of its own: no --split",
        ),
        (["--folds=2", "--early"], "no --early"),
    ],
)
def test_wrong_input_is_said_before_anything_is_trained(root, arguments, said):
    with pytest.raises(InputError, match=said):
        evaluate.main([f"--workdir={root / 'run'}", *arguments])


def test_folds_of_other_videos_are_other_folds(root, out, tmp_path):
    prepared.write_dataset(tmp_path / "data", FPHA, SPLITS, seed=1)
    places = [f"--data={tmp_path / 'data'}", f"--out={out}"]
    with pytest.raises(InputError, match=r"fold_0 was run on another dataset .* another --out"):
        evaluate.main([f"--workdir={root / 'run'}", "--folds=2", *places])


def test_a_run_that_began_from_one_that_saw_the_videos_is_refused(root, tmp_path):
    path = shutil.copytree(root / "run", tmp_path / "run") / "run.json"
    content = json.loads(path.read_text())
    content["config"]["init"]["checkpoint"] = str(root / "run")
    path.write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"init.checkpoint=.*run was trained on this dataset"):
        evaluate.main([f"--workdir={tmp_path / 'run'}", "--folds=2"])
