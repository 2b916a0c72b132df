"""What is asked of joints that can be: whether they are right."""

import dataclasses

import cv2
import numpy as np
import pytest

from data_prep import poses
from data_prep.plausibility import classes, records
from data_prep.raw import Note
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.support.errors import InputError

FRAMES = 60
INTRINSICS = camera.scale_intrinsics(H2O.intrinsics, H2O.native_size, (480, 270)).astype("f")
ROOM = np.random.default_rng(0).integers(0, 256, (17, 30, 3), np.uint8)
STICKER = np.random.default_rng(1).integers(0, 256, (15, 15, 3), np.uint8)


def hand(side: str, bend: float = 0.5) -> np.ndarray:
    """(21, 3), metres: one's own hand, held up with its back to the eyes, its fingers bent."""
    joints = [np.zeros(3)]
    for x, y in ((-0.04, -0.03), (-0.025, -0.09), (-0.005, -0.09), (0.015, -0.085), (0.035, -0.08)):
        place = np.array([x, y, 0])
        joints.append(place)
        for bone, length in enumerate((0.04, 0.03, 0.02)):
            angle = bend * bone
            place = place + length * np.array([0, -np.cos(angle), np.sin(angle)])
            joints.append(place)
    return np.array(joints) * [1 if side == "right" else -1, 1, 1]


def video(left: str = "left", right: str = "right") -> Video:
    """Two hands half a metre ahead that wander over a still room, and a sticker on each."""
    noise = np.random.default_rng(2).normal(0, 0.03, (FRAMES, 2, 1, 3)) * [1, 1, 0]
    wander = (noise + np.roll(noise, 1, axis=0) + np.roll(noise, 2, axis=0)) / 3
    centres = wander + np.array([[[-0.15, 0.05, 0.5]], [[0.15, 0.05, 0.5]]])
    joints = (centres + np.stack([hand(left), hand(right)])).reshape(FRAMES, 42, 3).astype("f")
    frames = []
    for pose in joints:
        image = cv2.resize(ROOM, (480, 270))
        for of_hand in np.split(camera.project(pose, INTRINSICS)[0], 2):
            x, y = np.rint(of_hand.mean(axis=0)).astype(int)
            image[y - 45 : y + 45, x - 45 : x + 45] = cv2.resize(STICKER, (90, 90))
        frames.append(cv2.imencode(".jpg", image)[1].tobytes())
    return Video(
        video_id="v",
        segment_id=-1,
        subject="s",
        action=0,
        object=0,
        frames=frames,
        frame_numbers=np.arange(100, 100 + FRAMES),
        joints_3d=joints,
        hand_annotated=np.ones((FRAMES, 2), bool),
        intrinsics=INTRINSICS,
    )


GOOD = video()


def of_good(**changes) -> Video:
    return dataclasses.replace(GOOD, **changes)


def scaled(factor: float) -> Video:
    """The left hand of another size, in its place."""
    joints = GOOD.joints_3d.copy()
    joints[:, :21] = joints[:, :1] + factor * (joints[:, :21] - joints[:, :1])
    return of_good(joints_3d=joints)


def doubts(given: Video) -> list[tuple[str, str]]:
    found = records.doubts(given, H2O, "hand_pose")
    assert all(note.path == "hand_pose" for note in found)
    return [(note.kind, note.what) for note in found]


def test_two_good_hands_raise_no_doubt():
    assert doubts(GOOD) == []


@pytest.mark.parametrize(("factor", "length"), [(0.4, 0.0721), (1.8, 0.324)])
def test_a_hand_of_an_unlikely_length_is_told_once_a_record(factor, length):
    [said] = [what for kind, what in doubts(scaled(factor)) if kind == "hand length"]
    assert said == (
        f"left hand, 60 of 60 frames, first 100: {length} m from the wrist along the middle "
        "finger, expected 0.1 to 0.3; kept"
    )


def test_hands_in_another_unit_stop_with_the_unit():
    with pytest.raises(InputError, match=r"0.018 m .* \(10 times too short, as are centimetres"):
        doubts(scaled(0.1))
    with pytest.raises(InputError, match=r"\(1000 times too long, as are millimetres taken for m"):
        poses.checked(scaled(1000), H2O, "hand_pose")
    with pytest.raises(InputError, match=r"\(1000 times too short, as are metres taken for mill"):
        poses.checked(scaled(0.001), H2O, "hand_pose")


def test_a_hand_that_is_known_in_images_alone_has_no_length_and_no_side():
    known = np.ones((FRAMES, 42, 2), bool)
    known[:, :21, 1] = False
    given = dataclasses.replace(
        scaled(0.1), joints_known=known, hand_annotated=known[:, ::21, 1].copy()
    )
    assert not {kind for kind, _ in doubts(given)} & {"hand length", "other hand"}


def test_exchanged_hands_are_told_and_one_alone_by_its_name():
    exchanged = doubts(video(left="right", right="left"))
    assert [(kind, what[:40]) for kind, what in exchanged] == [
        ("other hand", "left hand, 60 of 60 frames, first 100: i"),
        ("other hand", "right hand, 60 of 60 frames, first 100: "),
    ]
    [(kind, what)] = doubts(video(left="right"))
    assert (kind, what[:9]) == ("other hand", "left hand")


def test_straight_fingers_tell_no_side():
    joints = GOOD.joints_3d.copy()
    joints[:, 21:] = hand("left", bend=0.05).astype("f") + joints[:, 21:22]
    assert doubts(of_good(joints_3d=joints)) == []


def test_a_camera_of_another_size_is_refused_or_told():
    wrong = INTRINSICS * np.array([4, 4, 1], np.float32)[:, None]
    with pytest.raises(InputError, match=r"hands lie far outside .* in \d+ of 60 frames, first 1"):
        doubts(of_good(joints_3d=GOOD.joints_3d + np.float32([0.2, 0.2, 0]), intrinsics=wrong))
    small = INTRINSICS * np.array([0.25, 0.25, 1], np.float32)[:, None]
    assert [kind for kind, _ in doubts(of_good(intrinsics=small))] == ["off centre"]


@pytest.mark.parametrize("late", [-5, -3, 3, 5])
def test_joints_that_slide_against_frames_are_told_with_the_offset(late):
    frames = slice(max(0, late), FRAMES + min(0, late))
    joints = slice(max(0, -late), FRAMES - max(0, late))
    given = of_good(
        frames=GOOD.frames[frames],
        frame_numbers=GOOD.frame_numbers[: FRAMES - abs(late)],
        joints_3d=GOOD.joints_3d[joints],
        hand_annotated=GOOD.hand_annotated[joints],
    )
    [(kind, what)] = doubts(given)
    when = "after" if late > 0 else "before"
    assert kind == "out of step"
    assert what.startswith(f"joints move about {abs(late)} frames {when} the images (correlation ")


def test_records_of_one_file_of_poses_are_told_in_one_line_a_kind():
    notes = [Note("outside", "a", f"{i}") for i in (1, 1, 2, 3)]
    notes += [Note("missing", "a", "4"), Note("missing", "a", "5"), Note("outside", "b", "6")]
    assert [tuple(note) for note in records.together(notes)] == [
        ("outside", "a", "1 (2 more such lines of its records)"),
        ("missing", "a", "4"),
        ("missing", "a", "5"),
        ("outside", "b", "6"),
    ]


def test_classes_of_one_video_are_told_in_one_line():
    def videos(*actions):
        return [of_good(action=action) for action in actions]

    splits = {"train": videos(0, 0, 1), "test": videos(1, 2, 3, -1)}
    assert classes.notes(splits, FPHA.action_names) == [
        Note("one video", "pour_juice_bottle, open_peanut_butter",
             "2 actions cannot be both learned and evaluated")
    ]  # fmt: skip
    assert classes.notes({"train": videos(0, 0)}, FPHA.action_names) == []
