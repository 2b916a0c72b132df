from fractions import Fraction

import av
import numpy as np
import pytest

from htt_jax.support.errors import InputError
from htt_jax.visual.video import VideoWriter

SIZE = (128, 72)
BLUE = (70, 114, 250)


def picture(number):
    """A grey that rises, with a blue corner."""
    image = np.full((SIZE[1], SIZE[0], 3), 10 * number, np.uint8)
    image[:36, :64] = BLUE
    return image


@pytest.mark.parametrize("rate", [Fraction(30), Fraction(30000, 1001), Fraction(25, 2)])
def test_video_decodes_to_the_frames_written(tmp_path, rate):
    path = tmp_path / "video.mp4"
    with VideoWriter(path, SIZE, rate) as video:
        for number in range(20):
            video.write(picture(number))
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        assert stream.average_rate == rate
        assert stream.frames == 20
        assert abs(stream.duration * stream.time_base - 20 / rate) < 0.001  # as finely as kept
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        assert stream.codec_context.colorspace == 1  # BT.709
        frames = [
            frame.to_ndarray(format="rgb24").astype(int) for frame in container.decode(video=0)
        ]
    assert len(frames) == 20
    for number, frame in enumerate(frames):
        assert abs(frame - picture(number)).mean() < 4
        assert abs(frame[18, 32] - BLUE).max() < 12
    assert [file.name for file in tmp_path.iterdir()] == ["video.mp4"]


def test_the_index_is_in_front(tmp_path):
    path = tmp_path / "video.mp4"
    with VideoWriter(path, SIZE, Fraction(30)) as video:
        video.write(picture(3))
    written = path.read_bytes()
    assert 0 < written.index(b"moov") < written.index(b"mdat")


def write_frames_of(path, heights):
    with VideoWriter(path, SIZE, Fraction(30)) as video:
        for height in heights:
            video.write(picture(1)[:height])


def test_an_error_leaves_what_was_there(tmp_path):
    path = tmp_path / "video.mp4"
    path.write_bytes(b"before")
    with pytest.raises(ValueError, match="for a video of"):
        write_frames_of(path, (72, 70))
    assert path.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [path]


def test_a_video_without_frames_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no frame"):
        write_frames_of(tmp_path / "video.mp4", ())
    assert not list(tmp_path.iterdir())


def test_odd_sizes_and_impossible_rates_are_refused(tmp_path):
    for size, rate in (((127, 72), 30), ((128, 71), 30), (SIZE, 0)):
        with pytest.raises(ValueError, match="even sides"):
            VideoWriter(tmp_path / "video.mp4", size, Fraction(rate))


def test_a_folder_that_is_missing_is_said(tmp_path):
    path = tmp_path / "missing" / "video.mp4"
    with pytest.raises(InputError, match=r"missing/video.mp4: No such file or directory; choose"):
        write_frames_of(path, (72,))
