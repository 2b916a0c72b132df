"""Raw folders as people have them: unpacked otherwise, copied from other systems, half resized."""

import json
import pathlib
import shutil

import numpy as np
import pytest

from data_prep import fpha, h2o
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders
from tests.data_prep.raw_folders import DOUBTS

SMALL = (480, 270)
FPHA_VIDEOS = {"train": ["Subject_1/put_salt/1"], "test": ["Subject_3/close_milk/1"]}
LABELS = {
    "train": raw_folders.H2O_HEADER + "1 subject1/h1/0 16 0 2 0 2\n",
    "val": raw_folders.H2O_HEADER + "1 subject2/k1/0 36 0 2 0 2\n",
    "test": "id path start_act end_act start_frame end_frame\n1 subject2/k1/0 0 1 0 2\n",
}


@pytest.fixture(scope="module")
def raw_fpha(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw") / "fpha"
    return raw_folders.write_fpha(root, FPHA_VIDEOS, size=SMALL)


@pytest.fixture(scope="module")
def raw_h2o(tmp_path_factory):
    root = tmp_path_factory.mktemp("raw") / "h2o"
    return raw_folders.write_h2o(root, {"subject1/h1/0": 3, "subject2/k1/0": 3}, LABELS, size=SMALL)


def prepare(program, raw: pathlib.Path, out: pathlib.Path, *options: str) -> list[dict]:
    """The report's notes on what was not as it should be."""
    program.main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])
    notes = json.loads((out / "report.json").read_text())["notes"]
    return [note for note in notes if note["kind"] not in ("choice", "hidden", *DOUBTS)]


def too_deep(folder: pathlib.Path) -> None:
    folder.rename(folder.with_name("moved"))
    folder.mkdir()
    folder.with_name("moved").rename(folder / folder.name)


def in_upper_case(root: pathlib.Path) -> None:
    for path in sorted(root.rglob("*.*")):
        if path.is_file():
            path.rename(path.with_name(path.stem + path.suffix.upper()))


def rewritten(root: pathlib.Path, encoding: str, end: str) -> None:
    for path in root.rglob("*.txt"):
        path.write_bytes(path.read_text().replace("\n", end).encode(encoding))


def with_hidden_files(root: pathlib.Path) -> None:
    for folder in [path for path in root.rglob("*") if path.is_dir()]:
        for path in list(folder.iterdir()):
            folder.joinpath(f"._{path.name}").write_bytes(b"\0\5\26\7")
        for name in (".DS_Store", "Thumbs.db", "desktop.ini"):
            folder.joinpath(name).write_bytes(b"\0")
    root.joinpath("__MACOSX/Video_files").mkdir(parents=True)


def into_a_folder(root: pathlib.Path) -> None:
    inside = [*root.iterdir()]
    root.joinpath("archive").mkdir()
    for path in inside:
        path.rename(root / "archive" / path.name)


CHANGES = {
    "BOM": lambda root: rewritten(root, "utf-8-sig", "\n"),
    "BOM and CRLF": lambda root: rewritten(root, "utf-8-sig", "\r\n"),
    "UTF-16": lambda root: rewritten(root, "utf-16", "\r\n"),
    "upper case": in_upper_case,
    "hidden files": with_hidden_files,
    "in a folder": into_a_folder,
}
FPHA_CHANGES = CHANGES | {
    "frames too deep": lambda root: too_deep(root / "Video_files"),
    "a subject too deep": lambda root: too_deep(root / "Video_files/Subject_1"),
    "poses too deep": lambda root: too_deep(root / "Hand_pose_annotation_v1"),
    "lengths too deep": lambda root: too_deep(root / "Subjects_info"),
    "empty newer poses": lambda root: (root / "Hand_pose_annotation_v1_1").mkdir(),
}
H2O_CHANGES = CHANGES | {
    "a subject too deep": lambda root: too_deep(root / "subject1"),
    "labels too deep": lambda root: too_deep(root / "action_labels"),
    "named as in the archive": lambda root: (root / "subject1").rename(root / "subject1_ego"),
    "in a folder of the archive's name": lambda root: shutil.move(
        root / "subject1", root / "subject1_ego_v1_1/subject1_ego"
    ),
    "labels in the second folder": lambda root: (
        (root / "action_labels").rename(root / "label_split"),
        (root / "action_labels").mkdir(),
    ),
}


def assert_prepared_alike(program, raw, tmp_path, change, splits):
    prepare(program, raw, tmp_path / "before")
    changed = shutil.copytree(raw, tmp_path / "raw")
    change(changed)
    assert prepare(program, changed, tmp_path / "after") == []
    for split in splits:
        before, after = (RecordSource(tmp_path / name, split)[0] for name in ("before", "after"))
        assert after.frames == before.frames
        np.testing.assert_array_equal(after.joints_3d, before.joints_3d)
        np.testing.assert_array_equal(after.intrinsics, before.intrinsics)
        assert (after.video_id, after.action) == (before.video_id, before.action)


@pytest.mark.parametrize("change", FPHA_CHANGES)
def test_fpha_is_read_alike(raw_fpha, tmp_path, change):
    assert_prepared_alike(fpha, raw_fpha, tmp_path, FPHA_CHANGES[change], ("train", "test"))


@pytest.mark.parametrize("change", H2O_CHANGES)
def test_h2o_is_read_alike(raw_h2o, tmp_path, change):
    assert_prepared_alike(h2o, raw_h2o, tmp_path, H2O_CHANGES[change], ("train", "val"))


def test_the_fuller_folder_of_a_video_is_read(raw_fpha, raw_h2o, tmp_path):
    raw = shutil.copytree(raw_fpha, tmp_path / "fpha")
    shutil.copytree(raw / "Video_files", raw / "Video_files_480")
    for path in (raw / "Video_files/Subject_1/put_salt/1/color").iterdir():
        path.unlink()
    (raw / "Video_files/Subject_3/close_milk/1/color/color_0001.jpeg").unlink()
    found = fpha.find(raw)
    videos = [video for of_split in found.splits.values() for video in of_split]
    assert {video.color.parents[3].name for video in videos} == {"Video_files_480"}
    assert (raw / "Video_files_480", "frames") in [
        (pathlib.Path(n.path), n.what) for n in found.notes
    ]

    raw = shutil.copytree(raw_h2o, tmp_path / "h2o")
    camera = raw / "subject1/h1/0/cam4"
    (camera / "rgb").rename(camera / "rgb480_270")
    (camera / "rgb").mkdir()
    assert h2o.find(raw).splits["train"][0].color == camera / "rgb480_270"
    shutil.rmtree(camera / "rgb480_270")
    found = h2o.find(raw)
    assert found.splits["train"] == []
    assert "no image in rgb or rgb480_270: subject1/h1/0/0000-0002 left out" in str(found.notes)
    shutil.rmtree(raw / "subject1")
    assert camera in [pathlib.Path(note.path) for note in h2o.find(raw).notes]


def test_an_empty_folder_of_images_is_called_empty(raw_fpha, tmp_path):
    raw = shutil.copytree(raw_fpha, tmp_path / "raw")
    color = raw / "Video_files/Subject_3/close_milk/1/color"
    shutil.rmtree(color)
    color.mkdir()
    notes = prepare(fpha, raw, tmp_path / "out")
    assert [(note["kind"], note["path"]) for note in notes] == [
        ("empty", str(color)),
        ("empty split", "test"),
    ]


def test_images_of_other_names_are_not_called_an_empty_folder(raw_fpha, tmp_path):
    raw = shutil.copytree(raw_fpha, tmp_path / "raw")
    for path in sorted(raw.glob("Video_files/Subject_3/*/*/color/*")):
        path.rename(path.with_name(path.name.removeprefix("color_")))
    note, _ = prepare(fpha, raw, tmp_path / "out")
    assert note["what"].startswith("no color_0000.jpeg or .jpg or .png or the like in it: ")


def test_lists_that_were_put_together_lose_no_video(raw_fpha, tmp_path):
    raw = shutil.copytree(raw_fpha, tmp_path / "raw")
    path = raw / "data_split_action_recognition.txt"
    path.write_text(path.read_text() + "Training 1\nSubject_3/close_milk/1 3\n")
    found = fpha.find(raw)
    ids = [video.video_id for video in found.splits["train"]]
    assert ids == ["Subject_1/put_salt/1", "Subject_3/close_milk/1"]
    [note] = prepare(fpha, raw, tmp_path / "out")
    assert note == {
        "kind": "in two splits",
        "path": "train and test",
        "what": "1 video, such as Subject_3/close_milk/1",
    }


def test_poses_that_cannot_be_are_kept_as_not_annotated_and_reported(raw_fpha, raw_h2o, tmp_path):
    raw = shutil.copytree(raw_fpha, tmp_path / "fpha")
    skeleton = raw / "Hand_pose_annotation_v1/Subject_1/put_salt/1/skeleton.txt"
    rows = skeleton.read_text().splitlines()
    rows[1] = "1 " + "0 " * 63
    rows[2] = "2 " + "nan " * 63
    skeleton.write_text("\n".join(rows))
    notes = prepare(fpha, raw, tmp_path / "fpha_out")
    assert RecordSource(tmp_path / "fpha_out", "train")[0].hand_annotated[:, 0].tolist() == [
        True,
        False,
        False,
    ]
    assert {note["path"] for note in notes} == {str(skeleton)}
    assert [note["what"].split(":")[0] for note in notes] == [
        "right hand, frame 2",
        "right hand, frame 1",
    ]
    fpha.main(["--verify", str(tmp_path / "fpha_out"), "--workers", "1"])

    raw = shutil.copytree(raw_h2o, tmp_path / "h2o")
    poses = raw / "subject1/h1/0/cam4/hand_pose"
    (poses / "000001.txt").write_text("1 " + "0 " * 63 + "0 " + "inf " * 63)
    [note] = prepare(h2o, raw, tmp_path / "h2o_out")
    assert (note["kind"], note["path"]) == ("lost", str(poses))
    assert note["what"].startswith("left hand, frame 1: all joints are in one place")
    video = RecordSource(tmp_path / "h2o_out", "train")[0]
    assert video.hand_annotated.tolist() == [[True, True], [False, False], [True, True]]
    assert np.isfinite(video.joints_3d).all()


def test_another_unit_stops_or_is_skipped(raw_h2o, tmp_path):
    raw = shutil.copytree(raw_h2o, tmp_path / "raw")
    poses = raw / "subject1/h1/0/cam4/hand_pose"
    for path in poses.iterdir():
        flags_and_joints = np.array(path.read_text().split(), float)
        flags_and_joints[[*range(1, 64), *range(65, 128)]] *= 1000
        path.write_text(" ".join(map(str, flags_and_joints)))
    with pytest.raises(InputError, match=rf"^{poses}: left hand, 3 of 3 frames: it measures 208 m"):
        prepare(h2o, raw, tmp_path / "out")
    notes = prepare(h2o, raw, tmp_path / "out", "--skip-bad")
    assert [note["kind"] for note in notes] == ["bad", "empty split"]
    assert len(RecordSource(tmp_path / "out", "val")) == 1
