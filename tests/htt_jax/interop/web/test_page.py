"""The page that is written: what is in it, and runs that have none."""

import dataclasses
import re

import onnx
import pytest

from htt_jax.datasets.spec import H2O, NO_JOINTS
from htt_jax.devices import sharding
from htt_jax.interop import onnx_model
from htt_jax.interop.exporting import export_page
from htt_jax.interop.web import page
from htt_jax.interop.web.runtime import Runtime
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from tests import pages, prepared, runs

RUNTIME = Runtime(b"export const name = '</script>';", b"\0asm")
# What is told of frames, windows and clips, in the names of HTT's file.
MODEL = onnx.parser.parse_model("""
    <ir_version: 8, opset_import: ["": 18]>
    htt (float[clips, frames, 36, 64, 3] image, bool[clips, frames] valid,
         float[clips, frames, 3, 3] intrinsics) => (float[clips, frames] depth,
                                                    float[clips] action_logits) {
        frame_features = ReduceMean <keepdims = 0, noop_with_empty_axes = 1> (image)
        real = Cast <to = 1> (valid)
        frame_tokens = Mul (frame_features, intrinsics)
        depth = Mul (frame_features, real)
        action_logits = Mul (frame_tokens, real)
    }
""").SerializeToString()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    root = tmp_path_factory.mktemp("page")
    data = prepared.write_dataset(root / "data", H2O, {"train": [4]}, (64, 36))
    runs.initialise_run(root / "run", data)
    return open_run(root / "run", None, sharding.single_device_mesh())


@pytest.fixture(scope="module")
def text(run, tmp_path_factory):
    path = tmp_path_factory.mktemp("written") / "htt.html"
    page.write(path, run, MODEL, RUNTIME)
    return path.read_text()


def test_a_page_holds_the_runtime_and_the_parts_of_the_model(text):
    found = pages.packed(text)
    assert list(found) == ["program", "wasm", "frames", "windows", "clips"]
    assert Runtime(found.pop("program"), found.pop("wasm")) == RUNTIME
    assert list(found.values()) == onnx_model.parts("htt.onnx", MODEL)


def test_a_page_asks_nothing_of_a_network(text):
    without_data = re.sub(r'data-packed="\w+">[^<]*', "", text)
    assert not re.search(r"https?:|src=|href=|@import|url\(", without_data)
    assert not re.search(r"\{(title|about|style|facts|packed|worker|script)\}", without_data)


def test_scripts_are_told_how_the_model_sees_and_what_is_drawn(text, run):
    told = pages.facts(text)
    assert told["colours"][:2] == told["colours"][21:23] == ["#d6dbe2", "#c2462a"]
    bones = told.pop("bones")
    assert len(bones) == 40
    assert [0, 1] in bones
    assert [21, 22] in bones
    del told["colours"]
    assert told == {
        "window": 2,
        "frames": 4,
        "spacing": 2,
        "frameRate": 30.0,
        "modelSize": [64, 36],
        "storedSize": [480, 270],
        "antialiased": False,
        "camera": list(H2O.camera),
        "nativeSize": [1280, 720],
        "actions": list(run.dataset.action_names),
        "objects": list(run.dataset.object_names),
    }


def test_hands_that_were_not_learned_are_not_drawn(run):
    spec = dataclasses.replace(run.dataset.spec, joints=NO_JOINTS)
    dataset = dataclasses.replace(run.dataset, spec=spec)
    description = dataclasses.replace(run.description, dataset=dataset)
    assert page.facts(dataclasses.replace(run, description=description))["bones"] == []


@pytest.mark.parametrize(
    ("out", "message"),
    [
        ("htt.onnx", r"--out=\S+ must end in .html, the suffix of web"),
        ("file/htt.html", r"file"),
    ],
)
def test_what_cannot_be_written_is_refused_before_the_work(run, tmp_path, out, message):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=message) as refused:
        export_page(run.workdir, tmp_path / out, RUNTIME)
    assert "\n" not in str(refused.value)
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
