"""Folders of frames as people have them: which files, in which order, at what time."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from htt_jax.prediction.sources import open_frames
from htt_jax.support.errors import InputError

IMAGE = np.zeros((4, 6, 3), np.uint8)
ENCODED = {s: cv2.imencode(s, IMAGE)[1].tobytes() for s in (".png", ".jpg", ".webp")}


def fill(folder, names):
    folder.mkdir(exist_ok=True)
    for name in names:
        suffix = "." + name.rsplit(".")[-1].lower()
        (folder / name).write_bytes(ENCODED.get(suffix, ENCODED[".jpg"]))
    return folder


def names_and_times(folder, *options):
    frames = open_frames(folder, *options)
    found = list(frames.read())
    return [frame.name for frame in found], [frame.seconds for frame in found], frames


@pytest.mark.parametrize(
    ("series", "patterns"),
    [
        (["color_{}.png", "depth_{}.png"], r"color_\*\.png \(3\), depth_\*\.png \(3\)"),
        (["{}_left.jpg", "{}_right.jpg"], r"\*_left\.jpg \(3\), \*_right\.jpg \(3\)"),
        (["cam0_{}.png", "cam1_{}.png"], r"cam0_\*\.png \(3\), cam1_\*\.png \(3\)"),
        (["{}_0.png", "{}_1.png"], r"\*_0\.png \(3\), \*_1\.png \(3\)"),
        (["a{}.1.jpg", "a{}.7.png"], r"a\*\.1\.jpg \(3\), a\*\.7\.png \(3\)"),
    ],
)
def test_several_series_are_refused_until_one_is_chosen(tmp_path, series, patterns):
    fill(tmp_path, [form.format(n) for form in series for n in ("0001", "0002", "0003")])
    with pytest.raises(InputError, match=rf"several series of frames: {patterns}; choose one"):
        open_frames(tmp_path)
    with pytest.raises(InputError, match=r"is called --frames=x\*; there is "):
        open_frames(tmp_path, None, "x*")
    names, _, _ = names_and_times(tmp_path, None, series[0].format("*"))
    assert names == [series[0].format(n) for n in ("0001", "0002", "0003")]
    assert len(names_and_times(tmp_path, None, "*")[0]) == 6


def test_a_stray_picture_beside_the_frames_is_no_frame(tmp_path):
    fill(tmp_path, ["frame_1.jpg", "frame_2.jpg", "cover.jpg"])
    with pytest.raises(InputError, match=r"frame_\*\.jpg \(2\), cover\.jpg \(1\)"):
        open_frames(tmp_path)


@pytest.mark.parametrize(
    "names",
    [
        ["take2_0007.jpg", "take2_0008.JPG", "take2_0009.jpeg"],
        [f"12-{m:02}-{s:02}.png" for m in (1, 2, 3) for s in range(60)],
        [f"{n:04}_{n // 2}.png" for n in range(6)],
        ["bowl.png", "cup.png", "hand.png"],
    ],
)
def test_one_series_is_read_whatever_its_numbers(tmp_path, names):
    assert names_and_times(fill(tmp_path, names))[0] == names


@pytest.mark.parametrize(
    "twins", [("1.jpg", "1.png"), ("frame_1.png", "frame_001.png"), ("A1.jpg", "a1.jpg")]
)
def test_two_images_of_one_frame_are_refused(tmp_path, twins):
    fill(tmp_path, twins)
    match = f"({twins[0]} and {twins[1]}|{twins[1]} and {twins[0]}) are two images of one frame"
    with pytest.raises(InputError, match=match):
        open_frames(tmp_path)
    assert open_frames(tmp_path, None, twins[1]).count == 1


def test_hidden_files_and_folders_are_no_frames_and_broken_links_are_named(tmp_path):
    fill(tmp_path, ["1.jpg", "2.webp", "._1.jpg", ".hidden.png"])
    (tmp_path / "2.webp").rename(tmp_path / "2.jpg")  # what it is decides, not its name
    (tmp_path / "3.png").mkdir()
    (tmp_path / "3.jpg").symlink_to(tmp_path / "1.jpg")
    (tmp_path / "4.jpg").symlink_to(tmp_path / "3.png")
    assert names_and_times(tmp_path)[0] == ["1.jpg", "2.jpg", "3.jpg"]
    (tmp_path / "5.jpg").symlink_to(tmp_path / "gone.jpg")
    with pytest.raises(InputError, match=r"cannot read the frame .*5\.jpg: No such file"):
        names_and_times(tmp_path)
    (folder := tmp_path / "frames.png").mkdir()
    assert open_frames(fill(folder, ["1.webp"])).count == 1


@pytest.mark.parametrize(
    ("names", "seconds"),
    [
        (["1305031102.9", "1305031102.95", "1305031103"], [0, 0.05, 0.1]),
        (["9.5", "9.75", "10.125", "10.25"], [0, 0.25, 0.625, 0.75]),
        (["t1305031102.175304", "t1305031102.2", "t1305031103.1"], [0, 0.024696, 0.924696]),
        (["1403636579763555584", "1403636579813555456"], [0, 0.049999872]),
        (["1700000000000", "1700000000040"], [0, 0.04]),
        (["0.04", "0.08", "0.1"], [0, 0.04, 0.06]),
        (["0.033", "0.067", "0.100"], [0, 0.034, 0.067]),
        (["8_1700000000000", "9_1700000000040", "11_1700000000120"], [0, 0.04, 0.12]),
    ],
)
def test_names_that_are_times_order_and_time_the_frames(tmp_path, names, seconds):
    found, times, frames = names_and_times(fill(tmp_path, [f"{name}.png" for name in names]))
    assert found == [f"{name}.png" for name in names]
    np.testing.assert_allclose(times, seconds, atol=1e-9)
    assert float(frames.rate) == pytest.approx((len(names) - 1) / seconds[-1], rel=1e-3)
    assert "names are taken for their times" in frames.notes[0]
    _, times, said = names_and_times(tmp_path, Fraction(10))
    assert said.rate == 10  # as its user says
    assert (frames.says_rate, said.says_rate) == (True, True)


def test_takes_and_versions_are_not_decimals(tmp_path):
    for folder, first in (("early", 1), ("late", 9)):
        names = [f"shot1.{number}.png" for number in range(first, 13)]
        assert names_and_times(fill(tmp_path / folder, names))[0] == names
    names = [f"shot1.{number:02}.png" for number in range(1, 13)]
    found, times, frames = names_and_times(fill(tmp_path / "padded", names))
    assert (found, frames.notes) == (names, [])
    np.testing.assert_allclose(times, np.arange(12) / 30)


def test_gaps_in_the_numbering_are_noted_and_count_in_time(tmp_path):
    folder = fill(tmp_path, [f"{n:04}.jpg" for n in (7, 8, 9, 12, 13, 20)])
    _, seconds, frames = names_and_times(folder)
    np.testing.assert_allclose(seconds, np.array([0, 1, 2, 5, 6, 13]) / 30)
    (note,) = frames.notes
    assert note.startswith("8 frames missing by the numbers in the names, the first after 0009")
    _, seconds, frames = names_and_times(fill(tmp_path / "even", ["0.png", "5.png", "10.png"]))
    np.testing.assert_allclose(seconds, np.arange(3) / 30)
    assert frames.notes == []
    _, seconds, frames = names_and_times(fill(tmp_path / "odd", ["0.png", "33.png", "67.png"]))
    np.testing.assert_allclose(seconds, np.arange(3) / 30)
    assert frames.notes[0].startswith("the numbers in the frames' names go up unevenly (0.png, 33")
    assert (frames.rate, frames.says_rate) == (30, False)


def test_16_bit_frames_are_brought_to_8_bits_by_what_all_of_them_hold(tmp_path):
    values = np.full((4, 6, 3), 100, np.uint16)
    for number, largest in enumerate((300, 1023, 512)):
        values[0, 0] = largest
        cv2.imwrite(str(tmp_path / f"{number}.png"), values)
    frames = open_frames(tmp_path)
    assert frames.notes == [
        "the images have 16 bits a value, of which 10 are used: 1023 is taken for white"
    ]
    images = np.stack([frame.image for frame in frames.read()])
    assert images[:, 0, 0, 0].tolist() == [75, 255, 128]
    assert (images[:, 1:] == 25).all()
    values[0, 0] = 50_000
    cv2.imwrite(str(tmp_path / "3.png"), values)
    assert open_frames(tmp_path).notes == []


def test_a_frame_damaged_in_its_middle_is_named(tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (48, 64, 3), np.uint8)
    data = cv2.imencode(".jpg", noise)[1].tobytes()
    (tmp_path / "1.jpg").write_bytes(data)
    half = len(data) // 2
    (tmp_path / "2.jpg").write_bytes(data[:half] + bytes(300) + data[half + 300 :])
    with pytest.raises(InputError, match=r"cannot read the frame .*2\.jpg: Corrupt JPEG data"):
        names_and_times(tmp_path)


def test_a_pattern_is_for_folders(tmp_path):
    fill(tmp_path, ["1.png"])
    with pytest.raises(InputError, match=r"--frames=\* is for folders and .*1\.png is none"):
        open_frames(tmp_path / "1.png", None, "*")
