"""The prediction command on a small run: equal to evaluation, and what it writes."""

import contextlib
import io
import json
from fractions import Fraction

import cv2
import numpy as np
import pytest

import htt_jax
from htt_jax import camera, evaluate, predict
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from htt_jax.prediction import rerun_log
from htt_jax.prediction.drawn import scenes
from htt_jax.prediction.smoothing import OneEuro, Smoothing, smooth_video
from htt_jax.prediction.sources import open_frames
from htt_jax.support.errors import InputError
from tests import predict_runs, prepared, recordings, videos
from tests.full_disk import full_disk
from tests.predict_runs import FRAMES, frames_as_arrays, run_command


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    return predict_runs.make(tmp_path_factory.mktemp("predict"))


@pytest.fixture(scope="module")
def printed(folder):
    """What the command prints, given the video's own camera; its files are in `out`."""
    matrix = records.RecordSource(folder / "data", "test")[0].intrinsics
    numbers = ",".join(str(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    options = (f"--intrinsics={numbers}", "--fps=30000/1001", "--rerun")
    (root := folder / "out").mkdir()
    for name in ("prediction.png", "notes.png"):
        (root / name).write_text("of an earlier day")
    with contextlib.redirect_stdout(io.StringIO()) as output:
        run_command(folder / "frames", folder, *options)
    return output.getvalue()


@pytest.fixture(scope="module")
def predicted(folder, printed):
    """The arrays of the command."""
    with np.load(folder / "out/predictions.npz", allow_pickle=False) as arrays:
        return dict(arrays)


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
    assert found["decided"]["frame"] == predicted["decided_frame"]
    assert predicted["decided_frame"] in (3, 7, 11, 15, FRAMES - 1)  # the ends of windows
    now = found["frames"][12]["actions_so_far"]
    assert list(now) == [
        prepared.ACTIONS[i] for i in np.argsort(-predicted["action_over_time"][12])
    ]
    assert now["put_salt"] == pytest.approx(predicted["action_over_time"][12, 2], abs=1e-4)
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
    path = videos.write_lossless(tmp_path / "video.mkv", frames_as_arrays(folder / "frames"))
    found = htt_jax.load(folder / "run").predict(path, intrinsics=predicted["intrinsics"])
    assert found.frame_names[-1] == f"frame {FRAMES - 1}"
    for name in ("joints_3d", "clip_action_probabilities", "action_over_time"):
        np.testing.assert_allclose(getattr(found, name), predicted[name], atol=1e-5)


def test_action_at_a_windows_end_is_that_of_the_video_cut_there(folder, predicted):
    over_time = predicted["action_over_time"]
    assert over_time.shape == (FRAMES, len(prepared.ACTIONS))
    np.testing.assert_allclose(over_time[-1], predicted["action_probabilities"], rtol=1e-5)
    frames = np.stack(frames_as_arrays(folder / "frames"))
    model = htt_jax.load(folder / "run")
    for end in (4, 8, 12, 16):  # of the windows of both clips of a pair
        cut = model.predict(frames[:end], predicted["intrinsics"])
        np.testing.assert_allclose(over_time[end - 1], cut.action_probabilities, atol=1e-5)
    assert np.abs(over_time[3] - over_time[7]).max() > 1e-3
    # A clip counts from its first frame on, as it stands after the window that holds the frame.
    np.testing.assert_allclose(over_time[2], over_time[3], rtol=1e-6)
    alone = model.predict(frames[:3:2].repeat(2, axis=0)[:3], predicted["intrinsics"])
    np.testing.assert_allclose(over_time[0], alone.clip_action_probabilities[0], atol=1e-5)


def test_each_frame_knows_its_place_in_its_clip(predicted):
    start = predicted["clip_start"][predicted["frame_clip"]]
    np.testing.assert_array_equal(start + 2 * predicted["frame_place"], np.arange(FRAMES))


def test_attention_is_written_for_every_clip_and_window(folder, predicted):
    with np.load(folder / "out/attention.npz") as found:
        action, pose, windows = (found[name] for name in ("action", "pose", "window_frames"))
        np.testing.assert_array_equal(found["clip_start"], predicted["clip_start"])
    assert (action > 0).sum(axis=1).tolist() == [4, 4, 4, 4, 2, 1]
    assert ((action.sum(axis=1) < 1) & (action.sum(axis=1) > 0.1)).all()
    assert windows.tolist() == [
        [0, 2], [4, 6], [1, 3], [5, 7], [8, 10], [12, 14], [9, 11], [13, 15], [16, 18], [17, -1]
    ]  # fmt: skip
    np.testing.assert_allclose(pose.sum(axis=2), windows >= 0, rtol=1e-5)
    for name in ("attention_action.png", "attention_pose.png"):
        picture = cv2.imread(str(folder / "out" / name))
        assert picture.shape[0] > 300
        assert picture.std() > 20


def test_video_has_a_picture_for_each_frame_at_the_rate_given(folder, printed):
    rate, pictures = videos.read(folder / "out/prediction.mp4")
    assert rate == Fraction(30000, 1001)
    assert len(pictures) == FRAMES
    for number in (0, 12, 18):
        shown = pictures[number][:540, :960].astype(float)
        means = shown.reshape(-1, 20, 960, 3).mean(axis=(1, 3))  # of strips, whatever is drawn
        names = [f"color_{i}.jpeg" for i in range(FRAMES)]
        off = [np.abs(strips(folder / "frames" / name) - means).mean() for name in names]
        assert int(np.argmin(off)) == number


def strips(path):
    image = cv2.resize(cv2.imread(str(path)), (960, 540), interpolation=cv2.INTER_CUBIC)
    return image.astype(float).reshape(-1, 20, 960, 3).mean(axis=(1, 3))


def test_recording_holds_the_camera_the_poses_and_the_scores(folder, predicted):
    columns = recordings.read(folder / "out/prediction.rrd")
    camera_matrix = np.array(columns["/camera", "image_from_camera"][0]).reshape(3, 3).T
    np.testing.assert_allclose(camera_matrix, predicted["intrinsics"], rtol=1e-6)
    for path, name in (("/hands/right", "joints_3d"), ("/camera/image/right", "joints_2d")):
        rows = [row for row in columns[f"{path}/joints", "positions"] if row is not None]
        np.testing.assert_allclose(rows, predicted[name], rtol=1e-6)
        bones = np.array([row for row in columns[f"{path}/bones", "strips"] if row is not None])
        assert bones.shape[:3] == (FRAMES, 20, 2)
        np.testing.assert_allclose(bones[:, 0, 0], predicted[name][:, 0], rtol=1e-6)
    scores = [x for x in columns["/action/put_salt", "scalars"] if x]
    np.testing.assert_allclose(np.ravel(scores), predicted["action_over_time"][:, 2], rtol=1e-6)
    images = [row for row in columns["/camera/image", "blob"] if row]
    decoded = cv2.imdecode(np.array(images[12][0], np.uint8), cv2.IMREAD_COLOR)
    own = cv2.imread(str(folder / "frames/color_12.jpeg"))
    assert np.abs(decoded.astype(int) - own).mean() < 12  # of noise, which JPEG cannot keep
    assert columns["/camera/image", "frame"] == list(range(FRAMES))
    seconds = np.array(columns["/camera/image", "time"]) / 1e9
    np.testing.assert_allclose(seconds, np.arange(FRAMES) * 1001 / 30000, atol=1e-6)


def record(out, frames, found, origin):
    with rerun_log.recorded(out, found, origin) as (_, take):
        for scene in scenes(found, origin, frames.read()):
            take(scene)


def test_a_recording_that_finds_no_room_is_said(folder, predicted, tmp_path):
    frames = open_frames(folder / "frames")
    found, origin = predict.predict(frames, name="frames", workdir=str(folder / "run"))
    (tmp_path / "room").mkdir()
    message = r"prediction\.rrd: File too large; choose a folder"
    with full_disk(4096), pytest.raises(InputError, match=message):
        record(tmp_path / "room", frames, found, origin)
    assert not list((tmp_path / "room").iterdir())


def test_smoothed_poses_are_written_and_said(folder, predicted, tmp_path, capsys):
    options = ("--fps=30000/1001", "--smooth", "--smooth_depth=0.5,10", f"--out={tmp_path}")
    matrix = predicted["intrinsics"]
    numbers = ",".join(str(matrix[place]) for place in ((0, 0), (1, 1), (0, 2), (1, 2)))
    run_command(folder / "frames", folder, f"--intrinsics={numbers}", *options)
    how = Smoothing(depth=OneEuro(0.5, 10.0))
    assert f"note: the poses are smoothed: {how}" in capsys.readouterr().out
    names = ("seconds", "joints_2d", "depth")
    expected = smooth_video(how, FPHA, matrix, *(predicted[name] for name in names), None)
    with np.load(tmp_path / "predictions.npz") as found:
        for name, x in expected._asdict().items():
            np.testing.assert_allclose(found[name], x, rtol=1e-4, atol=1e-4)
        assert found["smoothing_depth"].tolist() == [0.5, 10]
        assert "smoothing_depth" not in predicted
    readable = json.loads((tmp_path / "predictions.json").read_text())
    assert readable["smoothing"]["depth"] == {"cutoff": 0.5, "slope": 10}
    np.testing.assert_allclose(
        readable["frames"][9]["hands"]["right"]["depth"], expected.depth[9], atol=1e-4
    )


def test_files_of_an_earlier_run_are_removed_and_no_others(folder, printed):
    assert not (folder / "out/prediction.png").exists()
    assert (folder / "out/notes.png").exists()


def test_it_says_what_it_has_written(printed, predicted):
    assert "fx 57.60, fy 57.60, cx 32.00, cy 18.00 (given)" in printed
    assert f"  the first since frame {predicted['decided_frame']} (" in printed
    assert printed.splitlines()[-1].startswith(
        "written: predictions.npz, predictions.json, attention.npz, prediction.mp4, "
        "prediction.rrd, attention_action.png, attention_pose.png in "
    )
