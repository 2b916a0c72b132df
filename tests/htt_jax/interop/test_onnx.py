import contextlib
import json
import logging
import os
import sys

import cv2
import jax
import numpy as np
import onnx as onnx_format
import pytest
import torch

import htt_jax
from htt_jax import from_pytorch, predict
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import onnx, pytorch, torch_model
from htt_jax.interop.exporting import export
from htt_jax.interop.opening import open_any
from htt_jax.models.htt import HTT
from htt_jax.models.htt import signature as htt_signature
from htt_jax.models.outputs import OUTPUTS
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.support.errors import InputError
from tests import prepared, torch_files, train_runs
from tests.cards import assert_card
from tests.parity import recipe

pytestmark = pytest.mark.proof  # PyTorch's exporter takes its time

SIZES = torch_files.SIZES | {"window": 4, "mlp_width": 64}
WIDTH, HEIGHT = 64, 36
OPTIONS = (
    *torch_files.OPTIONS,
    *("--config.data.frames=8", "--config.model.window=4"),
)


def inputs(clips, windows):
    """Frames with padding: all windows but the first in the first clip, the whole last of many."""
    frames = windows * SIZES["window"]
    rng = np.random.default_rng(0)
    valid = np.ones((clips, frames), bool)
    valid[0, 3:] = False
    valid[1:][-1:] = False
    intrinsics = np.array([[58, 0, 30], [0, 57, 17], [0, 0, 1]], np.float32)
    return {
        "image": rng.random((clips, frames, HEIGHT, WIDTH, 3), np.float32) - 0.5,
        "valid": valid,
        "intrinsics": np.broadcast_to(intrinsics, (clips, frames, 3, 3)),
    }


@pytest.fixture(scope="module")
def module():
    """The model in PyTorch, every tensor of it random."""
    model = torch_model.HTT(**SIZES)
    random = {
        name: torch.tensor(recipe.fill(name, tuple(x.shape), seed=0))
        for name, x in model.state_dict().items()
    }
    model.load_state_dict(random)
    return model.eval()


@pytest.fixture(scope="module")
def tensors(module):
    return {name: x.numpy() for name, x in module.state_dict().items()}


@pytest.fixture(scope="module")
def written(module, tmp_path_factory):
    """A run's export, how far it is from the run, and all that was said while it was written."""
    root = tmp_path_factory.mktemp("onnx")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8], "test": [8]}, (WIDTH, HEIGHT))
    torch_files.save(root / "published.pth", module)
    from_pytorch.main(
        [str(root / "published.pth"), f"--out={root / 'run'}", f"--data={data}", *OPTIONS]
    )
    path = root / "out" / "model.onnx"
    with (root / "said.txt").open("w") as file, everything_said_to(file):
        differences = export(str(root / "run"), "onnx", path)
    return path, differences, (root / "said.txt").read_text()


@contextlib.contextmanager
def everything_said_to(file):
    """The process's own output and errors, not only Python's, and the warnings logged."""
    handler = logging.StreamHandler(file)
    handler.setLevel(logging.WARNING)
    logging.getLogger().addHandler(handler)
    saved = {number: os.dup(number) for number in (1, 2)}
    for number in saved:
        os.dup2(file.fileno(), number)
    try:
        with contextlib.redirect_stdout(file), contextlib.redirect_stderr(file):
            yield
    finally:
        for number, before in saved.items():
            os.dup2(before, number)
            os.close(before)
        logging.getLogger().removeHandler(handler)


@pytest.fixture(scope="module")
def path(written):
    return written[0]


def assert_near(found, expected):
    assert list(found) == [output.name for output in OUTPUTS]
    for name, x in found.items():
        y = np.asarray(expected[name])
        assert x.shape == y.shape, name
        assert x.dtype == np.float32, name
        assert np.abs(x - y).max() < 1e-5 * np.abs(y).max(), name


@pytest.mark.parametrize(("clips", "windows"), [(1, 1), (2, 1), (3, 2), (1, 5)])
def test_outputs_are_the_pytorch_model_s_for_any_number_of_clips_and_windows(
    path, module, clips, windows
):
    batch = inputs(clips, windows)
    with torch.no_grad():
        expected = module(*(torch.tensor(x) for x in batch.values()))
    assert_near(onnx.load(path)(**batch), expected)


def test_outputs_are_the_flax_model_s(path, tensors):
    batch = inputs(clips=2, windows=2)
    apply = jax.jit(HTT(**SIZES).apply)
    assert_near(onnx.load(path)(**batch), apply(pytorch.to_variables(tensors), **batch))


def test_the_file_is_valid_complete_and_says_what_it_is(path):
    onnx_format.checker.check_model(path.read_bytes(), full_check=True)
    model = onnx_format.load(path, load_external_data=False)
    (told,) = model.metadata_props
    assert told.key == "htt_jax"
    facts = json.loads(told.value)
    assert facts["dataset"]["action_names"] == prepared.ACTIONS
    assert facts["step"] == 0
    assert not any(
        map(onnx_format.external_data_helper.uses_external_data, model.graph.initializer)
    )
    axes = {
        value.name: [axis.dim_param or axis.dim_value for axis in value.type.tensor_type.shape.dim]
        for value in (*model.graph.input, *model.graph.output)
    }
    assert axes == {
        "image": ["clips", "4*windows", HEIGHT, WIDTH, 3],
        "valid": ["clips", "4*windows"],
        "intrinsics": ["clips", "4*windows", 3, 3],
        "joints_2d": ["clips", "4*windows", 21, 2],
        "depth": ["clips", "4*windows", 21],
        "joints_3d": ["clips", "4*windows", 21, 3],
        "object_logits": ["clips", "4*windows", 2],
        "action_logits": ["clips", 3],
    }


def test_nothing_of_the_machine_that_wrote_it_is_in_the_file(path):
    data = path.read_bytes()
    for trace in (b"torch_model.py", b"site-packages", str(train_runs.ROOT).encode()):
        assert trace not in data


def test_writing_says_nothing_and_leaves_one_file_and_its_card(written):
    path, differences, said = written
    assert said == ""
    assert {file.name for file in path.parent.iterdir()} == {"model.onnx", "model.onnx.md"}
    assert_card(path.parent, ["model.onnx"], differences)


def test_outputs_are_those_of_the_run(written):
    _, differences, _ = written
    largest = {"joints_2d": 5e-3, "depth": 2e-5, "joints_3d": 2e-5}  # pixels, metres
    assert list(differences) == [*largest, "object_logits", "action_logits"]
    for name, difference in differences.items():
        assert difference < largest.get(name, 2e-5), name


@pytest.mark.parametrize("missing", ["torch", "onnxscript"])
def test_writing_without_a_package_says_what_to_install(tmp_path, monkeypatch, missing):
    dataset = DatasetFacts(FPHA, ("pour",), ("milk",), (WIDTH, HEIGHT), None)
    signature = htt_signature.signature(dataset, SIZES["window"])
    monkeypatch.setitem(sys.modules, missing, None)  # as if it were not installed
    with pytest.raises(InputError, match=rf"{missing}.*; pip install -e '.\[onnx\]'") as refused:
        onnx.write(tmp_path / "model.onnx", torch_model.HTT, signature, {})
    assert "\n" not in str(refused.value)
    assert not list(tmp_path.iterdir())


def test_running_without_onnxruntime_says_what_to_install(path, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r"needs onnxruntime.*; pip install -e '.\[onnx\]'"):
        onnx.load(path)


@pytest.mark.parametrize("left", [0, 1000])
def test_a_damaged_file_is_named(path, tmp_path, left):
    damaged = tmp_path / "damaged.onnx"
    damaged.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError, match=r"damaged.onnx is not an ONNX model") as refused:
        onnx.load(damaged)
    assert "\n" not in str(refused.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"cannot read .*absent.onnx: No such file"):
        onnx.load(tmp_path / "absent.onnx")


@pytest.fixture(scope="module")
def model(path):
    return htt_jax.load(path)


@pytest.fixture(scope="module")
def video():
    """RGB frames of the size the model sees: a clip of two windows, and part of another."""
    return np.random.default_rng(0).integers(0, 256, (21, HEIGHT, WIDTH, 3), np.uint8)


@pytest.fixture(scope="module")
def predicted(path, video):
    """By the run that was exported."""
    return htt_jax.load(path.parent.parent / "run").predict(video)


def test_a_file_predicts_what_its_run_does_after_every_window_too(model, predicted, video):
    assert model.run.dataset.action_names == tuple(prepared.ACTIONS)
    found = model.predict(video)
    for name, scale in (("joints_2d", 100), ("joints_3d", 1), ("object_probabilities", 1)):
        x, y = getattr(found, name), getattr(predicted, name)
        np.testing.assert_allclose(x, y, rtol=1e-4, atol=1e-5 * scale, err_msg=name)
    np.testing.assert_allclose(found.action_over_time, predicted.action_over_time, rtol=1e-4)
    assert found.decided_frame == predicted.decided_frame
    assert found.attention is None  # a program does not tell where it looked


def test_frames_that_come_one_by_one_give_the_same(model, predicted, video):
    online = OnlinePredictor(model.run, (WIDTH, HEIGHT), newest=True)
    results, at_once = [], []
    for frame in video:
        results += online.push(frame)
        at_once.append(online.newest.joints_3d)
    results += online.finish()
    found = np.stack([result.joints_3d for result in results])
    np.testing.assert_allclose(found, predicted.joints_3d, rtol=1e-4, atol=1e-5)
    # Of the last frame of a window the newest pose is the final one, of others it is another.
    last = np.isin(np.arange(len(video)) // 2 % 4, 3)
    np.testing.assert_allclose(np.stack(at_once)[last], found[last], rtol=1e-4, atol=1e-5)
    assert np.abs(np.stack(at_once) - found)[~last][:-2].max() > 1e-3
    action = online.action_probabilities
    np.testing.assert_allclose(action, predicted.action_probabilities, rtol=1e-4)


def test_outputs_are_the_runs_also_where_clips_or_windows_are_padding(model, path):
    batch = inputs(clips=2, windows=2)
    mesh = sharding.single_device_mesh()
    run = open_any(path.parent.parent / "run", None, mesh)
    valid = batch["valid"]
    found = model.run.model.apply(model.run.variables, *batch.values())
    expected = jax.jit(run.model.apply)(run.variables, *batch.values())
    for name in ("joints_3d", "object_logits"):
        x, y = np.asarray(found[name]), np.asarray(expected[name])
        assert x.shape == y.shape
        np.testing.assert_allclose(x[valid], y[valid], rtol=1e-4, atol=1e-5)
    logits = found["action_logits"]
    np.testing.assert_allclose(logits, expected["action_logits"], rtol=1e-4, atol=1e-5)


def test_the_command_predicts_with_a_file_and_names_it(path, predicted, video, tmp_path):
    (tmp_path / "frames").mkdir()
    for number, image in enumerate(video[:3]):
        cv2.imwrite(str(tmp_path / f"frames/{number}.png"), image[..., ::-1])
    predict.main([str(tmp_path / "frames"), f"--workdir={path}", f"--out={tmp_path / 'out'}"])
    told = json.loads((tmp_path / "out/predictions.json").read_text())
    assert str(path) in json.dumps(told)
    found = np.load(tmp_path / "out/predictions.npz")["joints_3d"]
    assert found.shape == (3, 21, 3)


def test_a_run_is_computed_by_onnx_runtime_if_asked(path, predicted, video):
    asked = htt_jax.load(path.parent.parent / "run", runtime="onnx")
    assert (asked.run.workdir, asked.run.step) == (str(path.parent.parent / "run"), 0)
    found = asked.predict(video)
    np.testing.assert_allclose(found.joints_3d, predicted.joints_3d, rtol=1e-4, atol=1e-5)


def test_a_file_is_for_its_own_runtime_alone(path):
    with pytest.raises(InputError, match=r"--runtime=jax: .*model.onnx is a program for onnx al"):
        htt_jax.load(path, runtime="jax")
    with pytest.raises(InputError, match="--runtime=tpu must be one of jax, onnx"):
        htt_jax.load(path, runtime="tpu")
    with pytest.raises(InputError, match=r"model.onnx holds one checkpoint; leave step 4 away"):
        htt_jax.load(path, step=4)


def changed(path, out, change):
    """A copy of an ONNX file, changed."""
    model = onnx_format.load(path)
    change(model)
    out.write_bytes(model.SerializeToString())
    return out


def rename_output(model):
    for node in model.graph.node:
        node.output[:] = ["points" if name == "joints_3d" else name for name in node.output]
    (output,) = (x for x in model.graph.output if x.name == "joints_3d")
    output.name = "points"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda model: model.ClearField("metadata_props"),
            r"not an ONNX file of this package: nothing in it tells of a run; give one that was wr",
        ),
        (
            lambda model: setattr(model.metadata_props[0], "value", "{}"),
            r"what .*other.onnx tells of its run is not the description of a run",
        ),
        (rename_output, r"not an ONNX file of this package: it returns \[.*'points'.*\], expected"),
    ],
)
def test_files_of_others_are_refused_in_a_line(path, tmp_path, change, message):
    with pytest.raises(InputError, match=message) as refused:
        htt_jax.load(changed(path, tmp_path / "other.onnx", change))
    assert "\n" not in str(refused.value)
