"""The prediction command on a small run: equal to evaluation, its files, and what it refuses."""

import json
import shutil
import struct
import sys

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from htt_jax import camera, evaluate, predict
from htt_jax.data import records
from htt_jax.datasets import FPHA, H2O
from htt_jax.errors import InputError
from htt_jax.frames import Resizer, open_frames
from tests import prepared, runs

FRAMES = 19  # two blocks of four frames twice, and three frames more
STORED = (64, 36)
MODEL = (48, 27)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset with one test video, its frames as files in `frames`, and a run in `run`."""
    root = tmp_path_factory.mktemp("predict")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [2], "test": [FRAMES]}, STORED)
    runs.initialise_run(root / "run", data, MODEL)
    (root / "frames").mkdir()
    for number, encoded in enumerate(records.RecordSource(data, "test")[0].frames):
        (root / f"frames/color_{number}.jpeg").write_bytes(encoded)  # 10 after 9, not after 1
    return root


@pytest.fixture(scope="module")
def predicted(folder):
    """The arrays of the command, given the video's own camera."""
    matrix = records.RecordSource(folder / "data", "test")[0].intrinsics
    fx, fy, cx, cy = matrix[0, 0], matrix[1, 1], matrix[0, 2], matrix[1, 2]
    run_command(folder / "frames", folder, f"--intrinsics={fx},{fy},{cx},{cy}")
    with np.load(folder / "out/predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


def run_command(path, folder, *options):
    predict.main(
        [str(path), "--workdir", str(folder / "run"), "--out", str(folder / "out"), *options]
    )


def write_video(path, images, rate=30):
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264rgb", rate=rate)
        stream.width, stream.height = images[0].shape[1::-1]
        stream.pix_fmt = "rgb24"
        stream.options = {"qp": "0"}  # lossless
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def frames_as_arrays(folder, count=FRAMES):
    return [cv2.imread(str(folder / f"color_{i}.jpeg"))[..., ::-1].copy() for i in range(count)]


def test_predictions_are_those_that_evaluation_scores(folder, predicted):
    results = evaluate.evaluate(str(folder / "run"), split="test").report["results"]
    video = records.RecordSource(folder / "data", "test")[0]
    off = 1000 * (predicted["joints_3d"].astype(np.float64) - video.joints_3d)
    aligned = off[:, 1:] - off[:, :1]
    pose = results["pose"]["right"]
    for space, errors in (("camera_space", off), ("root_aligned", aligned)):
        expected = np.linalg.norm(errors, axis=-1).mean(axis=0)
        np.testing.assert_allclose(pose[space]["mepe_per_joint"], expected, rtol=1e-5)
    right = predicted["object_probabilities"].argmax(axis=1) == video.object
    assert results["object"]["accuracy"] == right.mean()
    scored = results["action"]["per_video"][0]
    np.testing.assert_allclose(
        predicted["action_probabilities"], scored["probabilities"], rtol=1e-5
    )
    assert scored["predicted"] == predicted["action_probabilities"].argmax()


def test_arrays_fit_each_other(predicted):
    assert predicted["frame"].tolist() == list(range(FRAMES))
    assert predicted["frame_name"].tolist() == [f"color_{i}.jpeg" for i in range(FRAMES)]
    assert predicted["clip_start"].tolist() == [0, 1, 8, 9, 16, 17]
    assert predicted["clip_frames"].tolist() == [4, 4, 4, 4, 2, 1]
    assert predicted["joint_names"].tolist()[:2] == ["right_wrist", "right_thumb_1"]
    assert predicted["action_names"].tolist() == prepared.ACTIONS
    assert predicted["step"] == 7
    intrinsics = np.broadcast_to(predicted["intrinsics"], (FRAMES, 3, 3))
    joints_2d, depth = camera.project(predicted["joints_3d"].astype(np.float64), intrinsics)
    np.testing.assert_allclose(predicted["joints_2d"], joints_2d, rtol=1e-5, atol=1e-4)
    np.testing.assert_allclose(predicted["depth"], depth)
    np.testing.assert_allclose(predicted["object_probabilities"].sum(axis=1), 1, rtol=1e-5)
    clips = predicted["clip_action_probabilities"]
    np.testing.assert_allclose(predicted["action_probabilities"], clips.sum(axis=0) / 6, rtol=1e-6)


def test_readable_file_says_the_same(folder, predicted):
    found = json.loads((folder / "out/predictions.json").read_text())
    probabilities = predicted["action_probabilities"]
    order = np.argsort(-probabilities)
    assert [entry["name"] for entry in found["actions"]] == [prepared.ACTIONS[i] for i in order]
    assert found["actions"][0]["probability"] == pytest.approx(probabilities.max(), abs=1e-4)
    assert [clip["first_frame"] for clip in found["clips"]] == [0, 1, 8, 9, 16, 17]
    assert found["intrinsics"]["source"] == "given"
    assert found["run"]["step"] == 7
    assert len(found["frames"]) == FRAMES
    frame = found["frames"][12]
    assert frame["name"] == "color_12.jpeg"
    best = predicted["object_probabilities"][12].argmax()
    assert frame["object"] == prepared.OBJECTS[best]
    hand = frame["hands"]["right"]
    np.testing.assert_allclose(hand["joints_2d"], predicted["joints_2d"][12], atol=0.006)
    np.testing.assert_allclose(hand["joints_3d"], predicted["joints_3d"][12], atol=0.00001)


def test_video_file_gives_what_its_frames_give(folder, predicted, tmp_path):
    path = write_video(tmp_path / "video.mkv", frames_as_arrays(folder / "frames"))
    intrinsics = tuple(predicted["intrinsics"][[0, 1, 0, 1], [0, 1, 2, 2]])
    found, _ = predict.predict(str(path), workdir=str(folder / "run"), intrinsics=intrinsics)
    assert found.frame_names[-1] == f"frame {FRAMES - 1}"
    np.testing.assert_allclose(found.joints_3d, predicted["joints_3d"], atol=1e-5)
    np.testing.assert_allclose(
        found.clip_action_probabilities, predicted["clip_action_probabilities"], atol=1e-5
    )


def test_video_of_one_frame_works_by_default_with_the_datasets_camera_at_its_size(
    folder, tmp_path, capsys
):
    path = write_video(tmp_path / "one.mkv", [np.full((540, 960, 3), 99, np.uint8)])
    run_command(path, folder)
    printed = capsys.readouterr().out
    assert "1 frame of 960x540" in printed
    assert "cx 467.87, cy 270.34 (the FPHA camera at this size" in printed
    with np.load(folder / "out/predictions.npz") as found:
        assert found["joints_3d"].shape == (1, 21, 3)
        assert found["clip_frames"].tolist() == [1]
        expected = np.array([[697.8745115, 0, 467.866272], [0, 697.874634, 270.340515], [0, 0, 1]])
        np.testing.assert_allclose(found["intrinsics"], expected, rtol=1e-6)
        # A point keeps its place in space: pixels are those of the input.
        joints_2d, _ = camera.project(found["joints_3d"], found["intrinsics"][None])
        np.testing.assert_allclose(found["joints_2d"], joints_2d, rtol=1e-4)
        assert np.abs(found["joints_2d"].mean(axis=(0, 1)) - [480, 270]).max() < 400


def test_folders_are_read_in_natural_order_and_a_single_image_is_a_video(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    for name in ("b_1.png", "a_10.JPG", "a_9.Jpeg", "a_009b.png"):
        (tmp_path / name).write_bytes(cv2.imencode(".png", image)[1].tobytes())
    (tmp_path / "notes.txt").write_text("not a frame")
    resizer = Resizer(FPHA, (6, 4), (6, 4))
    names = [name for name, _ in open_frames(tmp_path).read(resizer)]
    assert names == ["a_9.Jpeg", "a_009b.png", "a_10.JPG", "b_1.png"]
    assert open_frames(tmp_path / "b_1.png").count == 1


def test_large_frames_pass_through_the_prepared_size_with_the_datasets_filter():
    image = np.random.default_rng(0).integers(0, 256, (720, 1280, 3), np.uint8)
    through = Image.fromarray(image).resize((480, 270), Image.Resampling.BILINEAR)
    np.testing.assert_array_equal(Resizer(FPHA, (1280, 720), (480, 270))(image), through)
    bilinear = cv2.resize(image, (480, 270), interpolation=cv2.INTER_LINEAR)
    np.testing.assert_array_equal(Resizer(H2O, (1280, 720), (480, 270))(image), bilinear)
    small = cv2.resize(bilinear, (120, 68), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(Resizer(H2O, (1280, 720), (120, 68))(image), small)
    assert Resizer(H2O, (1280, 720), (640, 360))(image).shape == (360, 640, 3)
    assert Resizer(FPHA, (32, 18), (480, 270))(image[:18, :32]).shape == (270, 480, 3)


def test_pictures_of_a_turned_camera_are_turned_back(tmp_path):
    image = np.zeros((32, 64, 3), np.uint8)
    image[:, :32] = 255  # bright on the left
    data = write_video(tmp_path / "flat.mp4", [image]).read_bytes()
    # The matrix of an MP4 track: nine big-endian numbers, of 16 and in the last column 30 bits.
    one, last = 1 << 16, 1 << 30
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, last)
    clockwise = struct.pack(">9i", 0, one, 0, -one, 0, 0, 0, 0, last)
    place = data.index(upright, data.index(b"tkhd"))
    turned = data[:place] + clockwise + data[place + len(upright) :]
    (tmp_path / "turned.mp4").write_bytes(turned)
    frames = open_frames(tmp_path / "turned.mp4")
    assert frames.size == (32, 64)
    ((_, found),) = frames.read(Resizer(FPHA, frames.size, frames.size))
    assert found[:28].min() > 200  # left has become top
    assert found[36:].max() < 50


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3", "not fx,fy,cx,cy; give four numbers"),
        ("1,2,3,x", "not fx,fy,cx,cy"),
        ("1,2,nan,3", "not fx,fy,cx,cy"),
        ("0,60,32,18", "--intrinsics=0,60,32,18: the focal lengths must be positive"),
        ("60,-60,32,18", "the focal lengths must be positive"),
        ("60,60,65,18", r"centre \(65, 18\) is outside the 64x36 image"),
        ("60,60,32,-1", r"centre \(32, -1\) is outside the 64x36 image"),
    ],
)
def test_wrong_intrinsics_are_refused(folder, text, message):
    with pytest.raises(InputError, match=message):
        run_command(folder / "frames", folder, f"--intrinsics={text}")


def test_missing_and_empty_inputs_are_refused(folder, tmp_path):
    with pytest.raises(InputError, match=r"no such file or folder: .*gone"):
        run_command(tmp_path / "gone", folder)
    (tmp_path / "notes.txt").write_text("no frame")
    with pytest.raises(InputError, match=r"no frame in .* no file ending in \.png, \.jpg, \.jpeg"):
        run_command(tmp_path, folder)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(InputError, match=r"noise\.mp4 is not a video that can be read"):
        run_command(tmp_path / "noise.mp4", folder)
    with pytest.raises(InputError, match=r"notes\.txt is not a video that can be read"):
        run_command(tmp_path / "notes.txt", folder)


def test_sound_without_pictures_is_refused(folder, tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match=r"sound\.wav holds no video"):
        run_command(tmp_path / "sound.wav", folder)


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "not a readable image"),
        (lambda data: b"no image at all", "not a readable image"),
        (lambda data: data[: len(data) // 2], "the file is cut short"),
        (
            lambda data: cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes(),
            "30x20 pixels instead of 64x36",
        ),
    ],
)
def test_one_unreadable_frame_is_named(folder, tmp_path, damage, reason):
    shutil.copytree(folder / "frames", tmp_path / "frames")
    damaged = tmp_path / "frames/color_12.jpeg"
    damaged.write_bytes(damage(damaged.read_bytes()))
    frames = open_frames(tmp_path / "frames")
    with pytest.raises(InputError, match=rf"cannot read the frame .*color_12\.jpeg: {reason}"):
        list(frames.read(Resizer(FPHA, frames.size, MODEL)))


def test_video_without_pyav_says_what_to_install(folder, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    (tmp_path / "video.mp4").write_bytes(b"any")
    with pytest.raises(InputError, match=r"needs PyAV: pip install -e '.\[video\]'"):
        run_command(tmp_path / "video.mp4", folder)


def test_missing_run_and_checkpoint_are_refused(folder, tmp_path):
    frames = str(folder / "frames")
    with pytest.raises(InputError, match="no run in"):
        predict.predict(frames, workdir=str(tmp_path))
    with pytest.raises(InputError, match=r"no checkpoint of step 3 in .*; there are: 7"):
        predict.predict(frames, workdir=str(folder / "run"), step=3)
    with pytest.raises(InputError, match="cannot make the folder"):
        predict.main([frames, "--workdir", str(folder / "run"), "--out", frames + "/color_0.jpeg"])
