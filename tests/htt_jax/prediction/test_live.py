"""Predicting what a camera sees while it sees it: a file or a stream, which opens like a camera."""

import os
import signal
import threading
import time

import cv2
import numpy as np
import pytest

from htt_jax.camera import project_ahead
from htt_jax.prediction import input_camera, live
from htt_jax.prediction.input_camera import Intrinsics
from htt_jax.prediction.lens import FISHEYE, Distortion
from htt_jax.prediction.live_predictions import LivePredictions
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video import predict_video
from htt_jax.prediction.webcam import Camera
from htt_jax.support.errors import InputError
from tests import online_runs
from tests.network_camera import NetworkCamera
from tests.online_runs import INTRINSICS, SIZE

FRAMES = 14  # a block of clips, one group more, and two frames


@pytest.fixture(scope="module")
def run():
    return online_runs.make_forecasting_run()


@pytest.fixture(scope="module")
def online(run):
    return OnlinePredictor(run, SIZE, INTRINSICS)


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("live") / "video.mp4"
    online_runs.write_video(path, online_runs.make_frames(FRAMES))
    return path


def test_every_frame_is_shown_once_with_its_own_pose(run, online, video):
    online.reset()
    names = run.dataset.action_names
    with (
        Camera(str(video), queued=FRAMES) as camera,
        LivePredictions(camera, online, run.dataset) as predictions,
    ):
        shown = [item for item in predictions if item is not None]
    assert [item.result.frame for item in shown] == list(range(FRAMES))
    images = np.stack([item.captured.image for item in shown])
    found = predict_video(run, open_frames(images), INTRINSICS)
    poses = np.stack([item.result.joints_3d for item in shown])
    np.testing.assert_allclose(poses, found.joints_3d, rtol=1e-5, atol=1e-6)
    for item in shown:
        now, frame = item.result.joints_2d, item.result.frame
        paths = found.ahead.palm_paths(frame, now, run.dataset.spec, INTRINSICS)
        np.testing.assert_allclose(item.paths, paths, rtol=1e-4)
    box = project_ahead(found.object_box_3d, INTRINSICS)
    np.testing.assert_allclose([item.object_box for item in shown], box, rtol=1e-4)
    assert [len(item.paths[0]) for item in shown[:6]] == [1, 1, 3, 3, 3, 2]
    scores = shown[-1].scores
    present = online.present_action_probabilities
    assert scores.names == tuple(names[i] for i in np.argsort(-present))
    np.testing.assert_array_equal(scores.probabilities, -np.sort(-present))
    history = scores.history
    assert history.seconds[0] == 0
    assert history.seconds[-1] == shown[-1].seconds
    np.testing.assert_array_equal(history.probabilities[-1], scores.probabilities)
    assert scores.since == shown[online.present_decided_frame].seconds
    drawn = live._scene(shown[-1], run, camera, smoothed=False)
    assert (drawn.paths, drawn.decided) == (shown[-1].paths, scores.since)
    assert drawn.object_box is shown[-1].object_box


def test_what_a_lens_bends_is_shown_and_predicted_straight(run, online, video):
    bent = Intrinsics(
        (60.0, 61.0, 33.0, 17.0), SIZE, distortion=Distortion(FISHEYE, (0.1, 0, 0, 0))
    )
    camera_of = input_camera.at_size(bent, SIZE)
    online.reset()
    with (
        Camera(str(video), queued=FRAMES) as camera,
        LivePredictions(camera, online, run.dataset, camera_of.lens) as predictions,
    ):
        shown = [item for item in predictions if item is not None]
    with Camera(str(video), queued=FRAMES) as camera:
        frames = [captured.image for captured in camera]
    online.reset()
    online.lens = camera_of.lens  # as if it had been made for this camera
    results = [result for frame in frames for result in online.push(frame)] + online.finish()
    online.lens = None
    for item, frame, result in zip(shown, frames, results, strict=True):
        np.testing.assert_array_equal(item.captured.image, camera_of.lens.undistorted(frame))
        np.testing.assert_allclose(item.result.joints_3d, result.joints_3d, rtol=1e-5, atol=1e-6)


def test_the_newest_pose_is_shown_with_its_frame_at_the_rate_that_was_measured(run):
    online = OnlinePredictor(run, SIZE, INTRINSICS, newest=True)
    with (
        NetworkCamera(online_runs.make_frames(FRAMES), rate=50, once=True) as stream,
        Camera(stream.address, queued=FRAMES) as camera,
        LivePredictions(camera, online, run.dataset) as predictions,
    ):
        shown = [item for item in predictions if item is not None]
    assert [item.result.frame for item in shown] == list(range(FRAMES))
    assert not any(item.result.is_final for item in shown)
    images = np.stack([item.captured.image for item in shown])
    found = predict_video(run, open_frames(images[-4:]), INTRINSICS)
    np.testing.assert_allclose(shown[-1].result.joints_3d, found.joints_3d[-1], rtol=1e-4)
    assert shown[0].rate is None  # of one frame nothing can be known
    times = np.array([item.captured.seconds for item in shown])
    for last in range(1, FRAMES):
        first = max(0, last - online.delay)
        rate = (last - first) / (times[last] - times[first])
        assert shown[last].rate == pytest.approx(rate)
    assert [item.scores is None for item in shown[:4]] == [True, True, True, False]
    np.testing.assert_array_equal(shown[4].scores.history.seconds, times[[0, 3]] - times[0])
    before, after = (
        live._scene(shown[number], run, camera, smoothed=True) for number in (0, FRAMES - 1)
    )
    assert before.history is None
    assert "frames/s" not in before.note
    assert f"{shown[-1].rate:.1f} frames/s" in after.note
    assert after.note.endswith("s behind    newest    smoothed")


def test_what_goes_wrong_in_the_thread_is_raised(run, online, tmp_path):
    online.reset()
    cv2.imwrite(str(tmp_path / "image.png"), np.zeros((8, 8, 3), np.uint8))
    with (
        Camera(str(tmp_path / "image.png"), queued=1) as camera,
        LivePredictions(camera, online, run.dataset) as predictions,
        pytest.raises(InputError, match="frame 0 is uint8"),
    ):
        list(predictions)


@pytest.mark.parametrize("end", ["Ctrl-C", "the camera stops"])
def test_a_camera_is_recorded_until_it_ends(run, tmp_path, monkeypatch, capsys, end):
    monkeypatch.delenv("DISPLAY", raising=False)
    for name in ("predictions.npz", "notes.txt"):
        (tmp_path / name).write_text("of another video")
    with NetworkCamera(online_runs.make_frames(FRAMES), rate=100) as camera:

        def watch():
            give_up = time.monotonic() + 60
            while not list(tmp_path.glob(".*.tmp")) and time.monotonic() < give_up:
                time.sleep(0.01)  # until the first picture is drawn
            if end == "Ctrl-C":
                os.kill(os.getpid(), signal.SIGINT)
            else:
                camera.stopped.set()

        watcher = threading.Thread(target=watch)
        watcher.start()
        live.run(run, camera.address, lambda size: assumed(run, size), tmp_path)
        watcher.join()
    printed, errors = capsys.readouterr()
    assert f"camera {camera.address}: 64x36, " in printed
    assert " frames/s, fx 46.52" in printed
    assert "Ctrl-C ends" in printed
    assert "no window can be opened: no display" in errors
    assert f"written: {tmp_path}/prediction.mp4" in printed
    capture = cv2.VideoCapture(str(tmp_path / "prediction.mp4"))
    count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
    assert count > 0
    assert f"frames shown: {count}, dropped: " in printed
    assert sorted(path.name for path in tmp_path.iterdir()) == ["notes.txt", "prediction.mp4"]
    assert capture.read()[1].shape == (720, 1280, 3)


def assumed(run, size):
    return input_camera.resolve(None, run.dataset.spec, size)


def test_without_a_display_there_must_be_something_to_record(run, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match=r"^no window .*; --out=FOLDER records prediction\.mp4"):
        live.run(run, 0, lambda size: assumed(run, size), None)


def test_a_missing_camera_is_refused(run, tmp_path, monkeypatch):
    monkeypatch.delenv("DISPLAY", raising=False)
    with pytest.raises(InputError, match="no camera 97 can be opened"):
        live.run(run, 97, lambda size: assumed(run, size), tmp_path)
    assert not list(tmp_path.iterdir())
