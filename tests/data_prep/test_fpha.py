import json
import pathlib

import cv2
import numpy as np
import pytest
from PIL import Image

from data_prep import fpha, fpha_lists
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders

VIDEOS = {
    "train": ["Subject_1/open_juice_bottle/1", "Subject_1/put_salt/2"],
    "test": ["Subject_3/close_juice_bottle/1"],
}
VIDEO = "Subject_1/open_juice_bottle/1"
SMALL = (480, 270)


def prepare(raw: pathlib.Path, out: pathlib.Path, *options: str) -> dict:
    fpha.main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])
    return json.loads((out / "report.json").read_text())


def notes(report: dict, kind: str) -> list[str]:
    return [f"{note['path']}: {note['what']}" for note in report["notes"] if note["kind"] == kind]


@pytest.fixture
def raw(tmp_path):
    return raw_folders.write_fpha(tmp_path / "raw", VIDEOS, size=SMALL)


def test_videos_splits_names_and_labels(raw, tmp_path):
    report = prepare(raw, tmp_path / "out")
    train, test = (RecordSource(tmp_path / "out", split) for split in ("train", "test"))
    assert train.video_ids == VIDEOS["train"]
    assert test.video_ids == VIDEOS["test"]
    assert train.action_names == raw_folders.FPHA_ACTIONS
    assert train.object_names == ["juice_bottle", "salt", "milk"]
    assert [(train[i].action, train[i].object, train[i].subject) for i in range(2)] == [
        (0, 0, "Subject_1"),
        (2, 1, "Subject_1"),
    ]
    assert (test[0].action, test[0].object, test[0].segment_id) == (1, 0, -1)
    assert test[0].frame_numbers.tolist() == [0, 1, 2]
    assert test[0].hand_annotated.all()
    counts = {
        split: (found["videos"], found["frames"]) for split, found in report["splits"].items()
    }
    assert counts == {"train": (2, 6), "test": (1, 3)}
    assert {note["kind"] for note in report["notes"]} - {*raw_folders.DOUBTS} == {"choice"}


def test_poses_are_metres_in_camera_space_in_our_joint_order(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    joints = RecordSource(tmp_path / "out", "train")[0].joints_3d
    assert joints.dtype == np.float32
    assert joints.shape == (3, 21, 3)
    # Worked out by hand from the row's values: joint 2 (thumb_2) is the file's joint 6.
    x, y, z = 418.0 + 1, 419.0 + 1, 420.0 + 1  # frame 1
    expected = np.array(
        [
            0.999988496304 * x - 0.00468848412856 * y + 0.000982563360594 * z + 25.7,
            0.00469115935266 * x + 0.999985218048 * y - 0.00273845880292 * z + 1.22,
            -0.000969709653873 * x + 0.00274303671904 * y + 0.99999576807 * z + 3.902,
        ]
    )
    np.testing.assert_allclose(joints[1, 2], expected / 1000, rtol=1e-6)
    assert joints[0, 0, 0] < joints[0, 1, 0] < joints[0, 5, 0]  # wrist, thumb MCP, index MCP


def test_intrinsics_are_a_quarter_of_the_full_size_ones(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    intrinsics = RecordSource(tmp_path / "out", "train")[0].intrinsics
    expected = [[348.93725575, 0, 233.933136], [0, 348.937317, 135.1702575], [0, 0, 1]]
    np.testing.assert_allclose(intrinsics, expected, rtol=1e-6)


def test_full_size_frames_are_resized_as_pillow_does(tmp_path):
    one = {"train": [VIDEO], "test": []}
    raw = raw_folders.write_fpha(tmp_path / "raw", one, frames=1)
    prepare(raw, tmp_path / "out", "--lossless")
    stored = RecordSource(tmp_path / "out", "train")[0].frames[0]
    assert stored.startswith(b"\x89PNG")
    source = Image.open(raw / "Video_files" / VIDEO / "color" / "color_0000.jpeg")
    expected = np.asarray(source.resize((480, 270), Image.Resampling.BILINEAR))
    pixels = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR_RGB)
    assert np.abs(pixels.astype(int) - expected).max() <= 1  # two JPEG decoders
    prepare(raw, tmp_path / "fast", "--fast-decode")
    fast = RecordSource(tmp_path / "fast", "train")
    assert fast.image_size == SMALL
    assert fast[0].frames[0].startswith(b"\xff\xd8")


def test_resized_variant_and_newer_annotations_are_found_and_stored_unchanged(tmp_path):
    raw = raw_folders.write_fpha(
        tmp_path / "raw",
        VIDEOS,
        color="Video_files_480",
        poses="Hand_pose_annotation_v1_1",
        size=SMALL,
    )
    report = prepare(raw, tmp_path / "out")
    source = raw / "Video_files_480" / VIDEO / "color" / "color_0002.jpeg"
    assert RecordSource(tmp_path / "out", "train")[0].frames[2] == source.read_bytes()
    assert [note.split(": ")[0] for note in notes(report, "choice")] == [
        str(raw / "Video_files_480"),
        str(raw / "Hand_pose_annotation_v1_1"),
    ]
    prepare(raw, tmp_path / "fast", "--fast-decode")
    assert RecordSource(tmp_path / "fast", "train")[0].frames[2] == source.read_bytes()
    prepare(raw, tmp_path / "small", "--quality", "30")
    small = RecordSource(tmp_path / "small", "train")[0].frames[2]
    assert len(small) < source.stat().st_size


def test_irregular_videos_are_used_as_far_as_possible_and_reported(tmp_path):
    names = ["open_juice_bottle/1", "open_juice_bottle/2", "put_salt/1", "put_salt/2", "put_salt/3"]
    train = [f"Subject_1/{name}" for name in names]
    videos = {"train": train, "test": ["Subject_2/close_milk/4", "Subject_1/put_salt/4"]}
    raw = raw_folders.write_fpha(tmp_path / "raw", videos, frames=4, size=SMALL)
    poses = raw / "Hand_pose_annotation_v1"
    (poses / train[0] / "skeleton.txt").write_text(raw_folders.skeleton_text(2))
    (poses / train[1] / "skeleton.txt").write_text("")
    (poses / train[2] / "skeleton.txt").write_text(" \n")
    (poses / train[3] / "skeleton.txt").unlink()
    (raw / "Video_files" / train[4] / "color" / "color_0001.jpeg").unlink()
    report = prepare(raw, tmp_path / "out")
    source = RecordSource(tmp_path / "out", "train")
    assert source.video_ids == [train[0], train[4]]
    assert [source[i].frame_numbers.tolist() for i in range(2)] == [[0, 1], [0, 2, 3]]
    assert notes(report, "ignored") == [
        "Subject_2/close_milk/4: its annotation is known to be wrong"
    ]
    assert notes(report, "mismatch")[0] == (
        f"{raw / 'Video_files' / train[0]}: 4 images, 2 poses, 4 frames in Subjects_info: "
        "at most 2 used"
    )
    assert [note.split(": ")[0] for note in notes(report, "empty")] == [
        str(poses / train[1] / "skeleton.txt"),
        str(poses / train[2] / "skeleton.txt"),
    ]
    assert [note.split(": ")[0] for note in notes(report, "missing")] == [
        str(poses / train[3] / "skeleton.txt"),
        str(raw / "Video_files" / train[4] / "color" / "color_0001.jpeg"),
    ]
    assert RecordSource(tmp_path / "out", "test").video_ids == ["Subject_1/put_salt/4"]


def test_info_file_limits_the_frames_and_may_be_missing(raw, tmp_path):
    info = raw / "Subjects_info" / "Subject_1_info.txt"
    info.write_text(info.read_text().replace("put_salt 2  3", "put_salt   2 1"))
    (raw / "Subjects_info" / "Subject_3_info.txt").unlink()
    report = prepare(raw, tmp_path / "out")
    assert RecordSource(tmp_path / "out", "train").frame_counts.tolist() == [3, 1]
    assert RecordSource(tmp_path / "out", "test").frame_counts.tolist() == [3]
    assert notes(report, "missing") == [
        f"{raw / 'Subjects_info' / 'Subject_3_info.txt'}: frames are counted without it"
    ]


def test_built_in_actions_stand_in_for_a_missing_list(raw):
    (raw / "action_object_info.txt").unlink()
    split = raw / "data_split_action_recognition.txt"
    split.write_text(split.read_text().replace("put_salt/2 2", "put_salt/2 15"))
    found = fpha.find(raw)
    assert (len(found.action_names), len(found.object_names)) == (45, 26)
    assert found.action_names[15] == "put_salt"
    assert found.object_names[:3] == ["juice_bottle", "peanut_butter", "fork"]
    assert "built-in list" in found.notes[-1].what


def test_object_ids_follow_the_rows_and_action_ids_the_id_column(tmp_path):
    path = tmp_path / "action_object_info.txt"
    path.write_text(
        "id name object object_pose scenario\n2 b milk 0 x\n1 a salt 0 x\n3 c milk 0 x\n"
    )
    objects, object_names, _ = fpha_lists.read_actions(path)
    assert objects == {"a": "salt", "b": "milk", "c": "milk"}
    assert list(objects) == ["a", "b", "c"]
    assert object_names == ["milk", "salt"]


@pytest.mark.parametrize(
    ("file", "old", "new", "message"),
    [
        ("data_split_action_recognition.txt", "put_salt/2 2", "put_pepper/2 2",
         r"line 3: unknown action 'put_pepper', expected one of the 4"),
        ("data_split_action_recognition.txt", "put_salt/2 2", "put_salt/2 1",
         r"line 3: 'put_salt' has label 1, expected 2"),
        ("data_split_action_recognition.txt", "put_salt/2 2", "put_salt/2",
         r"line 3: 1 columns, expected `Subject_1"),
        ("data_split_action_recognition.txt", "Test 1", "Subject_1/put_salt/2 2",
         r"line 4: Subject_1/put_salt/2 again"),
        ("action_object_info.txt", "3 put_salt salt", "three put_salt salt",
         r"line 4: 'three' is not a number"),
        ("action_object_info.txt", "3 put_salt", "2 put_salt", r"line 4: id or name repeated"),
        ("Subjects_info/Subject_1_info.txt", "put_salt 2  3", "put_salt 2",
         r"line 5: 2 columns, expected `name_action"),
        ("Hand_pose_annotation_v1/Subject_1/put_salt/2/skeleton.txt", "401.0000 ", "",
         r"skeleton.txt, line 1: 63 columns, expected 64"),
        ("Hand_pose_annotation_v1/Subject_1/put_salt/2/skeleton.txt", "401.0000", "x",
         r"skeleton.txt, line 1: .* expected numbers"),
        ("Hand_pose_annotation_v1/Subject_1/put_salt/2/skeleton.txt", "\n2 ", "\n1 ",
         r"skeleton.txt, line 3: frame 1 again, with another pose"),
        ("Hand_pose_annotation_v1/Subject_1/put_salt/2/skeleton.txt", "\n1 ", "\n1.5 ",
         r"skeleton.txt, line 2: '1.5' is no frame's number"),
        ("Hand_pose_annotation_v1/Subject_1/put_salt/2/skeleton.txt", "\n1 ", "\nnan ",
         r"skeleton.txt, line 2: 'nan' is no frame's number"),
    ],
)  # fmt: skip
def test_a_bad_row_stops_with_file_and_line(raw, tmp_path, file, old, new, message):
    text = (raw / file).read_text()
    assert old in text
    (raw / file).write_text(text.replace(old, new, 1))
    with pytest.raises(InputError, match=message) as caught:
        prepare(raw, tmp_path / "out")
    assert file in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"no image", "cut", "damaged", "missing size"])
def test_a_bad_image_stops_or_is_skipped(raw, tmp_path, content):
    image = raw / "Video_files" / VIDEO / "color" / "color_0001.jpeg"
    if content == "cut":
        content = image.read_bytes()[:-300]
    if content == "damaged":  # in its middle: OpenCV makes a picture of it
        whole = image.read_bytes()
        content = whole[: len(whole) // 2] + bytes(1000) + whole[len(whole) // 2 + 1000 :]
    if content == "missing size":
        content = cv2.imencode(".jpg", raw_folders.picture(0, (640, 480)))[1].tobytes()
    image.write_bytes(content)
    with pytest.raises(InputError, match="color_0001"):
        prepare(raw, tmp_path / "out")
    report = prepare(raw, tmp_path / "out", "--skip-bad")
    assert RecordSource(tmp_path / "out", "train").video_ids == ["Subject_1/put_salt/2"]
    assert [note.split(": ")[0] for note in notes(report, "bad")] == [VIDEO]


@pytest.mark.parametrize("folder", ["Video_files", "Hand_pose_annotation_v1"])
def test_a_missing_folder_is_named(raw, tmp_path, folder):
    (raw / folder).rename(raw / "elsewhere")
    with pytest.raises(InputError, match=f"has no folder {folder}"):
        prepare(raw, tmp_path / "out")


def test_nothing_usable_says_why(raw, tmp_path):
    (raw / "Video_files" / "Subject_1").rename(tmp_path / "1")
    (raw / "Video_files" / "Subject_3").rename(tmp_path / "3")
    with pytest.raises(InputError, match=r"no video of .* can be used; missing: .*color"):
        prepare(raw, tmp_path / "out")
