import pathlib
import re

import numpy as np
import pytest

from data_prep import h2o
from htt_jax.data import records
from htt_jax.data.records import RecordSource
from htt_jax.support.errors import InputError
from tests.data_prep import raw_folders
from tests.data_prep.raw_folders import H2O_LABELS, H2O_RECORDINGS
from tests.data_prep.test_h2o import notes, prepare

POSE = np.array([[0, -1, 0, 0.1], [1, 0, 0, -0.2], [0, 0, 1, 0.5], [0, 0, 0, 1.0]])


def text(pose) -> str:
    return " ".join(f"{value:.7f}" for value in np.ravel(pose))


@pytest.fixture
def raw(tmp_path):
    """Poses of the first recording only, which move by a centimetre a frame."""
    labels, size = H2O_LABELS, (480, 270)
    root = raw_folders.write_h2o(tmp_path / "raw", H2O_RECORDINGS, labels, size=size)
    folder = root / "subject1/h1/0/cam4/cam_pose"
    folder.mkdir()
    for number in range(5):
        moved = POSE.copy()
        moved[0, 3] += 0.01 * number
        (folder / f"{number:06d}.txt").write_text(text(moved))
    return root


def first(raw: pathlib.Path) -> pathlib.Path:
    return raw / "subject1/h1/0/cam4/cam_pose"


def test_poses_are_stored_and_what_is_not_known_is_said(raw, tmp_path, capsys):
    lines = "\n".join(text(row) for row in POSE)  # a row a line
    (first(raw) / "000002.txt").write_text(lines)
    (first(raw) / "000003.txt").write_text(text(np.full(16, np.nan)))
    (first(raw) / "000004.txt").unlink()
    report = prepare(raw, tmp_path / "out")
    train, val = (RecordSource(tmp_path / "out", split) for split in ("train", "val"))
    assert train.spec.camera_poses
    start, rest = (video.camera_poses for video in train)
    np.testing.assert_allclose(start[:, 0, 3], [0.1, 0.11], rtol=1e-6)
    np.testing.assert_array_equal(rest[0], POSE.astype(np.float32))
    assert np.isnan(rest[1:]).all()
    assert np.isnan(val[0].camera_poses).all()
    assert notes(report, "lost") == [
        f"{first(raw)}: frame 3: kept, where the camera was is not known"
    ]
    assert f"{first(raw)}: frame 4: kept" in "\n".join(notes(report, "missing"))
    capsys.readouterr()
    h2o.main(["--verify", str(tmp_path / "out"), "--workers", "1"])
    assert "is whole" in capsys.readouterr().out


def test_verify_names_what_no_camera_pose_is(raw, tmp_path, capsys):
    prepare(raw, tmp_path / "out")
    source = RecordSource(tmp_path / "out", "train")
    schema = records.features(source.spec, source.action_names, source.object_names)
    with records.ShardWriter(tmp_path / "out/h2o-train.tfrecord-00000-of-00001") as shard:
        for video in source:
            video.camera_poses[0, 0, 1] = 3.0
            video.camera_poses[1, 0, 3] = np.inf
            shard.write(records.encode(video, schema), len(video.frames), video.video_id)
    with pytest.raises(InputError, match="4 problem"):
        h2o.main(["--verify", str(tmp_path / "out"), "--workers", "1"])
    said = capsys.readouterr().err
    assert "camera pose of frame 0: its first three columns are no rotation" in said
    assert "camera pose of frame 1: it is not finite" in said


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1 2 3", "3 numbers, expected the 16 numbers"),
        ("x " * 16, "could not convert string to float"),
        (text(2 * POSE), "its last row is"),
        (text(np.diag([1, 1, -1, 1])), "its first three columns are no rotation"),
        (text(POSE @ np.array([[1.0, 0, 0, 9e5], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1]])),
         "m from the world's origin; another unit"),
    ],
)  # fmt: skip
def test_a_bad_file_stops_with_its_name(raw, tmp_path, content, message):
    (first(raw) / "000001.txt").write_text(content)
    with pytest.raises(InputError, match=f"000001.txt: .*{re.escape(message)}"):
        prepare(raw, tmp_path / "out")


def test_the_two_kinds_of_dataset_are_not_mixed_in_one_folder(raw, tmp_path):
    prepare(raw, tmp_path / "out")
    for path in first(raw).iterdir():
        path.unlink()
    with pytest.raises(InputError, match=r"begun with schema = 1.0.0 with camera poses, this run"):
        prepare(raw, tmp_path / "out")
