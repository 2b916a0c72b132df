"""Reading cameras: OpenCV opens a video file, or a stream, the way it opens a camera."""

import time

import cv2
import numpy as np
import pytest

from htt_jax.prediction.webcam import Camera, usual
from htt_jax.support.errors import InputError
from tests import online_runs
from tests.network_camera import NetworkCamera

FRAMES = 12


@pytest.fixture(scope="module")
def video(tmp_path_factory):
    path = tmp_path_factory.mktemp("webcam") / "video.mp4"
    online_runs.write_video(path, online_runs.make_frames(FRAMES))
    return path


def decode(path):
    capture = cv2.VideoCapture(str(path))
    return [capture.read()[1][..., ::-1] for _ in range(FRAMES)]


def test_frames_come_in_order_as_rgb(video):
    with Camera(str(video), queued=FRAMES) as camera:
        assert camera.size == online_runs.SIZE
        captured = list(camera)
        assert camera.dropped == 0
    np.testing.assert_array_equal([frame.image for frame in captured], decode(video))
    assert (np.diff([frame.seconds for frame in captured]) >= 0).all()
    assert captured[0].seconds <= captured[-1].seconds <= time.monotonic()


def test_a_busy_reader_gets_the_newest_frames_and_the_others_are_counted(video):
    with Camera(str(video), queued=3) as camera:
        frames = iter(camera)
        images = [next(frames).image]
        time.sleep(0.3)  # long enough to read the whole file
        images += [frame.image for frame in frames]
    expected = decode(video)
    np.testing.assert_array_equal(images[-3:], expected[-3:])
    # What was lost before anybody wanted it does not count.
    assert len(images) + camera.dropped <= FRAMES
    assert len(images) in (3, 4)


def test_the_rate_is_measured():
    with (
        NetworkCamera(online_runs.make_frames(FRAMES), rate=15) as stream,
        Camera(stream.address, queued=3) as camera,
    ):
        assert camera.rate() == pytest.approx(15, rel=0.3)  # other processes may be in the way


def test_a_measured_rate_near_a_usual_one_is_that_one():
    measured = [14.2, 28.9, 30.4, 33.0, 58.1, 7.0]
    assert [usual(rate) for rate in measured] == [15, 30, 30, 33, 60, 7]


def test_what_ends_at_once_is_taken_for_thirty_a_second(video):
    with Camera(str(video), queued=3) as camera:
        assert camera.rate() == 30
        camera.keep(2)
        assert len(list(camera)) <= 3


def test_closing_ends_the_iteration(video):
    camera = Camera(str(video), queued=FRAMES)
    frames = iter(camera)
    next(frames)
    camera.close()
    camera.close()
    assert list(frames) == []


@pytest.mark.parametrize(("source", "hint"), [(97, "has number 0"), ("none.mp4", "address")])
def test_cameras_that_are_not_there_are_refused_in_one_line(source, hint, capfd):
    with pytest.raises(InputError, match=rf"^no camera {source} can be opened: .*{hint}$"):
        Camera(source, queued=1)
    assert capfd.readouterr() == ("", "")


def test_cameras_without_frames_are_refused(tmp_path):
    empty = cv2.VideoWriter(
        str(tmp_path / "empty.avi"), cv2.VideoWriter.fourcc(*"MJPG"), 30, (8, 8)
    )
    empty.release()
    with pytest.raises(InputError, match=r"empty\.avi gives no frame"):
        Camera(str(tmp_path / "empty.avi"), queued=1)
