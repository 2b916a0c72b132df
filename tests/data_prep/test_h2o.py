import json
import pathlib

import cv2
import numpy as np
import pytest

from data_prep import h2o
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders
from tests.data_prep.raw_folders import H2O_HEADER, H2O_LABELS, H2O_RECORDINGS

SMALL = (480, 270)


def prepare(raw: pathlib.Path, out: pathlib.Path, *options: str) -> dict:
    h2o.main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])
    return json.loads((out / "report.json").read_text())


def notes(report: dict, kind: str) -> list[str]:
    return [f"{note['path']}: {note['what']}" for note in report["notes"] if note["kind"] == kind]


@pytest.fixture
def raw(tmp_path):
    recordings, labels = H2O_RECORDINGS, H2O_LABELS
    return raw_folders.write_h2o(tmp_path / "raw", recordings, labels, size=SMALL)


def test_segments_splits_names_and_labels(raw, tmp_path):
    report = prepare(raw, tmp_path / "out")
    train, val, test = (RecordSource(tmp_path / "out", split) for split in ("train", "val", "test"))
    assert train.video_ids == ["subject1/h1/0/0000-0001", "subject1/h1/0/0002-0004"]
    assert train.frame_counts.tolist() == [2, 3]
    assert train[1].frame_numbers.tolist() == [2, 3, 4]
    assert (len(train.action_names), len(train.object_names)) == (36, 8)
    found = [(train.action_names[v.action], train.object_names[v.object]) for v in train]
    assert found == [("place cappuccino", "cappuccino"), ("read book", "book")]
    assert (val[0].action, val[0].object, val[0].subject) == (35, 2, "subject2")
    assert (test[0].action, test[0].object, test[0].segment_id) == (-1, -1, 1)
    assert notes(report, "hidden") == [
        f"{raw}/action_labels/action_test.txt: no action labels: actions and objects are -1"
    ]


def test_action_names_follow_the_dataset_s_labels():
    assert h2o.ACTIONS[22] == "pour milk"
    assert h2o.ACTIONS[23:27] == (
        "take out espresso", "take out cocoa", "take out chips", "take out cappuccino",
    )  # fmt: skip
    assert h2o.ACTIONS[35] == "squeeze lotion"
    assert len(h2o.ACTIONS) == 36


def test_poses_flags_and_intrinsics_come_from_the_files(raw, tmp_path):
    poses = raw / "subject1/h1/0/cam4/hand_pose"
    (poses / "000001.txt").write_text(raw_folders.hand_pose_text(1, left=0))
    prepare(raw, tmp_path / "out")
    video = RecordSource(tmp_path / "out", "train")[0]
    assert video.joints_3d.shape == (2, 42, 3)
    np.testing.assert_allclose(video.joints_3d[1, 0], [0.302, 0.304, 0.306], rtol=1e-6)
    np.testing.assert_allclose(video.joints_3d[1, 21], [0.428, 0.43, 0.432], rtol=1e-6)
    assert video.hand_annotated.tolist() == [[True, True], [False, True]]
    expected = [[240.0, 0, 236.25], [0, 240.75, 137.25], [0, 0, 1]]
    np.testing.assert_allclose(video.intrinsics, expected, rtol=1e-6)


def test_variants_missing_files_and_background_are_handled_and_reported(tmp_path):
    labels = {
        "train": H2O_HEADER + "1 subject1/h1/0 grab_capuccino 0 2 0 5\n"
        "2 subject1/h1/0 0 3 4 0 5\n3 subject1/h1/0 1 4 6 0 5\n4 subject1/h2/0 1 0 3 0 5\n"
        "5 subject1/h1/0 1 20 30 0 5\n",
    }
    raw = raw_folders.write_h2o(
        tmp_path / "raw",
        {"subject1/h1/0": 5},
        labels,
        color="rgb480_270",
        size=SMALL,
        label_folder="label_split",
    )
    camera = raw / "subject1/h1/0/cam4"
    (camera / "cam_intrinsics.txt").unlink()
    (camera / "hand_pose/000001.txt").unlink()
    (camera / "hand_pose/000002.txt").write_text("\n")
    report = prepare(raw, tmp_path / "out")
    source = RecordSource(tmp_path / "out", "train")
    assert source.video_ids == ["subject1/h1/0/0000-0002", "subject1/h1/0/0004-0006"]
    assert source.frame_counts.tolist() == [3, 1]
    assert source.action_names[source[0].action] == "grab cappuccino"
    assert source[0].hand_annotated.tolist() == [[True, True], [False, False], [False, False]]
    assert not source[0].joints_3d[1:].any()
    np.testing.assert_allclose(source[0].intrinsics[0], [238.7472375, 0, 238.2314625], rtol=1e-6)
    missing = "\n".join(notes(report, "missing"))
    for part in (
        "action_val.txt: no split 'val'", "cam_intrinsics.txt: used instead: (636.6593",
        "subject1/h2/0/cam4: no image in rgb or rgb480_270", "000001.txt: frame kept",
    ):  # fmt: skip
        assert part in missing
    assert notes(report, "empty") == [
        f"{camera}/hand_pose/000002.txt: frame kept, hands marked as not annotated"
    ]
    assert notes(report, "ignored") == ["subject1/h1/0/0003-0004: labelled as background"]
    assert notes(report, "beyond the end") == [
        f"subject1/h1/0/0004-0006: the label ends at 6, {camera}/rgb480_270 with frame 4; what "
        "there is was taken"
    ]
    assert "subject1/h1/0/0020-0030" in notes(report, "left out")[0]
    assert f"{raw}/label_split: action labels" in notes(report, "choice")
    assert "cam4/rgb480_270: frames" in notes(report, "choice")


def test_columns_are_found_by_their_header(raw, tmp_path):
    text = "start_act path end_act id action_label\n1 subject1/h1/0 3 7 36\n"
    (raw / "action_labels/action_train.txt").write_text(text)
    prepare(raw, tmp_path / "out")
    video = RecordSource(tmp_path / "out", "train")[0]
    assert (video.segment_id, video.action) == (7, 35)
    assert video.frame_numbers.tolist() == [1, 2, 3]


def test_full_size_frames_are_resized_as_opencv_does(tmp_path):
    labels = {"train": H2O_HEADER + "1 subject1/h1/0 16 0 0 0 5\n"}
    raw = raw_folders.write_h2o(tmp_path / "raw", {"subject1/h1/0": 1}, labels)
    prepare(raw, tmp_path / "out", "--lossless")
    stored = RecordSource(tmp_path / "out", "train")[0].frames[0]
    pixels = cv2.imdecode(np.frombuffer(stored, np.uint8), cv2.IMREAD_COLOR)
    expected = cv2.resize(raw_folders.picture(0, (1280, 720)), SMALL)
    np.testing.assert_array_equal(pixels, expected)


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("action_labels/action_train.txt", H2O_HEADER + "1 subject1/h1/0 37 0 1 0 5\n",
         "line 2: unknown action '37', expected a label from 0 to 36"),
        ("action_labels/action_train.txt", H2O_HEADER + "1 subject1/h1/0 grab_tea 0 1 0 5\n",
         "line 2: unknown action 'grab_tea'"),
        ("action_labels/action_train.txt", H2O_HEADER + "1 subject1/h1/0 36 0 1\n",
         "line 2: 5 columns, expected 7"),
        ("action_labels/action_train.txt", H2O_HEADER + "1 subject1/h1/0 36 2 1 0 5\n",
         "line 2: frames 2 to 1"),
        ("action_labels/action_train.txt", H2O_HEADER + "1 subject1/h1/0 36 0 1 0 5\n" * 2,
         "line 3: subject1/h1/0/0000-0001 again"),
        ("action_labels/action_train.txt", "id path\n", "line 1: no column start_act, end_act"),
        ("action_labels/action_train.txt", "", "line 1: no column id, path"),
        ("subject1/h1/0/cam4/hand_pose/000001.txt", "1 2 3", "line 1: 3 columns in 1 line"),
        ("subject1/h1/0/cam4/hand_pose/000001.txt", "x " * 128, "line 1: .* expected 128 numbers"),
        ("subject1/h1/0/cam4/cam_intrinsics.txt", "1 2", "line 1: 2 columns in 1 line"),
        ("subject1/h1/0/cam4/cam_intrinsics.txt", "0 1 2 3 4 5", "expected focal lengths"),
    ],
)  # fmt: skip
def test_a_bad_row_stops_with_file_and_line(raw, tmp_path, file, text, message):
    (raw / file).write_text(text)
    with pytest.raises(InputError, match=message) as caught:
        prepare(raw, tmp_path / "out")
    assert file in str(caught.value)


def test_a_bad_pose_is_skipped_with_its_segment(raw, tmp_path):
    (raw / "subject1/h1/0/cam4/hand_pose/000001.txt").write_text("1 2 3")
    report = prepare(raw, tmp_path / "out", "--skip-bad")
    assert RecordSource(tmp_path / "out", "train").video_ids == ["subject1/h1/0/0002-0004"]
    assert notes(report, "bad")[0].startswith("subject1/h1/0/0000-0001: ")


def test_missing_label_folder_is_named(raw, tmp_path):
    (raw / "action_labels").rename(raw / "labels")
    with pytest.raises(InputError, match="has no folder action_labels or label_split"):
        prepare(raw, tmp_path / "out")
