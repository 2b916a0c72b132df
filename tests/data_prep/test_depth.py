"""Depth maps: paired with the colour frames, checked, kept byte for byte."""

import json
import pathlib
import shutil

import cv2
import numpy as np
import pytest

from data_prep import fpha, fpha_files, h2o
from htt_jax.data import records
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders

SMALL = (480, 270)
VIDEOS = {
    "train": ["Subject_1/open_juice_bottle/1", "Subject_1/put_salt/2"],
    "test": ["Subject_3/close_juice_bottle/1"],
}
FIRST, SECOND = (f"Video_files/{video}/depth" for video in VIDEOS["train"])


def depth_map(number: int, size=(640, 480), dtype=np.uint16) -> bytes:
    values = np.full(size[::-1], 40 + number, dtype)
    values[: size[1] // 3] = 0
    return cv2.imencode(".png", values)[1].tobytes()


def write_maps(folder: pathlib.Path, names, size=(640, 480)) -> None:
    folder.mkdir(parents=True)
    for number, name in enumerate(names):
        (folder / name).write_bytes(depth_map(number, size))


@pytest.fixture(scope="module")
def raw_fpha(tmp_path_factory) -> pathlib.Path:
    """Three frames a video, and as many maps."""
    root = raw_folders.write_fpha(tmp_path_factory.mktemp("fpha"), VIDEOS, size=SMALL)
    for video in (*VIDEOS["train"], *VIDEOS["test"]):
        folder = root / "Video_files" / video / "depth"
        write_maps(folder, [f"depth_{t:04d}.png" for t in range(3)])
    return root


@pytest.fixture
def raw(raw_fpha, tmp_path) -> pathlib.Path:
    return shutil.copytree(raw_fpha, tmp_path / "raw")


@pytest.fixture
def raw_h2o(tmp_path) -> pathlib.Path:
    root = raw_folders.write_h2o(
        tmp_path / "h2o",
        raw_folders.H2O_RECORDINGS,
        raw_folders.H2O_LABELS,
        color="rgb480_270",
        size=SMALL,
    )
    for recording, frames in raw_folders.H2O_RECORDINGS.items():
        names = [f"{number:06d}.png" for number in range(frames)]
        write_maps(root / recording / "cam4/depth", names, SMALL)
    return root


def prepare(program, raw: pathlib.Path, out: pathlib.Path, *options: str) -> list[str]:
    """The report's notes."""
    program.main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])
    notes = json.loads((out / "report.json").read_text())["notes"]
    texts = [f"{note['kind']}: {note['path']}: {note['what']}" for note in notes]
    return [
        text for text in texts if not text.startswith(("choice", "hidden", *raw_folders.DOUBTS))
    ]


def contents(folder: pathlib.Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.suffix != ".lock"}


def test_fpha_maps_are_stored_as_they_are_with_their_camera(raw_fpha, tmp_path, capsys):
    assert prepare(fpha, raw_fpha, tmp_path, "--depth") == []
    source = RecordSource(tmp_path, "train")
    assert (source.spec.depth, source.depth_size, source.image_size) == (True, (640, 480), SMALL)
    depth = source[1].depth
    assert depth.frames == [depth_map(number) for number in range(3)]
    expected = [[475.065948, 0, 315.944855], [0, 475.065857, 245.287079], [0, 0, 1]]
    np.testing.assert_allclose(depth.intrinsics, expected, rtol=1e-7)
    capsys.readouterr()
    fpha.main(["--verify", str(tmp_path), "--workers", "1"])
    assert "is whole: 3 videos, 9 frames" in capsys.readouterr().out


def test_fpha_joints_come_back_to_the_numbers_of_their_file_before_the_depth_camera(
    raw_fpha, tmp_path
):
    prepare(fpha, raw_fpha, tmp_path, "--depth")
    video = RecordSource(tmp_path, "train")[0]
    turn, shift = video.depth.from_color[:3, :3], video.depth.from_color[:3, 3]
    millimetres = 1000 * (video.joints_3d @ turn.T + shift)
    path = raw_fpha / "Hand_pose_annotation_v1" / VIDEOS["train"][0] / "skeleton.txt"
    for number, pose in fpha_files.read_skeleton(path).items():
        in_our_order = pose[list(fpha.JOINT_ORDER)]
        np.testing.assert_allclose(millimetres[number], in_our_order, rtol=4e-7)


def test_h2o_maps_lie_on_the_colour_frames_pixels(raw_h2o, tmp_path):
    assert prepare(h2o, raw_h2o, tmp_path / "out", "--depth") == []
    source = RecordSource(tmp_path / "out", "train")
    assert source.depth_size == SMALL
    segment = source[1]  # frames 2 to 4
    assert segment.depth.frames == [depth_map(number, SMALL) for number in (2, 3, 4)]
    np.testing.assert_array_equal(segment.depth.intrinsics, segment.intrinsics)
    np.testing.assert_array_equal(segment.depth.from_color, np.eye(4))


def test_h2o_maps_of_the_original_size_have_intrinsics_of_that_size(raw_h2o, tmp_path):
    for recording in raw_folders.H2O_RECORDINGS:
        for path in (raw_h2o / recording / "cam4/depth").iterdir():
            path.write_bytes(depth_map(1, h2o.NATIVE_SIZE))
    prepare(h2o, raw_h2o, tmp_path / "out", "--depth")
    source = RecordSource(tmp_path / "out", "test")
    assert source.depth_size == (1280, 720)
    expected = [[640, 0, 630], [0, 642, 366], [0, 0, 1]]
    np.testing.assert_allclose(source[0].depth.intrinsics, expected, rtol=1e-6)


def test_maps_beside_the_frames_of_the_other_size_are_found(raw, tmp_path):
    for video in (*VIDEOS["train"], *VIDEOS["test"]):
        small = raw / "Video_files_480" / video / "color"
        small.parent.mkdir(parents=True)
        (raw / "Video_files" / video / "color").rename(small)
    assert prepare(fpha, raw, tmp_path / "out", "--depth") == []
    assert len(RecordSource(tmp_path / "out", "train")) == 2


def test_what_does_not_pair_is_counted_in_one_line_a_video(raw, tmp_path, capsys):
    (raw / FIRST / "depth_0001.png").unlink()
    (raw / FIRST / "depth_0007.png").write_bytes(depth_map(7))
    (raw / FIRST / "depth_0008.png").write_bytes(depth_map(8))
    notes = prepare(fpha, raw, tmp_path / "out", "--depth")
    line = (
        "2 of 3 frames have a depth map; 1 without are kept (frame 1); "
        "2 maps are of no kept frame (frames 7-8)"
    )
    assert notes == [f"unpaired depth: {raw / FIRST}: {line}"]
    assert f"unpaired depth (1)\n  {raw / FIRST}: {line}\n" in capsys.readouterr().out
    depth = RecordSource(tmp_path / "out", "train")[0].depth
    assert depth.frames == [depth_map(0), b"", depth_map(2)]
    fpha.main(["--verify", str(tmp_path / "out"), "--workers", "1"])


def test_a_video_without_maps_is_left_out_like_one_without_images(raw, raw_h2o, tmp_path):
    shutil.rmtree(raw / FIRST)
    for number in range(3):  # numbers of no frame
        (raw / SECOND / f"depth_{number:04d}.png").rename(raw / SECOND / f"depth_1{number:03d}.png")
    notes = prepare(fpha, raw, tmp_path / "fpha", "--depth")
    assert notes[:1] == [
        f"missing: {raw / FIRST}: no depth_0000.png or the like: {VIDEOS['train'][0]} left out"
    ]
    assert notes[2:3] == [f"left out: {raw / SECOND}: none of its maps is of a kept frame"]
    assert len(RecordSource(tmp_path / "fpha", "test")) == 1
    gone = raw_h2o / "subject1/h1/0/cam4/depth"
    shutil.rmtree(gone)
    what = "no 000000.png or the like: subject1/h1/0"
    assert prepare(h2o, raw_h2o, tmp_path / "h2o_out", "--depth")[:2] == [
        f"missing: {gone}: {what}/0000-0001 left out",
        f"missing: {gone}: {what}/0002-0004 left out",
    ]


def test_a_dataset_without_any_map_is_refused(raw, tmp_path):
    for folder in raw.glob("Video_files/*/*/*/depth"):
        shutil.rmtree(folder)
    expected = f"expected {raw / FIRST}/depth_0000.png and the like; put them there, or prepare"
    with pytest.raises(InputError, match=rf"^no video of {raw} has a depth map: {expected}"):
        prepare(fpha, raw, tmp_path / "out", "--depth")


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "the file is empty"),
        (depth_map(1)[:-40], "the file is cut short"),
        (depth_map(1, (320, 240)), "it has 320x240 pixels"),
        (depth_map(1, dtype=np.uint8), "its values are grey of 8 bits"),
        (raw_folders.encoded(1, (640, 480), ".png"), "its values are colour of 8 bits"),
        (raw_folders.encoded(1, (640, 480), ".jpg"), "it is no PNG file"),
    ],
)
def test_a_bad_map_is_one_clear_line_and_can_be_skipped(raw, tmp_path, data, found):
    path = raw / SECOND / "depth_0001.png"
    path.write_bytes(data)
    line = (
        f"bad depth map {path}: {found}; expected a 16-bit PNG of one channel, 640x480 pixels, "
        "millimetres; replace it, or leave its video out with --skip-bad"
    )
    with pytest.raises(InputError) as error:
        prepare(fpha, raw, tmp_path / "out", "--depth")
    assert str(error.value) == line
    notes = prepare(fpha, raw, tmp_path / "out", "--depth", "--skip-bad")
    assert notes == [f"bad: {VIDEOS['train'][1]}: {line}"]
    assert RecordSource(tmp_path / "out", "train").video_ids == VIDEOS["train"][:1]


def test_maps_of_two_sizes_are_not_mixed(raw_h2o, tmp_path):
    path = raw_h2o / "subject2/k1/0/cam4/depth/000001.png"
    path.write_bytes(depth_map(1, h2o.NATIVE_SIZE))
    with pytest.raises(InputError, match=rf"{path}: it has 1280x720 pixels; expected .*480x270"):
        prepare(h2o, raw_h2o, tmp_path / "out", "--depth")


def test_maps_in_another_unit_are_refused(raw, tmp_path):
    hand = np.tile([10.0, 20.0, 450.0], (21, 1)) + np.arange(21)[:, None]
    row = " ".join(f"{value:.4f}" for value in hand.ravel())
    skeleton = raw / "Hand_pose_annotation_v1" / VIDEOS["train"][0] / "skeleton.txt"
    skeleton.write_text("".join(f"{t} {row}\n" for t in range(3)))
    for factor, is_right in ((1, True), (8, False)):
        values = np.full((480, 640), 450 * factor, np.uint16)
        for path in (raw / FIRST).iterdir():
            path.write_bytes(cv2.imencode(".png", values)[1].tobytes())
        if is_right:
            assert prepare(fpha, raw, tmp_path / "right", "--depth") == []
            continue
        message = rf"^{raw / FIRST}: at the hands' joints its maps have 7\.\d+ times the joints'"
        with pytest.raises(InputError, match=message):
            prepare(fpha, raw, tmp_path / "wrong", "--depth")


def test_a_map_without_a_reading_is_kept_and_named(raw, tmp_path):
    nothing = cv2.imencode(".png", np.zeros((480, 640), np.uint16))[1].tobytes()
    (raw / FIRST / "depth_0002.png").write_bytes(nothing)
    assert prepare(fpha, raw, tmp_path / "out", "--depth") == [
        f"blank depth: {raw / FIRST}: frame 2: no reading in the whole map; kept"
    ]
    assert RecordSource(tmp_path / "out", "train")[0].depth.frames[2] == nothing


def test_maps_that_are_not_asked_for_change_nothing(raw, tmp_path):
    prepare(fpha, raw, tmp_path / "with_maps")
    for folder in raw.glob("Video_files/*/*/*/depth"):
        shutil.rmtree(folder)
    prepare(fpha, raw, tmp_path / "without")
    files = contents(tmp_path / "without")
    assert contents(tmp_path / "with_maps") == files
    assert [name for name, data in files.items() if b"depth" in data] == []


def test_a_folder_begun_with_depth_is_not_continued_without_nor_the_other_way(raw_fpha, tmp_path):
    deep, flat = tmp_path / "deep", tmp_path / "flat"
    prepare(fpha, raw_fpha, deep, "--depth")
    prepare(fpha, raw_fpha, flat)
    with pytest.raises(InputError, match=r"begun with schema = 1.0.0 with depth maps, this run"):
        prepare(fpha, raw_fpha, deep)
    with pytest.raises(InputError, match=r"this run has 1.0.0 with depth maps; use the same"):
        prepare(fpha, raw_fpha, flat, "--depth")
    shard = deep / "fpha-train.tfrecord-00000-of-00001"
    before = shard.read_bytes()
    shard.unlink()
    prepare(fpha, raw_fpha, deep, "--depth")
    assert shard.read_bytes() == before


def test_verify_names_what_is_wrong_with_stored_maps(raw_fpha, tmp_path, capsys):
    prepare(fpha, raw_fpha, tmp_path, "--depth")
    source = RecordSource(tmp_path, "train")
    features = records.features(source.spec, source.action_names, source.object_names)
    first, second = source[0], source[1]
    first.depth.frames = [b"", depth_map(1)[:-20], depth_map(2, dtype=np.uint8)]
    first.depth.intrinsics[0, 0] = 0
    first.depth.from_color[0] *= 2
    second.depth.frames = [depth_map(0, SMALL), depth_map(1), depth_map(2, SMALL)]
    with records.ShardWriter(tmp_path / "fpha-train.tfrecord-00000-of-00001") as shard:
        for video in (first, second):
            shard.write(records.encode(video, features), 3, video.video_id)
    with pytest.raises(InputError, match=r"^6 problem"):
        fpha.main(["--verify", str(tmp_path), "--workers", "1"])
    lines = capsys.readouterr().err.splitlines()
    assert "record 0 (Subject_1/open_juice_bottle/1): the depth camera's intrinsics" in lines[0]
    assert "the way from the colour camera to the depth camera is no rotation" in lines[1]
    assert "depth map 1: the file is cut short; expected a 16-bit PNG" in lines[2]
    assert "depth map 2: its values are grey of 8 bits" in lines[3]
    assert "depth map 1 is 640x480, the first that is whole 480x270" in lines[4]
    assert "depth maps of several sizes: 640x480 in " in lines[5]
