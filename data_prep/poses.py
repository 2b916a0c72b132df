"""Hand poses that cannot be: tracking that was lost, other units, places no camera sees.

What cannot be is not learned from: such a hand stays in its frame, marked as not annotated. Where
most frames of a video have hands of an impossible size or distance, its file is bad.
"""

import dataclasses
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_prep.folders import frames_text
from data_prep.plausibility.lengths import unit_of
from data_prep.raw import Note
from htt_jax.data.records import Video
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError

SIZES = (0.02, 0.4)
"""Metres between the two joints of a hand that are farthest apart.

The fist of a child of a year measures 4 cm from wrist to knuckles, the longest hand that was ever
measured 32 cm from wrist to fingertip. The rest is left to noise and to other joints.
"""

DEPTHS = (0.01, 10.0)
"""Metres in front of the camera.

Nearer than a finger is thick, or behind the camera, a joint has no pixel that could be learned.
Farther away a hand has a few pixels in all.
"""

_ONE_PLACE = (
    1e-5  # metres, rounding alone: a hand in metres that is taken for millimetres is larger
)


class Fault(NamedTuple):
    """What is wrong with one hand in some frames of a video."""

    hand: str
    kind: str  # 'lost' tracking, 'impossible' pose
    what: str
    frames: Bool[np.ndarray, " frames"]
    is_of_unit: bool = False  # whether it is what another unit looks like

    def text(self, video: Video) -> str:
        """Hand, frames and what is wrong."""
        numbers = video.frame_numbers[self.frames].tolist()
        return f"{self.hand} hand, {frames_text(numbers)}: {self.what}"


def faults(video: Video, spec: DatasetSpec) -> list[Fault]:
    """What is wrong with the annotated hands of `video`; one thing for each hand and frame."""
    found = []
    for i, hand in enumerate(spec.hands):
        of_hand = spec.joints_of(hand)
        left, known = video.hand_annotated[:, i].copy(), None
        if video.joints_known is not None:
            known = video.joints_known[:, of_hand, 1]
            left = np.asarray(known.any(axis=1))
        joints = video.joints_3d[:, of_hand]
        for check in _checks(joints, known, is_rigid=bool(spec.skeleton.bones)):
            frames = check.wrong & left
            if frames.any():
                what = check.what.format(_range(check.values[frames]))
                found.append(Fault(hand, check.kind, what, frames, check.is_of_unit))
            left &= ~frames
    return found


def checked(video: Video, spec: DatasetSpec, source: str) -> tuple[Video, list[Note]]:
    """`video` with its impossible hands marked as not annotated, and a note on each.

    Args:
        video: as it was read; stays as it is.
        spec: its dataset.
        source: the file or folder its poses come from.

    Raises:
        InputError: most frames have a hand of an impossible size or distance.
    """
    # Hands that are not annotated may be NaN, which no frame of a batch should bring along.
    joints = np.where(np.isfinite(video.joints_3d), video.joints_3d, np.float32(0))
    annotated, known_joints = video.hand_annotated.copy(), video.joints_known
    if known_joints is not None:
        known_joints = known_joints.copy()
    notes = []
    for fault in faults(video, spec):
        column, of_hand = spec.hands.index(fault.hand), spec.joints_of(fault.hand)
        wrong, known = fault.frames.sum(), _annotated_frames(video, column, of_hand)
        if fault.is_of_unit and 2 * wrong > known:
            raise InputError(
                f"{source}: {fault.hand} hand, {wrong} of {known} frames: {fault.what}"
                f"{unit_of(video, spec, fault.hand, fault.frames)}; are its "
                "numbers in another unit? Put them right, or leave its video out with --skip-bad"
            )
        annotated[fault.frames, column] = False
        if known_joints is not None:
            known_joints[fault.frames, of_hand] = False
        what = f"{fault.text(video)}; kept, the hand marked as not annotated"
        notes.append(Note(fault.kind, source, what))
    marked = dataclasses.replace(
        video, joints_3d=joints, hand_annotated=annotated, joints_known=known_joints
    )
    return marked, notes


def _annotated_frames(video: Video, hand: int, joints: slice) -> int:
    """In how many frames something in space is known of a hand, whose joints lie at `joints`."""
    if video.joints_known is None:
        return int(video.hand_annotated[:, hand].sum())
    return int(video.joints_known[:, joints, 1].any(axis=1).sum())


def possible(
    joints: Float[np.ndarray, "frames joints 3"],
    known: Bool[np.ndarray, "frames joints"] | None = None,
    *,
    is_rigid: bool,
) -> tuple[Bool[np.ndarray, " frames"], Bool[np.ndarray, " frames"], str]:
    """Which hands can be, which were tracked and cannot be, and what is wrong with most of these.

    Args:
        joints: metres, camera space, of one hand where it is annotated.
        known: joints that count; None: all.
        is_rigid: whether the skeleton has bones, so that a hand has a least size.
    """
    checks = _checks(joints, known, is_rigid=is_rigid)
    by_kind = {
        kind: np.any([check.wrong for check in checks if check.kind == kind], axis=0)
        for kind in ("lost", "impossible")
    }
    impossible = by_kind["impossible"] & ~by_kind["lost"]
    worst = max(checks, key=lambda check: np.sum(check.wrong & impossible))
    values = worst.values[worst.wrong & impossible]
    what = worst.what.format(_range(values)) if len(values) else ""
    return ~impossible & ~by_kind["lost"], impossible, what


class _Check(NamedTuple):
    """One way in which a hand can be wrong; `what` takes the range of the `values` that are."""

    kind: str
    what: str
    values: Float[np.ndarray, " frames"]
    wrong: Bool[np.ndarray, " frames"]
    is_of_unit: bool = False


def _checks(
    joints: Float[np.ndarray, "frames joints 3"],
    known: Bool[np.ndarray, "frames joints"] | None,
    *,
    is_rigid: bool,
) -> list[_Check]:
    """All checks of a hand in every frame, annotated or not; the first that is wrong counts.

    Of joints that are `known`, None for all. `is_rigid`: whether some keep their distance, so that
    there is a least size, of whole hands.
    """
    if known is None:
        known = np.ones(joints.shape[:2], bool)
    finite = (np.isfinite(joints).all(axis=2) | ~known).all(axis=1)
    joints = np.where(finite[:, None, None] & known[..., None], joints, 0).astype(np.float64)
    apart = joints[:, :, None] - joints[:, None]
    squares = np.einsum("fijc,fijc->fij", apart, apart)
    size = np.sqrt(np.where(known[:, :, None] & known[:, None], squares, 0).max(axis=(1, 2)))
    near = np.where(known, joints[..., 2], np.inf).min(axis=1)
    far = np.where(known, joints[..., 2], -np.inf).max(axis=1)
    in_one_place = (size <= _ONE_PLACE) & (known.sum(axis=1) > 1)
    too_small = (size < SIZES[0] * is_rigid) & known.all(axis=1)
    wrong_size = too_small | (size > SIZES[1])
    measures = f"it measures {{}} m from joint to joint (expected {SIZES[0]} to {SIZES[1]})"
    lies = f"it lies {{}} m in front of the camera (expected {DEPTHS[0]} to {DEPTHS[1]:g})"
    return [
        _Check("lost", "a joint is not finite", size, ~finite),
        _Check("lost", "all joints are in one place", size, in_one_place),
        _Check("impossible", measures, size, wrong_size, is_of_unit=True),
        _Check("impossible", lies, far, far > DEPTHS[1], is_of_unit=True),
        _Check("impossible", lies, near, near < DEPTHS[0]),
    ]


def _range(values: Float[np.ndarray, " frames"]) -> str:
    """'0.5', '0.5 to 0.7'."""
    return " to ".join(dict.fromkeys(f"{value:.3g}" for value in (values.min(), values.max())))
