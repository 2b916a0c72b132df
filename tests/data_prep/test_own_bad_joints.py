"""What people may have wrong in joints of their recordings, and the line that says so."""

import re

import numpy as np
import pytest

from data_prep.own import layout
from htt_jax.support.errors import InputError
from tests import videos
from tests.data_prep import own_folders
from tests.data_prep.own_folders import TOML, prepare


def hand(**changes):
    """A row of joints.csv."""
    cells = {"frame": "0", "hand": "right"}
    cells |= {
        f"{c}{i}": str(x)
        for i, p in enumerate(own_folders.joints(1)[0])
        for c, x in zip("xyz", p, strict=True)
    }
    return cells | changes


BAD_JOINTS = {
    "one is missing": (
        [hand(x20="")],
        "little_4 of the right hand of frame 0 has no x; give all 3 coordinates of a joint, or "
        "none",
    ),
    "two dimensions": (
        [{k: v for k, v in hand().items() if k[0] != "z"}],
        "all joints lie within 2 pixels of the image's corner; expected pixels of frames of 64x48, "
        "or x, y and z in space",
    ),
    "another skeleton": (
        [{k.replace("x20", "x21"): v for k, v in hand().items()}],
        "joints.csv lacks 1 column (x20); expected frame, hand and ",
    ),
    "unknown hand": (
        [hand(hand="left")],
        "line 2: hand is 'left', expected one of right (dataset.toml)",
    ),
    "twice": ([hand(), hand()], "line 3: the right hand of frame 0 again"),
    "no number": ([hand(frame="0.5")], "line 2: frame is '0.5', expected the number of a frame"),
    "no joint": ([hand(y3="?")], "line 2: a joint is '?', expected a number"),
    "no row": ([], "has no row; remove it where there are no joints"),
}


@pytest.mark.parametrize("case", BAD_JOINTS)
def test_bad_joints_are_one_clear_line(tmp_path, case):
    rows, expected = BAD_JOINTS[case]
    raw = own_folders.write(tmp_path / "raw")
    (raw / "a/joints.npz").unlink()
    header = ",".join(rows[0] if rows else hand())
    (raw / "a/joints.csv").write_text(
        "\n".join([header, *(",".join(row.values()) for row in rows)])
    )
    with pytest.raises(InputError, match=re.escape(expected)):
        prepare(raw, tmp_path / "out")


BAD_ARRAYS = {
    "joints is float64 (6, 20, 3), expected numbers (frames, 1, 21, 3 or 2)": {
        "joints": np.zeros((6, 20, 3))
    },
    "has no array 'joints', but poses": {"poses": np.zeros(3)},
    "frames is int64 (5,), expected a whole number for each of the 6 rows": {
        "joints": np.zeros((6, 21, 3)),
        "frames": np.arange(5),
    },
    "a number is twice among frames": {"joints": np.zeros((2, 21, 3)), "frames": np.zeros(2, int)},
    "joints.npz has joints of 5 frames, but {raw}/a has 6; give the number of each one's frame": {
        "joints": np.zeros((5, 21, 3))
    },
    "joints.npz names frame 6, the last of {raw}/a is 5; its images' names number them": {
        "joints": np.zeros((6, 21, 3)),
        "frames": np.arange(1, 7),
    },
    "joints.npz names frame -1, the first of {raw}/a is 0; its images' names number them": {
        "joints": np.zeros((6, 21, 3)),
        "frames": np.arange(-1, 5),
    },
    "expected arrays by numpy.savez": {"joints": np.array([{}], object)},
}


@pytest.mark.parametrize("expected", BAD_ARRAYS)
def test_bad_arrays_are_one_clear_line(tmp_path, expected):
    raw = own_folders.write(tmp_path / "raw")
    np.savez(raw / "a/joints.npz", **BAD_ARRAYS[expected])
    with pytest.raises(InputError, match=re.escape(expected.replace("{raw}", str(raw)))):
        prepare(raw, tmp_path / "out")


def test_arrays_in_another_file_or_damaged_are_one_clear_line(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    path = raw / "a/joints.npz"
    np.savez_compressed(path, joints=own_folders.joints(6))
    damaged = bytearray(path.read_bytes())
    damaged[200:300] = bytes(range(100, 200))
    np.save(path.with_suffix(".npy"), own_folders.joints(6))
    for content in (path.with_suffix(".npy").read_bytes(), bytes(damaged), damaged[:300]):
        path.write_bytes(content)
        with pytest.raises(InputError, match=r"joints\.npz: .*; expected arrays by numpy\.savez"):
            layout.find(raw)


def test_joints_counted_from_1_do_not_fit_a_video(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    for file in (raw / "a").glob("*.png"):
        file.unlink()
    video = videos.write_lossless(raw / "a/video.mkv", videos.moving(6))  # does not say how many
    np.savez(raw / "a/joints.npz", joints=own_folders.joints(6), frames=np.arange(1, 7))
    expected = f"joints.npz names frame 6, the last of {video} is 5; count from 0"
    with pytest.raises(InputError, match=re.escape(expected)):
        layout.find(raw)
    np.savez(raw / "a/joints.npz", joints=own_folders.joints(6))
    layout.find(raw)


def test_a_hand_without_joints_in_train_is_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=TOML.replace('["right"]', '["left", "right"]'))
    for name in "ab":
        joints = np.full((6, 2, 21, 3), np.nan)
        joints[:, 1] = own_folders.joints(6)
        np.savez(raw / name / "joints.npz", joints=joints)
    with pytest.raises(
        InputError, match="train has joints of the left hand; leave it out of `hands`"
    ):
        layout.find(raw)
    (raw / "a/joints.npz").unlink()
    with pytest.raises(InputError, match="no recording of split train has joints"):
        layout.find(raw)


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda joints: 1000 * joints, "it measures .* m from joint to joint"),
        (lambda joints: joints * [1, -1, -1], "it lies -.* m in front of the camera"),
        (lambda joints: joints - joints[:, :1], "it lies -.* m in front of the camera"),
    ],
    ids=["millimetres", "axes of OpenGL", "from the wrist"],
)
def test_joints_in_another_unit_or_space_are_refused(tmp_path, change, what):
    raw = own_folders.write(tmp_path / "raw")
    np.savez(raw / "b/joints.npz", joints=change(own_folders.joints(6)))
    with pytest.raises(
        InputError, match=rf"b/joints\.npz: right hand, 6 of 6 frames: {what}.*axes"
    ):
        prepare(raw, tmp_path / "out")


def test_hands_that_no_camera_sees_count_as_none(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    np.savez(raw / "a/joints.npz", joints=np.zeros((6, 21, 3)))  # what trackers write of lost hands
    with pytest.raises(InputError, match="train has joints of the right hand"):
        layout.find(raw)
