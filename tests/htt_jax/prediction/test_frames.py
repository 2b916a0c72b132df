"""Reading frames: order, size, rate, and what cannot be read."""

import shutil
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from PIL import Image

from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.prediction.frames import Resizer
from htt_jax.prediction.sources import open_frames
from htt_jax.support.errors import InputError
from htt_jax.visual.video import VideoWriter
from tests import videos

SIZE = (64, 36)


@pytest.fixture(scope="module")
def pictures():
    return np.random.default_rng(0).integers(0, 255, (14, 36, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, pictures):
    """Of frames whose names are 0.jpeg to 13.jpeg."""
    root = tmp_path_factory.mktemp("frames")
    for number, picture in enumerate(pictures):
        cv2.imwrite(str(root / f"{number}.jpeg"), picture)
    return root


def test_folders_are_read_in_natural_order_and_a_single_image_is_a_video(tmp_path):
    image = cv2.imencode(".jpg", np.zeros((4, 6, 3), np.uint8))[1].tobytes()
    for name in ("a_10.JPG", "a_9.Jpeg", "A_100.jpg", "a_1.jpg"):
        (tmp_path / name).write_bytes(image)
    (tmp_path / "notes.txt").write_text("not a frame")
    resizer = Resizer(FPHA, (6, 4), (6, 4))
    names = [frame.name for frame in open_frames(tmp_path).read(resizer)]
    assert names == ["a_1.jpg", "a_9.Jpeg", "a_10.JPG", "A_100.jpg"]
    assert open_frames(tmp_path / "a_10.JPG").count == 1


def test_frames_without_a_resizer_are_as_they_are_and_can_be_read_again(folder, pictures, tmp_path):
    expected = [cv2.imread(str(folder / f"{i}.jpeg"))[..., ::-1] for i in range(len(pictures))]
    video = videos.write_lossless(tmp_path / "video.mkv", pictures)
    for source, own in ((folder, expected), (video, pictures), (pictures, pictures)):
        frames = open_frames(source)
        assert frames.size == SIZE
        for _ in range(2):
            np.testing.assert_array_equal([frame.image for frame in frames.read()], own)


def test_the_rate_is_that_of_the_video_or_30_or_what_is_given_for_a_folder(
    folder, pictures, tmp_path
):
    ntsc = Fraction(30000, 1001)
    for name in ("video.mkv", "video.mp4"):
        video = videos.write_lossless(tmp_path / name, pictures, ntsc)
        assert open_frames(video).rate == ntsc
    assert open_frames(folder).rate == open_frames(pictures).rate == 30
    assert open_frames(folder, Fraction(25, 2)).rate == Fraction(25, 2)
    with pytest.raises(InputError, match=r"video\.mp4 says itself .* has, 29\.97; leave --fps"):
        open_frames(video, Fraction(25))


def test_frames_have_the_times_of_the_file_or_even_steps(folder, pictures, tmp_path):
    even = np.arange(len(pictures)) * 1001 / 30000
    video = videos.write_lossless(tmp_path / "even.mkv", pictures, Fraction(30000, 1001))
    found = [frame.seconds for frame in open_frames(video).read()]
    np.testing.assert_allclose(found, even, atol=1e-12)  # the format rounds to milliseconds
    uneven = [0.0, 0.1, 0.15, 0.3, 1.0]
    with VideoWriter(tmp_path / "uneven.mp4", SIZE, Fraction(10)) as writer:
        for picture, seconds in zip(pictures, uneven, strict=False):
            writer.write(picture, seconds)
    found = [frame.seconds for frame in open_frames(tmp_path / "uneven.mp4").read()]
    np.testing.assert_allclose(found, uneven, atol=1e-5)
    found = [frame.seconds for frame in open_frames(folder, Fraction(25, 2)).read()]
    np.testing.assert_allclose(found, np.arange(len(pictures)) * 0.08)


def test_a_video_whose_start_is_missing_is_said_to_be_cut_short(pictures, tmp_path):
    video = videos.write_lossless(tmp_path / "whole.mkv", pictures)
    data = video.read_bytes()
    (tmp_path / "odd.mkv").write_bytes(data.replace(b"V_MPEG4/ISO/AVC", b"V_UNKNOWN/OF/YA"))
    with pytest.raises(InputError, match=r"odd\.mkv is not .*: it is cut short, or of a codec"):
        open_frames(tmp_path / "odd.mkv")


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


@pytest.mark.parametrize("source", [None, 3, [np.zeros((2, 2, 3), np.uint8)], b"video.mp4"])
def test_what_is_neither_a_path_nor_an_array_is_refused(source):
    with pytest.raises(InputError, match=r"is no source of frames; give the path of a video file"):
        open_frames(source)


def test_missing_and_empty_inputs_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"no such file or folder: .*gone"):
        open_frames(tmp_path / "gone")
    (tmp_path / "notes.txt").write_text("no frame")
    with pytest.raises(InputError, match=r"no frame in .* no file ending in \.png, \.jpg, \.jpeg"):
        open_frames(tmp_path)
    (tmp_path / "noise.mp4").write_bytes(np.random.default_rng(0).bytes(5000))
    with pytest.raises(InputError, match=r"noise\.mp4 is not a video that can be read"):
        open_frames(tmp_path / "noise.mp4")
    with pytest.raises(InputError, match=r"notes\.txt is not a video that can be read"):
        open_frames(tmp_path / "notes.txt")


def test_sound_without_pictures_is_refused(tmp_path):
    with av.open(str(tmp_path / "sound.wav"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000)
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 80), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux(stream.encode(sound))
    with pytest.raises(InputError, match=r"sound\.wav holds no video"):
        open_frames(tmp_path / "sound.wav")


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda data: b"", "the file is empty"),
        (lambda data: b"no image at all", "it is damaged, or no image of a kind known here"),
        (lambda data: data[: len(data) // 2], "the file is cut short"),
        (
            lambda data: cv2.imencode(".png", np.zeros((20, 30, 3), np.uint8))[1].tobytes(),
            "30x20 pixels instead of 64x36",
        ),
    ],
)
def test_one_unreadable_frame_is_named(folder, tmp_path, damage, reason):
    shutil.copytree(folder, tmp_path / "frames")
    damaged = tmp_path / "frames/12.jpeg"
    damaged.write_bytes(damage(damaged.read_bytes()))
    frames = open_frames(tmp_path / "frames")
    for resizer in (Resizer(FPHA, SIZE, (48, 27)), None):
        with pytest.raises(InputError, match=rf"cannot read the frame .*12\.jpeg: {reason}"):
            list(frames.read(resizer))
