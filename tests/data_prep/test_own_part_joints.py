"""Recordings of one's own with some joints, with their places in images alone, or with none."""

import numpy as np
import pytest

from data_prep import verify
from htt_jax import camera
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.skeleton import HAND
from htt_jax.support.errors import InputError
from tests.data_prep import own_folders
from tests.data_prep.own_folders import TOML, notes, prepare

PIXELS = 480 / 64, 270 / 48  # of a stored frame in one of the recordings'


def places(frames, seed=0):
    """(frames, 21, 2), pixels of frames of 64x48."""
    return np.random.default_rng(seed).uniform(4, 44, (frames, 21, 2)).round(2)


def test_joints_that_are_missing_are_marked_one_by_one(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    joints = own_folders.joints(6)
    joints[1, [0, 7]] = np.nan
    joints[2] = np.nan
    np.savez(raw / "a/joints.npz", joints=joints)
    made = prepare(raw, tmp_path / "out")
    video = made["train"][0]
    assert video.joints_known.shape == (4, 21, 2)
    assert (video.joints_known[..., 0] == video.joints_known[..., 1]).all()
    assert np.argwhere(~video.joints_known[[0, 1, 3], :, 0]).tolist() == [[1, 0], [1, 7]]
    assert not video.joints_known[2].any()
    assert video.hand_annotated[:, 0].tolist() == [True, False, False, True]
    known = video.joints_known[..., 0]
    np.testing.assert_allclose(video.joints_3d[known], joints[:4][known], rtol=1e-6)
    assert (video.joints_3d[~known] == 0).all()
    assert made["test"][0].joints_known.all()
    assert made["train"].spec.joints == datasets.PARTIAL
    assert notes(tmp_path / "out", "not annotated") == [
        f"{raw}/a/joints.npz: no right hand in 1 of 4 frames of a/0000-0003",
        f"{raw}/a/joints.npz: 2 of 63 joints of the right hand, in 3 of 4 frames of a/0000-0003",
    ]
    assert not verify.verify(tmp_path / "out", workers=1).problems


def test_complete_joints_have_no_flags(tmp_path):
    made = prepare(own_folders.write(tmp_path / "raw"), tmp_path / "out")
    assert made["train"].spec.joints == datasets.COMPLETE
    assert made["train"][0].joints_known is None
    assert '"joints"' not in (tmp_path / "out/spec.json").read_text().replace('"joints": [', "")


@pytest.mark.parametrize("kind", ["npz", "csv"])
def test_places_in_images_are_seen_by_the_camera_where_they_are(tmp_path, kind):
    raw = own_folders.write(tmp_path / "raw", toml=TOML.replace("[camera]\nhfov = 70\n", ""))
    pixels = [places(6, 0), places(6, 1)]
    pixels[1][3, 5] = np.nan
    for name, of in zip("ab", pixels, strict=True):
        (raw / name / "joints.npz").unlink()
        if kind == "npz":
            np.savez(raw / name / "joints.npz", joints=of)
            continue
        header = ["frame", "hand", *(f"{joint}_{c}" for joint in HAND.joints for c in "xy")]
        rows = [
            [i, "right", *("" if np.isnan(x) else x for x in p.ravel())] for i, p in enumerate(of)
        ]
        text = "\n".join(",".join(map(str, row)) for row in [header, *rows])
        (raw / name / "joints.csv").write_text(text)
    made = prepare(raw, tmp_path / "out")
    video = made["test"][0]
    assert not video.hand_annotated.any()
    assert not video.joints_known[..., 1].any()
    assert np.argwhere(~video.joints_known[..., 0]).tolist() == [[1, 5]]
    known = video.joints_known[..., 0]
    assert (video.joints_3d[known][:, 2] == 1).all()
    seen, _ = camera.project(video.joints_3d[known], video.intrinsics)
    np.testing.assert_allclose(seen, pixels[1][2:5][known] * PIXELS, atol=1e-3)
    assert made["train"].spec.joints == datasets.IN_IMAGES
    assert notes(tmp_path / "out", "in images") == [
        "dataset.toml: joints are known in images alone: their depth is not learned"
    ]
    assert not verify.verify(tmp_path / "out", workers=1).problems


def test_without_any_joints_the_action_is_prepared_alone(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    for name in "ab":
        (raw / name / "joints.npz").unlink()
    made = prepare(raw, tmp_path / "out")
    assert made["train"].spec.joints == datasets.NO_JOINTS
    assert made["train"][0].joints_known is None
    assert not made["train"][0].hand_annotated.any()
    (note,) = notes(tmp_path / "out", "no joints")
    assert note.endswith("the action is trained alone")
    assert notes(tmp_path / "out", "not annotated") == []


def test_places_in_train_alone_and_depths_in_test_are_told(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    np.savez(raw / "a/joints.npz", joints=places(6))
    made = prepare(raw, tmp_path / "out")
    assert made["train"].spec.joints == datasets.PARTIAL
    assert not made["train"][0].joints_known[..., 1].any()
    assert made["test"][0].joints_known.all()
    assert made["test"][0].hand_annotated.all()
    (note,) = notes(tmp_path / "out", "not trained")
    assert "joints of 1 recording are in space, and none of train is" in note


def test_hands_whose_places_are_all_one_and_joints_far_outside_are_not_annotated(tmp_path):
    raw = own_folders.write(tmp_path / "raw")
    of_a = places(6)
    of_a[[1, 2]] = 20.0
    of_a[3, 7] = [-33.0, 20.0]  # half an image beside it and more
    np.savez(raw / "a/joints.npz", joints=of_a)
    np.savez(raw / "b/joints.npz", joints=places(6))
    made = prepare(raw, tmp_path / "out")
    known = made["train"][0].joints_known[..., 0]
    assert known.sum(axis=1).tolist() == [21, 0, 0, 20]
    assert notes(tmp_path / "out", "lost") == [
        f"{raw}/a/joints.npz: 1 joint far outside the image, such as x = -33, y = 20; kept, as not "
        "annotated",
        f"{raw}/a/joints.npz: right hand, frames 1-2: all joints are in one place; kept, as not "
        "annotated",
    ]


@pytest.mark.parametrize(
    ("factor", "expected"),
    [
        (1 / 64, "all joints lie within 2 pixels of the image's corner"),
        (30, r"\d+ of 126 joints lie far outside the image, such as x = \d+"),
    ],
)
def test_places_in_another_unit_are_refused(tmp_path, factor, expected):
    raw = own_folders.write(tmp_path / "raw")
    np.savez(raw / "a/joints.npz", joints=factor * places(6))
    with pytest.raises(InputError, match=rf"a/joints\.npz: {expected}.* frames of 64x48"):
        prepare(raw, tmp_path / "out")
