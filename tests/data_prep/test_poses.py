import dataclasses

import numpy as np
import pytest

from data_prep import poses
from htt_jax.data.records import Video
from htt_jax.datasets.skeleton import HAND, Skeleton, hand_of
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.support.errors import InputError

FRAMES = 6


def hand(size: float, skeleton: Skeleton = HAND) -> np.ndarray:
    """Joints on a line of length `size`, half a metre ahead."""
    along = np.linspace(0, size, len(skeleton.joints))
    return np.stack([along - 0.1, 0 * along, 0 * along + 0.5], axis=-1).astype(np.float32)


def video(spec=FPHA, size: float = 0.18) -> Video:
    pose = np.concatenate([hand(size, spec.skeleton)] * len(spec.hands))
    return Video(
        video_id="v",
        segment_id=-1,
        subject="s",
        action=0,
        object=0,
        frames=[b""] * FRAMES,
        frame_numbers=np.arange(10, 10 + FRAMES),
        joints_3d=np.repeat(pose[None], FRAMES, axis=0),
        hand_annotated=np.ones((FRAMES, len(spec.hands)), bool),
        intrinsics=np.eye(3, dtype=np.float32),
    )


@pytest.mark.parametrize("size", [0.04, 0.1, 0.22, 0.33])  # an infant's fist to the longest hand
def test_hands_of_all_people_pass(size):
    found, notes = poses.checked(video(size=size), FPHA, "skeleton.txt")
    assert found.hand_annotated.all()
    assert notes == []


def test_lost_tracking_is_marked_and_named_by_file_hand_and_frames():
    given = video(H2O)
    given.joints_3d[1:4, 21:] = 0.0
    given.joints_3d[5, 21:] = given.joints_3d[5, 30]
    given.joints_3d[2, 3, 1] = np.nan
    found, notes = poses.checked(given, H2O, "hand_pose")
    assert found.hand_annotated[:, 0].tolist() == [True, True, False, True, True, True]
    assert found.hand_annotated[:, 1].tolist() == [True, False, False, False, True, False]
    assert np.isfinite(found.joints_3d).all()
    assert [tuple(note) for note in notes] == [
        ("lost", "hand_pose", "left hand, frame 12: a joint is not finite; kept, the hand marked "
         "as not annotated"),
        ("lost", "hand_pose", "right hand, frames 11-13, 15: all joints are in one place; kept, "
         "the hand marked as not annotated"),
    ]  # fmt: skip
    assert given.hand_annotated.all()  # what was read stays


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda pose: 1000 * pose, "it measures 180 m from joint to joint (expected 0.02 to 0.4)"),
        (lambda pose: pose / 1000, "it measures 0.00018 m from joint to joint"),
        (lambda pose: pose * [1, 1, 1000], "lies 500 m in front of the camera (expected 0.01 to"),
        (lambda pose: pose - [0, 0, 0.6], "lies -0.1 m in front of the camera"),
        (lambda pose: pose * [1, 1, 0.001], "lies 0.0005 m in front of the camera"),
        (lambda pose: pose + np.eye(21, 3) * 2, "it measures 2.83 m from joint to joint"),
    ],
)  # fmt: skip
def test_an_impossible_pose_is_marked_in_its_frame_alone(change, what):
    given = video()
    given.joints_3d[3] = change(given.joints_3d[3])
    found, [note] = poses.checked(given, FPHA, "skeleton.txt")
    assert found.hand_annotated[:, 0].tolist() == [True, True, True, False, True, True]
    assert note.kind == "impossible"
    assert note.what.startswith("right hand, frame 13: it ")
    assert what in note.what


@pytest.mark.parametrize("factor", [1000, 100, 10, 0.1, 0.01, 0.001])
def test_another_unit_is_the_files_fault(factor):
    given = video()
    given.joints_3d[1:] *= factor
    with pytest.raises(InputError, match=r"^skeleton.txt: right hand, 5 of 6 frames: .*unit\?"):
        poses.checked(given, FPHA, "skeleton.txt")


def test_a_video_whose_hand_was_mostly_lost_or_out_of_sight_stays():
    given = video()
    given.joints_3d[:3] = 0.0
    given.joints_3d[3:5, :, 2] = -0.2
    found, notes = poses.checked(given, FPHA, "skeleton.txt")
    assert found.hand_annotated[:, 0].tolist() == [False] * 5 + [True]
    assert [note.kind for note in notes] == ["lost", "impossible"]


def test_hands_that_are_not_annotated_are_not_judged():
    given = video()
    given.hand_annotated[:] = False
    given.joints_3d[:2] = np.nan
    given.joints_3d[2] = 0.0
    found, notes = poses.checked(given, FPHA, "skeleton.txt")
    assert notes == []
    assert not found.joints_3d[:3].any()  # NaN would spoil whatever it is multiplied with


def test_other_skeletons_are_measured_too():
    two_tips = Skeleton(("thumb_tip", "index_tip"), bones=(), fingers={})
    pinching = dataclasses.replace(FPHA, skeleton=two_tips)
    assert poses.faults(video(pinching, size=0.012), pinching) == []
    many = dataclasses.replace(H2O, hands=("a", "b", "c"), skeleton=hand_of(("x", "y"), 6))
    assert poses.faults(video(many), many) == []
    given = video(many)
    given.joints_3d[0, 13:26] *= 1000
    [fault] = poses.faults(given, many)
    assert fault.hand == "b"
    one = dataclasses.replace(FPHA, skeleton=Skeleton(("wrist",), bones=(), fingers={}))
    assert poses.faults(video(one), one) == []
