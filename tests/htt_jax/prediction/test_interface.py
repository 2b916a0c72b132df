"""The Python interface: what can be loaded, what can be predicted on, what comes out."""

import subprocess
import sys

import av
import cv2
import numpy as np
import pytest
import torch

import htt_jax
from htt_jax import camera, from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import formats, torch_model
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from tests import prepared, torch_files

FRAMES, SIZE = 11, (64, 36)
NAMES = (
    "joints_2d",
    "depth",
    "joints_3d",
    "object_probabilities",
    "clip_action_probabilities",
    "action_probabilities",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run, the files it is exported to, and a video as frames and as a file without loss."""
    root = tmp_path_factory.mktemp("predictor")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8]}, SIZE)
    torch_files.save_trained(root / "published.pth")
    options = [f"--out={root / 'run'}", f"--data={data}", *torch_files.OPTIONS]
    from_pytorch.main([str(root / "published.pth"), *options])
    run = open_run(root / "run", None, sharding.single_device_mesh())
    for to, form in formats.FORMATS.items():
        if to != "onnx":
            form.write(root / f"htt{form.suffix}", run)
    (root / "frames").mkdir()
    with av.open(str(root / "video.mp4"), "w") as container:
        stream = container.add_stream("libx264rgb", rate=30)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "rgb24"
        stream.options = {"qp": "0"}
        for number, image in enumerate(video()):
            cv2.imwrite(str(root / f"frames/{number:02}.png"), image[..., ::-1])
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return root


def video():
    """RGB frames of the size that the model sees."""
    return np.random.default_rng(0).integers(0, 256, (FRAMES, *SIZE[::-1], 3), np.uint8)


@pytest.fixture(scope="module")
def model(folder):
    return htt_jax.load(folder / "run")


@pytest.fixture(scope="module")
def expected(model):
    return model.predict(video())


def assert_same(found, expected, tolerance=0.0):
    for name in NAMES:
        x, y = getattr(found, name), getattr(expected, name)
        np.testing.assert_allclose(x, y, rtol=tolerance, atol=tolerance, err_msg=name)


def test_arrays_have_the_documented_shapes_and_units(expected):
    assert expected.frame_names == [f"frame {i}" for i in range(FRAMES)]
    shapes = [getattr(expected, name).shape for name in NAMES]
    assert shapes == [(11, 21, 2), (11, 21), (11, 21, 3), (11, 2), (4, 3), (3,)]
    matrix = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, SIZE)
    pixels, depth = camera.project(expected.joints_3d.astype(np.float64), matrix)
    np.testing.assert_allclose(expected.joints_2d, pixels, rtol=1e-4, atol=1e-3)
    np.testing.assert_allclose(expected.depth, depth)
    for name in ("object_probabilities", "action_probabilities"):
        np.testing.assert_allclose(getattr(expected, name).sum(-1), 1, rtol=1e-5, err_msg=name)


def test_numbers_are_those_of_the_model_in_pytorch(folder, expected):
    module = torch_model.HTT(**torch_files.SIZES)
    content = torch.load(folder / "htt.pth", weights_only=True)
    module.load_state_dict(content["state_dict"])
    frames = torch.tensor(video()[:8:2])[None] / 255 - 0.5  # the first clip: every second frame
    matrix = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, SIZE)
    intrinsics = torch.tensor(matrix, dtype=torch.float32).expand(1, 4, 3, 3)
    with torch.no_grad():
        out = module(frames, torch.ones(1, 4, dtype=torch.bool), intrinsics)
    np.testing.assert_allclose(expected.joints_3d[:8:2], out["joints_3d"][0], rtol=1e-4, atol=1e-5)
    action = out["action_logits"][0].softmax(-1)
    np.testing.assert_allclose(expected.clip_action_probabilities[0], action, rtol=1e-4)


@pytest.mark.parametrize("file", ["htt.pth", "htt.safetensors"])
def test_weights_predict_what_their_run_does(folder, expected, file):
    loaded = htt_jax.load(folder / file)
    assert loaded.run.dataset.action_names == tuple(prepared.ACTIONS)
    assert_same(loaded.predict(video()), expected)


def test_a_program_predicts_what_its_run_does(folder, expected):
    loaded = htt_jax.load(str(folder / "htt.stablehlo"))
    assert loaded.run.dataset.action_names == tuple(prepared.ACTIONS)
    found = loaded.predict(video())
    assert_same(found, expected, tolerance=1e-5)
    assert found.decided_frame is None  # it tells the action of whole clips, not when
    assert expected.decided_frame in (3, 7, FRAMES - 1)


@pytest.mark.parametrize(("source", "rate"), [("frames", 30), ("video.mp4", None)])
def test_files_predict_what_their_array_does(folder, model, expected, source, rate):
    found = model.predict(folder / source, rate=rate)
    assert_same(found, expected)
    assert len(found.frame_names) == FRAMES


def test_a_camera_may_be_given(model, expected):
    found = model.predict(video(), intrinsics=(60, 62, 32, 18))
    assert np.abs(found.joints_3d - expected.joints_3d).max() > 1e-2
    matrix = np.array([[60.0, 0, 32], [0, 62, 18], [0, 0, 1]])
    pixels, _ = camera.project(found.joints_3d.astype(np.float64), matrix)
    np.testing.assert_allclose(found.joints_2d, pixels, rtol=1e-4, atol=1e-3)


@pytest.mark.parametrize(
    "video",
    [
        np.zeros((3, 36, 64, 3), np.float32),
        np.zeros((36, 64, 3), np.uint8),
        np.zeros((3, 3, 36, 64), np.uint8),
        np.zeros((0, 36, 64, 3), np.uint8),
    ],
)
def test_an_array_that_is_no_video_is_refused(model, video):
    with pytest.raises(InputError, match=r"is no video; expected RGB frames, uint8 \(frames, "):
        model.predict(video)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("gone", r"no such run or file: .*gone; name a run's folder or a file of weights"),
        ("gone.stablehlo", r"no such run or file: "),
        ("frames", r"no run in .*frames: .*run.json is missing"),
        ("video.mp4", r"video.mp4 is neither a .pth nor a .safetensors file"),
        ("htt.stablehlo.safetensors", r"does not hold an HTT but another model"),
        ("model.onnx", r"model.onnx is not an ONNX model: .*; give an .onnx file"),
    ],
)
def test_what_is_no_model_is_refused(folder, path, message):
    (folder / "model.onnx").touch()
    with pytest.raises(InputError, match=message):
        htt_jax.load(folder / path)


def test_an_empty_path_is_no_model():
    with pytest.raises(InputError, match="no run is named; name a run's folder or a file"):
        htt_jax.load("")


def test_only_a_run_has_steps(folder):
    assert htt_jax.load(folder / "run", step=4).run.step == 4  # two epochs of two steps
    with pytest.raises(InputError, match=r"no checkpoint of step 3 in .*; there are: 4"):
        htt_jax.load(folder / "run", step=3)
    with pytest.raises(InputError, match=r"htt.pth holds one checkpoint; leave step 4 away"):
        htt_jax.load(folder / "htt.pth", step=4)


def test_importing_the_package_imports_neither_jax_nor_torch():
    program = (
        "import sys, htt_jax; print('jax' in sys.modules, 'torch' in sys.modules); "
        "print(htt_jax.load.__module__, 'jax' in sys.modules, 'torch' in sys.modules)"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert found.stdout.split("\n")[:2] == [
        "False False",
        "htt_jax.prediction.interface True False",
    ]
    with pytest.raises(AttributeError, match="module 'htt_jax' has no attribute 'laod'"):
        htt_jax.laod  # noqa: B018
