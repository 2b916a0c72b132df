"""Joints labelled in images, put into space by a fit of a hand: how well, and what is refused."""

import dataclasses
import re

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from benchmarks import fit_joints
from data_prep import verify
from data_prep.own import layout
from data_prep.own.command import main
from data_prep.own.fitting import hand
from data_prep.own.fitting.depths import Labels, fitted
from data_prep.own.fitting.lengths import BONES
from htt_jax import camera
from htt_jax.datasets import spec as datasets
from htt_jax.support.errors import InputError
from tests.data_prep import own_folders
from tests.data_prep.own_folders import MATRIX, TOML, notes, prepare

FIT = "fit_joints = true\n" + TOML
SIZE = (64, 48)


@pytest.fixture(scope="module")
def acted():
    """Two hands that do something for 14 frames, and the lengths of their bones."""
    return fit_joints.acted(seed=1, frames=14)


def labels_of(joints, known=None, noise=0.0, rate=30.0):
    """What a camera of 480x270 sees of them, with errors of so many pixels."""
    matrix = np.array([[343.0, 0, 240], [0, 343, 135], [0, 0, 1]])
    places, _ = camera.project(joints, matrix)
    places += np.random.default_rng(0).normal(0, noise, places.shape) if noise else 0
    known = np.ones(joints.shape[:3], bool) if known is None else known
    numbers = range(len(joints))
    points = places * known[..., None]
    return Labels(numbers, rate, points, known, ("left", "right"), matrix, 480)


def test_slopes_are_those_of_the_joints():
    rng = np.random.default_rng(0)
    lengths, places = rng.uniform(0.02, 0.09, (5, 4)), rng.normal(size=(2, 3))
    turns, angles = Rotation.random(2, rng=0).as_matrix(), rng.normal(0, 0.5, (2, 5, 6))

    def moved(by):
        turned = Rotation.from_rotvec(by[:3]).as_matrix() @ turns
        return hand.placed(lengths, turned, places + by[3:6], angles + by[6:].reshape(5, 6)).points

    found = hand.placed(lengths, turns, places, angles)
    steps = 1e-6 * np.eye(hand.PARAMETERS)
    expected = np.stack([(moved(step) - moved(-step)) / 2e-6 for step in steps], axis=-1)
    np.testing.assert_allclose(found.moves, expected, atol=1e-8)
    bones = np.diff(found.points[:, 1:].reshape(2, 5, 4, 3), axis=2)
    np.testing.assert_allclose(np.linalg.norm(bones, axis=-1), [lengths[:, 1:]] * 2)


def test_depths_are_near_the_truth_with_the_right_bones_and_scale_with_them(acted):
    joints, lengths = acted
    found = fitted(labels_of(joints, noise=1.5), lengths, "joints.npz")
    assert np.isfinite(found.depths).mean() > 0.98
    off = 1000 * (found.depths - joints[..., 2])
    assert np.nanmean(abs(off)) < 9
    assert np.nanmean(abs(off - off[..., :1])) < 8
    for side, note in zip(("left", "right"), found.notes, strict=True):
        assert re.fullmatch(
            rf"{side} hand, 14 of 14 frames put into space by a fit of its bones \(\d\d\.\d cm\), "
            r"1\.\d px beside its labels in the median",
            note.what,
        )


def test_frames_of_another_rate_are_as_far_from_each_other_as_they_were_taken(acted):
    joints, lengths = acted
    slow = labels_of(joints[::6], rate=5.0)
    as_numbered = dataclasses.replace(slow, numbers=range(0, 18, 6), rate=30.0)
    depths = fitted(slow, lengths, "joints.npz").depths
    np.testing.assert_allclose(depths, fitted(as_numbered, lengths, "joints.npz").depths)
    np.testing.assert_allclose(depths, joints[::6, ..., 2], atol=0.03)
    fast = dataclasses.replace(labels_of(joints), numbers=range(0, 28, 2), rate=60.0)
    ours = fitted(labels_of(joints), lengths, "joints.npz").depths
    np.testing.assert_allclose(fitted(fast, lengths, "joints.npz").depths, ours)


def test_a_single_frame_is_fitted(acted):
    joints, lengths = acted
    found = fitted(labels_of(joints[:1]), lengths, "joints.npz")
    np.testing.assert_allclose(found.depths, joints[:1, ..., 2], atol=0.03)


def test_hands_that_are_labelled_nowhere_or_as_no_hand_is_stay_in_the_image(acted):
    joints, lengths = acted
    labels = labels_of(joints[:3], np.ones((3, 2, 21), bool) & [[[False], [True]]])
    labels.points[:, 1] = np.linspace(100, 101, 21)[:, None]  # all but a place
    found = fitted(labels, lengths, "joints.npz")
    assert np.isnan(found.depths).all()
    (note,) = found.notes
    assert note.what.startswith("right hand, 0 of 3 frames put into space")


def test_frames_of_few_joints_and_bad_labels_stay_in_the_image(acted):
    joints, lengths = acted
    known = np.ones((14, 2, 21), bool)
    known[3, 1, 5:] = False
    known[:, 0, 9:] = False
    labels = labels_of(joints, known)
    labels.points[7, 1] = np.random.default_rng(0).uniform(100, 300, (21, 2))
    labels.points[9, 1, 8] += 60
    found = fitted(labels, lengths, "joints.npz")
    there = np.isfinite(found.depths)
    assert not there[[3, 7], 1].any()
    assert np.argwhere(~there[9, 1]).tolist() == [[8]]
    assert there[10:, 1].all()
    assert not there[:, 0, 9:].any()
    assert found.notes[1].what.endswith(
        "; 1 refused: more than 10 mm beside its labels, or nearer than 0.05 m or farther than 5 m"
        "; 1 with fewer than 6 joints; these stay in the image"
    )


def test_frames_where_left_and_right_are_exchanged_are_told_and_not_fitted(acted):
    joints, lengths = acted
    exchanged = np.concatenate([joints[:7, ::-1], joints[7:]])
    found = fitted(labels_of(exchanged, noise=1.0), lengths, "joints.npz")
    there = np.isfinite(found.depths).all(axis=(1, 2))
    assert there.tolist() == [False] * 12 + [True] * 2  # what lies between is taken for neither
    assert [(note.kind, note.what) for note in found.notes[::2]] == [
        (
            "other hand",
            f"{side} hand, 12 of 14 frames, first 0: its joints lie as those of the other one do; "
            "are left and right exchanged there, or is the order of the fingers another? These "
            "stay in the image",
        )
        for side in ("left", "right")
    ]
    for side, note in zip(("left", "right"), found.notes[1::2], strict=True):
        assert note.what.startswith(f"{side} hand, 2 of 14 frames put into space")
        assert note.what.endswith("; 12 as the other hand's joints lie; these stay in the image")


def test_of_hands_that_are_exchanged_all_over_nothing_is_fitted(acted):
    joints, lengths = acted
    found = fitted(labels_of(joints[:10, ::-1], noise=1.0), lengths, "joints.npz")
    assert np.isnan(found.depths).all()
    assert [note.kind for note in found.notes] == ["other hand", "not fitted"] * 2
    assert found.notes[1].what.endswith(
        "; 10 as the other hand's joints lie; these stay in the image, and its depth is not "
        "learned of them"
    )


def write(root, acted, toml=FIT):
    """Recordings of the right hand in frames of 64x48; of one in b too few joints are known."""
    raw = own_folders.write(root, toml=toml)
    places, _ = camera.project(acted[0][:6, 1], MATRIX)
    places = places.round(2)
    np.savez(raw / "a/joints.npz", joints=places)
    places[3, 2:] = np.nan
    np.savez(raw / "b/joints.npz", joints=places)
    return raw, places


def test_a_prepared_dataset_says_that_its_joints_are_fitted(tmp_path, acted):
    raw, places = write(tmp_path / "raw", acted)
    main(["--raw", str(raw), "--preview", str(tmp_path / "look")])
    text = (tmp_path / "look/preview.html").read_text()
    assert "Depths of joints that are labelled in images are fitted, not measured." in text
    made = prepare(raw, tmp_path / "out")
    spec = made["train"].spec
    assert spec.fitted_joints
    assert spec.joints == datasets.PARTIAL
    assert made["train"][0].joints_known.all()
    video = made["test"][0]  # frames 2 to 4
    assert video.joints_known[..., 0].sum(axis=1).tolist() == [21, 2, 21]
    assert video.joints_known[..., 1].sum(axis=1).tolist() == [21, 0, 21]
    assert video.hand_annotated[:, 0].tolist() == [True, False, True]
    known = video.joints_known[..., 0]
    seen, _ = camera.project(video.joints_3d[known], video.intrinsics)
    np.testing.assert_allclose(seen, places[2:5][known] * (480 / 64, 270 / 48), atol=1e-3)
    depths = video.joints_3d[video.joints_known[..., 1]][:, 2].reshape(2, 21)
    np.testing.assert_allclose(depths, acted[0][[2, 4], 1, :, 2], rtol=0.15)
    of_all, *of_each = notes(tmp_path / "out", "fitted")
    assert of_all == (
        "dataset.toml: joints of 2 recordings are labelled in images: what a fit of the default "
        "hand (18.2 cm) puts into space is fitted, not measured"
    )
    assert [note.split(", 0.")[0] for note in of_each] == [
        f"{raw}/a/joints.npz: right hand, 6 of 6 frames put into space by a fit of the default "
        "hand (18.2 cm)",
        f"{raw}/b/joints.npz: right hand, 5 of 6 frames put into space by a fit of the default "
        "hand (18.2 cm)",
    ]
    assert of_each[1].endswith("; 1 with fewer than 6 joints; these stay in the image")
    assert not verify.verify(tmp_path / "out", workers=1).problems
    (raw / "dataset.toml").write_text("fit_joints.hand_length = 0.19\n" + TOML)
    with pytest.raises(InputError, match="the files of own recordings, have changed since"):
        prepare(raw, tmp_path / "out")


def test_a_dataset_in_which_no_hand_could_be_fitted_does_not_say_that_joints_are(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=FIT)
    places = np.full((6, 1, 21, 2), np.nan)
    places[:, :, :5] = np.random.default_rng(0).uniform(5, 40, (5, 2))
    for name in ("a", "b"):
        np.savez(raw / name / "joints.npz", joints=places)
    assert layout.find(raw).spec.fitted_joints  # it is asked for
    made = prepare(raw, tmp_path / "out")
    assert not made["train"].spec.fitted_joints
    assert len(notes(tmp_path / "out", "not fitted")) == 2


def test_what_is_fitted_anew_is_all_that_is_not_the_same(acted):
    labels = labels_of(acted[0][:2])
    assert dataclasses.replace(labels, points=labels.points.copy()) == labels
    points = labels.points.copy()
    points[1, 0, 3, 0] += 0.1
    known = labels.known.copy()
    known[0, 0, 0] = False
    others = [
        dataclasses.replace(labels, **changes)
        for changes in (
            {"points": points},
            {"known": known},
            {"numbers": range(1, 3)},
            {"rate": 25.0},
            {"hands": ("right", "left")},
            {"matrix": labels.matrix + np.eye(3)},
            {"width": 640},
        )
    ]
    assert len({labels, *others}) == 1 + len(others)


def test_a_description_that_has_changed_is_heeded_within_a_process(tmp_path, acted):
    raw, _ = write(tmp_path / "raw", acted)
    for side in ("right", "left"):
        (raw / "dataset.toml").write_text(FIT.replace("right", side))
        _, found = layout.find(raw).splits["train"][0].read(lambda image: b"")
        (note,) = (note for note in found if "fitted" in note.kind)
        assert note.what.startswith(f"{side} hand, ")


def test_datasets_that_are_not_fitted_say_nothing_of_it():
    assert "fitted_joints" not in datasets.description(datasets.H2O)
    assert not datasets.described(datasets.description(datasets.H2O)).fitted_joints


ALL = "".join(f"fit_joints.{name} = 0.04\n" for name in BONES)
BAD = {
    "fit_joints = 1\n": "fit_joints is 1; expected true, or a table [fit_joints] with hand_length, "
    "or with the lengths of all bones, thumb_1 to little_4",
    "fit_joints.hand = 0.18\n": "unknown key fit_joints.hand; known are hand_length, or all of "
    f"{', '.join(BONES)}, a bone by the joint at its end",
    "fit_joints.hand_length = -0.18\n": "fit_joints.hand_length is -0.18, expected a length above "
    "0",
    "fit_joints.hand_length = '18 cm'\n": "fit_joints.hand_length is '18 cm', expected a length "
    "above 0",
    "fit_joints.hand_length = 18.5\n": "fit_joints is a hand of 18.5 m from the wrist along the "
    "middle finger to its tip, expected 0.1 to 0.3; are its lengths in another unit than `units`?",
    "units = 'mm'\nfit_joints.hand_length = 18.5\n": "fit_joints is a hand of 0.0185 m from the "
    "wrist along the middle finger to its tip, expected 0.1 to 0.3; are its lengths in another "
    "unit than `units`?",
    "fit_joints.hand_length = 0.18\nfit_joints.thumb_1 = 0.04\n": "fit_joints has both hand_length "
    "and thumb_1; give the one, or all bones",
    ALL.replace("fit_joints.ring_2 = 0.04\nfit_joints.ring_3 = 0.04\n", ""): "fit_joints has no "
    "ring_2, ring_3; give the lengths of all 20 bones, or hand_length alone",
    ALL.replace("ring_2 = 0.04", "ring_2 = 0.4"): "fit_joints.ring_2 is 0.4 m, of a hand of 0.16 m"
    "; no bone is so long",
    "fit_joints = true\njoints = ['palm', 'tip']\n": "fit_joints needs the 21 joints of a known "
    "skeleton (ours, mediapipe, coco, openpose), which `joints` are not; leave it away",
}


@pytest.mark.parametrize("toml", BAD)
def test_a_bad_hand_is_one_clear_line(tmp_path, toml):
    raw = own_folders.write(tmp_path / "raw", toml=toml + TOML, recordings=())
    with pytest.raises(InputError, match=f"^{re.escape(f'{raw}/dataset.toml: {BAD[toml]}')}$"):
        layout.find(raw)


def test_a_hand_that_is_neither_left_nor_right_is_one_clear_line(tmp_path):
    toml = FIT.replace('["right"]', '["Right", "helping"]')
    raw = own_folders.write(tmp_path / "raw", toml=toml, recordings=())
    expected = "fit_joints must know which hand is which; call 'helping' in `hands` left or right"
    with pytest.raises(InputError, match=f"^{re.escape(f'{raw}/dataset.toml: {expected}')}$"):
        layout.find(raw)


def test_a_fit_without_a_camera_is_refused(tmp_path, acted):
    raw, _ = write(tmp_path / "raw", acted, FIT.replace("[camera]\nhfov = 70\n", ""))
    expected = (
        f"{raw}/a has joints to be put into space (fit_joints) and no camera (2 recordings in "
        "all); give [camera] in dataset.toml, fx, fy, cx, cy, width, height or hfov, or camera.txt "
        "in the recording's folder"
    )
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        layout.find(raw)


def test_where_all_labelled_in_images_are_skipped_nothing_is_fitted(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=FIT)
    (raw / "b/joints.npz").write_bytes(b"no joints")
    found = layout.find(raw, skip_bad=True)
    assert not found.spec.fitted_joints
    assert [note.what for note in found.notes if note.kind == "not fitted"] == [
        "no recording that can be read is labelled in images alone: fit_joints fits nothing"
    ]


def test_a_fit_of_joints_that_are_in_space_is_refused(tmp_path):
    raw = own_folders.write(tmp_path / "raw", toml=FIT)
    expected = (
        "dataset.toml: fit_joints is for joints that are labelled in images alone, and those of "
        "all 2 recordings are in space: nothing is to be fitted; leave it away"
    )
    with pytest.raises(InputError, match=f"^{re.escape(expected)}$"):
        layout.find(raw)
