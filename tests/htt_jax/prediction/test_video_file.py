"""Video files as people have them: cut, damaged, mirrored, of odd pixels, with several streams."""

import itertools
import pathlib
import struct
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from av.stream import Disposition

from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video_times import VideoTimes
from htt_jax.support.errors import InputError
from tests import videos

COUNT = 40
KINDS = {
    "mp4": ("video.mp4", {}),
    "mkv": ("video.mkv", {}),
    "ts": ("video.ts", {}),
    "hevc": ("hevc.mp4", {"codec": "libx265"}),
    "avi": ("video.avi", {"codec": "mjpeg", "pixels": "yuvj420p"}),
    "vp8": ("video.webm", {"codec": "libvpx"}),
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Videos of 40 frames, by kind."""
    root = tmp_path_factory.mktemp("videos")
    noise = np.random.default_rng(0).integers(0, 60, (COUNT, 48, 64, 3), np.uint8)
    pictures = [
        picture // 2 + add for picture, add in zip(videos.moving(COUNT), noise, strict=True)
    ]
    return {
        kind: videos.write(root / name, pictures, **options)
        for kind, (name, options) in KINDS.items()
    }


def read(path):
    frames = open_frames(path)
    found = list(frames.read())
    return found, frames


def packets(path):
    """Where each packet lies in the file, and how long it is."""
    with av.open(str(path)) as container:
        return [(packet.pos, packet.size) for packet in container.demux(video=0) if packet.size]


def changed(path, target, start, end, content=None):
    data = bytearray(path.read_bytes())
    noise = np.random.default_rng(0).bytes(end - start)
    data[start:end] = noise if content is None else content * (end - start)
    target.write_bytes(data)
    return target


@pytest.mark.parametrize("kind", KINDS)
def test_whole_videos_are_read_without_a_note(whole, kind):
    found, frames = read(whole[kind])
    assert (len(found), frames.count, frames.notes) == (COUNT, COUNT, [])
    np.testing.assert_allclose([f.seconds for f in found], np.arange(COUNT) / 30, atol=0.002)


@pytest.mark.parametrize("kind", KINDS)
def test_a_video_cut_short_is_read_to_its_end_and_said_to_be_cut(whole, tmp_path, kind):
    start, size = packets(whole[kind])[25]
    cut = tmp_path / whole[kind].name
    cut.write_bytes(whole[kind].read_bytes()[: start + size // 2])
    expected, _ = read(whole[kind])
    found, frames = read(cut)
    assert 24 <= len(found) <= 26
    for frame, same in zip(found, expected, strict=False):
        if frame.seconds == pytest.approx(same.seconds, abs=0.002):
            np.testing.assert_array_equal(frame.image, same.image)
    (note,) = frames.notes
    assert "ends early, it is cut short or damaged at its end: " in note
    assert f"{len(found)} frames could be read" in note
    if kind != "ts":  # which does not say how many there should be
        assert note.endswith("of about 40")
    assert len(list(frames.read())) == len(found)
    assert frames.notes == [note]  # not twice


@pytest.mark.parametrize("kind", ["mp4", "hevc", "mkv"])
@pytest.mark.parametrize("content", [None, b"\0"])
def test_damaged_last_frames_are_left_out_and_said(whole, tmp_path, kind, content):
    places = packets(whole[kind])
    damaged = changed(
        whole[kind], tmp_path / whole[kind].name, places[30][0] + 4, sum(places[-1]), content
    )
    found, frames = read(damaged)
    assert 25 <= len(found) <= 31
    assert f"{len(found)} frames could be read of about 40" in frames.notes[0]


def test_a_frame_that_the_decoder_conceals_is_refused_by_its_number(whole, tmp_path):
    damaged = tmp_path / "video.mp4"
    places = packets(whole["mp4"])
    for source, number in ((whole["mp4"], 12), (damaged, 24), (damaged, 36)):  # key frames
        start, size = places[number]
        changed(source, damaged, start + size // 4, start + size // 2)
    # Threads of the decoder may, very rarely, pass a frame on before it is known to be damaged.
    message = r"frame (12|24|36) of .*video\.mp4 cannot be decoded: it is damaged"
    with pytest.raises(InputError, match=message):
        read(damaged)
    start, size = packets(whole["mp4"])[0]
    changed(whole["mp4"], damaged, start, start + size, b"\0")
    with pytest.raises(InputError, match=r"frame 0 of .*video\.mp4 cannot be decoded: it is dam"):
        read(damaged)


def test_frames_before_the_first_key_frame_are_counted_as_lost(whole, tmp_path):
    data = whole["ts"].read_bytes()
    (tmp_path / "late.ts").write_bytes(data[188 * 40 :])
    found, frames = read(tmp_path / "late.ts")
    assert 20 < len(found) < 30
    lost = len(packets(tmp_path / "late.ts")) - len(found)
    assert frames.notes[0].startswith(f"{lost} frames of ")
    assert frames.notes[0].endswith(f"cannot be decoded: {len(found)} frames could be read")


def test_lost_packets_are_a_gap_in_time_and_noted(whole, tmp_path):
    with av.open(str(whole["ts"])) as container:
        places = [(packet.pos, packet.is_keyframe) for packet in container.demux(video=0)]
    pairs = itertools.pairwise(places[15:])
    start, end = next((a, b) for (a, _), (b, is_key) in pairs if is_key)  # no other needs it
    data = whole["ts"].read_bytes()
    holed = tmp_path / "holed.ts"
    holed.write_bytes(data[:start] + data[end:])
    found, frames = read(holed)
    assert len(found) == COUNT - 1
    assert found[-1].seconds == pytest.approx((COUNT - 1) / 30)
    (note,) = frames.notes
    assert note.startswith(f"1 gap in the times of {holed}, of 0.0667 s at most, after frame 2")
    assert "frames are lost or were not taken" in note


def test_videos_put_together_go_on_in_time(whole, tmp_path):
    joined = tmp_path / "joined.ts"
    joined.write_bytes(whole["ts"].read_bytes() * 2)
    found, frames = read(joined)
    np.testing.assert_allclose([x.seconds for x in found], np.arange(2 * COUNT) / 30, atol=1e-6)
    (note,) = frames.notes
    assert f"go back at frame {COUNT}" in note


def test_frames_that_stand_for_different_times_keep_them():
    times = VideoTimes(Fraction(10))
    assert [times(x) for x in (5.0, 5.1, 5.2, 6.0, None)] == pytest.approx([0, 0.1, 0.2, 1.0, 1.1])
    (note,) = times.notes(pathlib.Path("a.mp4"))
    assert note.startswith("1 gap in the times of a.mp4, of 0.8 s at most, after frame 2: ")
    still = VideoTimes(Fraction(30))
    assert [still(0.0)] == [0.0]
    assert still.notes(pathlib.Path("a.mp4")) == []


def test_what_an_edit_list_leaves_out_is_not_missing(whole, tmp_path):
    data = bytearray(whole["mp4"].read_bytes())
    place = data.index(b"elst")
    _, start, rate = struct.unpack(">IiI", data[place + 12 : place + 24])
    # From frame 15 to 29, in units of a thousandth of the film's and of the track's second.
    data[place + 12 : place + 24] = struct.pack(">IiI", 500, start + 15 * 512, rate)
    (tmp_path / "trimmed.mp4").write_bytes(data)
    expected, _ = read(whole["mp4"])
    found, frames = read(tmp_path / "trimmed.mp4")
    assert frames.notes == []
    np.testing.assert_array_equal(
        [frame.image for frame in found], [frame.image for frame in expected[15:30]]
    )


def write_streams(path, streams):
    with av.open(str(path), "w") as container:
        videos.add(container, streams)
    return path


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_of_several_videos_the_largest_is_read(tmp_path, suffix):
    preview, film = videos.moving(6, (32, 24)), videos.moving(6, (64, 48))
    streams = [("libx264", "yuv420p", pictures, {}) for pictures in (preview, film)]
    found, frames = read(write_streams(tmp_path / f"film{suffix}", streams))
    assert frames.size == (64, 48)
    assert len(found) == 6
    assert frames.notes == [f"of the 2 videos in {tmp_path}/film{suffix} the one of 64x48 is read"]


def test_a_cover_picture_is_no_video(tmp_path):
    cover = (
        "mjpeg",
        "yuvj420p",
        videos.moving(1, (96, 72)),
        {"disposition": Disposition.attached_pic.value},
    )
    film = ("libx264", "yuv420p", videos.moving(6), {})
    found, frames = read(write_streams(tmp_path / "film.mp4", [cover, film]))
    assert (frames.size, len(found), frames.notes) == ((64, 48), 6, [])
    with av.open(str(tmp_path / "song.mp4"), "w") as container:
        sound = container.add_stream("aac", rate=48000)
        videos.add(container, [cover])
        samples = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), "fltp", "mono")
        samples.rate = 48000
        container.mux(sound.encode(samples))
        container.mux(sound.encode(None))
    with pytest.raises(InputError, match=r"song\.mp4 holds a cover picture and no video"):
        open_frames(tmp_path / "song.mp4")


@pytest.mark.parametrize("matrix", [*itertools.product((1, -1), (1, -1), (False, True))])
def test_mirrored_and_turned_pictures_are_seen_as_players_show_them(whole, tmp_path, matrix):
    right, down, is_turned = matrix
    a, b, c, d = (0, down, right, 0) if is_turned else (right, 0, 0, down)
    data = whole["mp4"].read_bytes()
    one, last = 1 << 16, 1 << 30
    upright = struct.pack(">9i", one, 0, 0, 0, one, 0, 0, 0, last)
    place = data.index(upright, data.index(b"tkhd"))
    seen = struct.pack(">9i", a * one, b * one, 0, c * one, d * one, 0, 0, 0, last)
    (tmp_path / "phone.mp4").write_bytes(data[:place] + seen + data[place + len(seen) :])
    stored = next(open_frames(whole["mp4"]).read()).image
    found = next(open_frames(tmp_path / "phone.mp4").read()).image
    y, x = np.mgrid[:48, :64]
    to_x, to_y = a * x + c * y, b * x + d * y  # where each pixel is seen
    np.testing.assert_array_equal(found[to_y - to_y.min(), to_x - to_x.min()], stored)


@pytest.mark.parametrize(
    ("aspect", "size"),
    [(Fraction(4, 3), (85, 48)), (Fraction(1, 2), (64, 96)), (Fraction(1280, 1279), (64, 48))],
)
def test_pixels_that_are_not_square_are_made_so(tmp_path, aspect, size):
    pictures = videos.moving(3)
    path = videos.write(tmp_path / "odd.mp4", pictures, sample_aspect_ratio=aspect)
    found, frames = read(path)
    assert frames.size == found[0].image.shape[1::-1] == size
    stretched = cv2.resize(pictures[0], size, interpolation=cv2.INTER_LINEAR)
    assert np.abs(found[0].image.astype(int) - stretched)[2:-2, 2:-2].mean() < 12
    if size == (64, 48):
        assert frames.notes == []
    else:
        assert f"stretched to {size[0]}x{size[1]}, as players show them" in frames.notes[0]


@pytest.mark.parametrize(("name", "number"), [("PQ", 16), ("HLG", 18)])
def test_hdr_video_is_brought_to_ordinary_colours(tmp_path, name, number):
    # What paper, its shade at a quarter of the light, and black are in each of the two.
    values = {"PQ": (0.581, 0.440, 0), "HLG": (0.75, 0.5, 0)}[name]
    picture = np.repeat(np.array(values)[None, :], 24, axis=1)
    picture = (np.broadcast_to(picture[..., None], (48, 72, 3)) * 65535).astype(np.uint16)
    path = videos.write(
        tmp_path / "hdr.mkv",
        [picture] * 2,
        codec="ffv1",  # without loss, and always the same
        pixels="yuv420p10le",
        color_trc=number,
        color_primaries=9,
        colorspace=9,
    )
    found, frames = read(path)
    assert frames.notes == [
        f"the video is HDR ({name}): its colours are brought to those of ordinary video"
    ]
    shown = found[1].image[24, 12::24].astype(int)
    np.testing.assert_allclose(shown[0], 255, atol=10)  # 8 bits of PQ: 4 a step
    np.testing.assert_allclose(shown[1], 255 * 0.25 ** (1 / 2.4), atol=8)
    np.testing.assert_allclose(shown[2], 0, atol=6)


def test_light_beyond_white_and_colours_beyond_ordinary_ones_stay_in_range(tmp_path):
    values = np.array([[0.9, 0.2, 0.2], [0.1, 0.58, 0.1], [1, 1, 1]])
    picture = np.repeat(values[None], 24, axis=1).reshape(1, 72, 3)
    picture = (np.broadcast_to(picture, (48, 72, 3)) * 65535).astype(np.uint16)
    path = videos.write(
        tmp_path / "hdr.mkv", [picture], codec="ffv1", pixels="yuv444p10le",
        color_trc=16, color_primaries=9, colorspace=9,
    )  # fmt: skip
    shown = read(path)[0][0].image[24]
    assert shown[-5].tolist() == [255, 255, 255]
    assert shown.dtype == np.uint8
