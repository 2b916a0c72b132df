"""Every format of the export: its files, what they compute, the way back, and what is refused."""

import dataclasses
import json
import pathlib
import shutil
import sys

import jax
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file

from htt_jax import export, from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import formats, stablehlo, torch_model
from htt_jax.interop.opening import open_any, read_moments
from htt_jax.runs import opening as restore
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import move, sha256
from htt_jax.support.paths import place
from tests import prepared, runs, torch_files
from tests.cards import assert_card
from tests.parity import cases

SIZES = {"pose_layers": 2, "action_layers": 2}  # as published, for the published names
FILES = {
    "pytorch": ["htt.pth"],
    "safetensors": ["htt.safetensors"],
    "stablehlo": ["htt.stablehlo", "htt.stablehlo.json", "htt.stablehlo.safetensors"],
    "onnx": ["htt.onnx"],
}
WRITTEN = [to for to in FILES if to != "onnx"]  # which takes long: once, for `test_onnx`


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset, and a run on it with Adam's moments."""
    root = tmp_path_factory.mktemp("export")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8, 6, 9], "test": [6, 7]})
    torch_files.save_trained(root / "published.pth", **SIZES)
    make_run(root / "published.pth", root / "run", f"--data={data}")
    return root


@pytest.fixture(scope="module")
def exported(folder):
    """Formats beside each other, and how far each is from the run."""
    return {
        to: export.export(str(folder / "run"), to, folder / "out" / FILES[to][0]) for to in WRITTEN
    }


def make_run(file, out, *options):
    from_pytorch.main([str(file), f"--out={out}", *torch_files.OPTIONS, *options])


def open_run(workdir):
    return restore.open_run(workdir, None, sharding.single_device_mesh())


def assert_same(found, expected):
    assert jax.tree.structure(found) == jax.tree.structure(expected)
    jax.tree.map(np.testing.assert_array_equal, found, expected)


def test_formats_lie_beside_each_other_each_with_its_card(folder, exported):
    written = [FILES[to] for to in WRITTEN]
    cards = [f"{files[0]}.md" for files in written]
    expected = sorted([*cards, *(name for files in written for name in files)])
    assert sorted(path.name for path in (folder / "out").iterdir()) == expected


@pytest.mark.proof
def test_an_export_to_a_bucket_is_that_of_the_disk_and_is_read_there(folder, exported, gcs):
    out = place(f"{gcs.root}/export/htt.safetensors")
    export.export(str(folder / "run"), "safetensors", out)
    names = {path.name for path in out.parent.iterdir()}
    assert names == {"htt.safetensors", "htt.safetensors.md"}
    assert sha256(out) == sha256(folder / "out/htt.safetensors")
    for name in ("htt.pth", *FILES["stablehlo"]):
        move(pathlib.Path(shutil.copy(folder / "out" / name, folder)), out.with_name(name))
    mesh = sharding.single_device_mesh()
    for name in ("htt.safetensors", "htt.pth", "htt.stablehlo"):
        found, expected = (open_any(x / name, None, mesh) for x in (out.parent, folder / "out"))
        assert_same(found.variables, expected.variables)
    out.write_bytes(out.read_bytes()[:-1])
    with pytest.raises(InputError, match=f"^{out} is not a whole .safetensors file"):
        open_any(out, None, mesh)
    with pytest.raises(InputError, match=f"no such run or file: {out}.none; name a run"):
        open_any(f"{out}.none", None, mesh)


def test_outputs_are_those_of_the_run(exported):
    largest = {"joints_2d": 5e-3, "depth": 2e-5, "joints_3d": 2e-5}  # pixels, metres
    for to, differences in exported.items():
        assert list(differences) == [*largest, "object_logits", "action_logits"]
        for name, difference in differences.items():
            assert difference < largest.get(name, 2e-5), (to, name)
    assert set(exported["safetensors"].values()) == {0}  # the same program, the same weights


def test_a_pth_loads_strictly_into_the_published_modules_names(folder, exported):
    content = torch.load(folder / "out/htt.pth", weights_only=True)
    assert list(content) == ["epoch", "network", "state_dict", "htt_jax", "optimizer"]
    names = json.loads((cases.HERE / "state_dict_keys.json").read_text())
    assert list(content["state_dict"]) == list(names)
    module = torch_model.HTT(**torch_files.SIZES | SIZES)
    assert list(module.state_dict()) == list(names)
    module.load_state_dict(content["state_dict"], strict=True)
    optimizer = torch_files.adam(module)
    optimizer.load_state_dict(content["optimizer"])
    torch_files.train(module, optimizer, steps=1)
    assert optimizer.state_dict()["state"][0]["step"] == torch_files.STEPS + 1
    assert content["epoch"] == 2


def test_the_published_tensors_come_out_as_they_went_in(folder, exported):
    before = torch.load(folder / "published.pth", weights_only=False)
    after = torch.load(folder / "out/htt.pth", weights_only=True)
    for name, x in after["state_dict"].items():
        if ".fc." not in name and "num_batches_tracked" not in name:
            assert torch.equal(x, before["state_dict"][f"module.{name}"]), name
    for number, state in before["optimizer"]["state"].items():
        for name, x in state.items():
            assert torch.equal(after["optimizer"]["state"][number][name], x), (number, name)


@pytest.mark.proof
@pytest.mark.parametrize("to", ["pytorch", "safetensors"])
def test_out_in_and_out_again_changes_no_bit(folder, exported, tmp_path, to):
    first = folder / "out" / FILES[to][0]
    from_pytorch.main([str(first), f"--out={tmp_path / 'run'}"])
    before, after = (open_run(path / "run") for path in (folder, tmp_path))
    assert_same(after.variables, before.variables)
    assert after.config.to_dict() == before.config.to_dict()
    assert after.dataset == before.dataset
    if to == "pytorch":
        assert after.step == before.step == 14
        assert_same(
            dataclasses.astuple(read_moments(after)),
            dataclasses.astuple(read_moments(before)),
        )
    export.export(str(tmp_path / "run"), to, tmp_path / first.name)
    assert_same(*(tensors_of(path) for path in (tmp_path / first.name, first)))


def tensors_of(path):
    if path.suffix == ".safetensors":
        return load_file(path)
    content = torch.load(path, weights_only=True)
    del content["htt_jax"]  # says where it was imported from
    return jax.tree.map(lambda x: x.numpy() if torch.is_tensor(x) else x, dict(content))


def test_a_stablehlo_runs_and_knows_classes_and_joints(folder, exported):
    program = stablehlo.read(folder / "out/htt.stablehlo")
    assert program.facts["dataset"]["action_names"] == prepared.ACTIONS
    assert program.facts["joint_names"][:2] == ["right_wrist", "right_thumb_1"]
    assert program.facts["step"] == 14


@pytest.mark.parametrize("to", WRITTEN)
def test_a_card_says_what_where_from_and_how_good(folder, exported, to):
    assert_card(folder / "out", FILES[to], exported[to])


def test_the_command_replaces_what_is_there_and_prints_the_differences(folder, tmp_path, capsys):
    out = tmp_path / "htt.safetensors"
    out.write_text("old")
    export.main([f"--workdir={folder / 'run'}", "--to=safetensors", f"--out={out}"])
    assert capsys.readouterr().out.splitlines() == [
        "read back and run; largest differences to the run's own outputs:",
        "  joints_2d     0.00e+00 pixels",
        "  depth         0.00e+00 metres",
        "  joints_3d     0.00e+00 metres",
        "  object_logits 0.00e+00",
        "  action_logits 0.00e+00",
        f"written: {out}, model card: {out}.md",
    ]
    assert len(load_file(out)) > 100


def test_a_folder_that_cannot_be_written_is_one_line(folder, tmp_path):
    out = tmp_path / f"{'long' * 60}.safetensors"  # a name the system takes, the folder's not
    with pytest.raises(InputError, match=r"File name too long; put that right, or"):
        export.export(str(folder / "run"), "safetensors", out)
    assert list(tmp_path.iterdir()) == []


def test_a_bfloat16_run_is_exported_in_float32_where_the_format_has_no_other(folder, tmp_path):
    options = f"--data={folder / 'data'}", "--config.model.dtype=bfloat16"
    make_run(folder / "published.pth", tmp_path / "run", *options)
    out = tmp_path / "new/folder/htt.safetensors"
    assert set(export.export(str(tmp_path / "run"), "safetensors", out).values()) == {0}


@pytest.fixture(scope="module")
def unpublished(folder):
    """A run of another structure: parallel blocks, frames alone."""
    options = {"model__window": 1, "model__cascaded": False}
    runs.initialise_run(folder / "unpublished", folder / "data", **options)
    return str(folder / "unpublished")


@pytest.mark.parametrize("to", ["pytorch", "safetensors", "onnx"])
def test_a_model_that_is_not_the_published_one_is_refused_where_it_has_no_names(
    unpublished, tmp_path, to
):
    with pytest.raises(
        InputError, match=r"no PyTorch layout: .*params/action_input/bias.*stablehlo"
    ):
        export.export(unpublished, to, tmp_path / FILES[to][0])
    assert list(tmp_path.iterdir()) == []


def test_a_model_that_is_not_the_published_one_goes_to_stablehlo(unpublished, tmp_path):
    found = export.export(unpublished, "stablehlo", tmp_path / "htt.stablehlo")
    assert max(found.values()) < 5e-3


def test_a_run_that_computes_no_numbers_is_refused_and_the_old_file_stays(folder, tmp_path):
    module = torch_files.make(**SIZES)
    with torch.no_grad():
        module.action_classification.classifier.weight.fill_(3e38)  # sums are beyond float32
    file = torch_files.save(tmp_path / "large.pth", module)
    make_run(file, tmp_path / "run", f"--data={folder / 'data'}")
    out = tmp_path / "out/htt.safetensors"
    out.parent.mkdir()
    out.write_text("old")
    with pytest.raises(InputError, match=r"run, step 0, computes .* not finite: action_logits;"):
        export.export(str(tmp_path / "run"), "safetensors", out)
    assert [path.read_text() for path in out.parent.iterdir()] == ["old"]


@pytest.mark.parametrize("end", [InputError, KeyboardInterrupt])
def test_what_was_not_read_back_does_not_stay(folder, tmp_path, monkeypatch, end):
    def other(path, run, inputs):
        assert path.exists()
        if end is KeyboardInterrupt:
            raise KeyboardInterrupt
        outputs = formats.apply(run, run.variables, inputs)
        return outputs | {"depth": outputs["depth"] + 0.01}

    form = formats.FORMATS["safetensors"]
    monkeypatch.setitem(formats.FORMATS, "safetensors", dataclasses.replace(form, run=other))
    message = r"safetensors export does not compute what the run does: it differs in depth by 0.01"
    with pytest.raises(end, match=None if end is KeyboardInterrupt else message):
        export.export(str(folder / "run"), "safetensors", tmp_path / "htt.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("to", "missing", "message"),
    [
        ("pytorch", "torch", r"^/.*/htt.pth: writing a .pth .* torch; pip install -e '.\[torch\]'"),
        ("onnx", "onnxscript", r"^/.*/htt.onnx: writing an ONNX file needs .* -e '.\[onnx\]'"),
    ],
)
def test_a_missing_package_is_named_with_the_file_that_was_asked_for(
    folder, tmp_path, monkeypatch, to, missing, message
):
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(InputError, match=message) as refused:
        export.export(str(folder / "run"), to, tmp_path / FILES[to][0])
    assert str(refused.value).startswith(str(tmp_path / FILES[to][0]))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"--out": "htt.pt"}, "--out=htt.pt must end in .safetensors, the suffix of safetensors"),
        ({"--out": "."}, "--out=. must end in .safetensors"),
        ({"--out": "{tmp}/folder.safetensors"}, "folder.safetensors is a folder; name a file"),
        ({"--out": "{tmp}/file/htt.safetensors"}, "cannot make the folder "),
        ({"--workdir": "nowhere"}, "no run in nowhere"),
        ({"--step": "3"}, "no checkpoint of step 3 in "),
    ],
)
def test_wrong_options_are_one_line(folder, tmp_path, capsys, options, message):
    (tmp_path / "folder.safetensors").mkdir()
    (tmp_path / "file").touch()
    given = {
        "--workdir": folder / "run",
        "--to": "safetensors",
        "--out": tmp_path / "htt.safetensors",
    }
    argv = [f"{name}={str(x).format(tmp=tmp_path)}" for name, x in {**given, **options}.items()]
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: export.main(argv))
    assert ended.value.code == 2
    err = capsys.readouterr().err
    assert message in err
    assert err.count("\n") == 1
    assert len(list(tmp_path.iterdir())) == 2
