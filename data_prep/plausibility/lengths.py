"""How long hands are, and of which unit a wrong length tells."""

import numpy as np
from jaxtyping import Bool, Float

from data_prep.plausibility import known
from data_prep.raw import Note
from htt_jax.data.records import Video
from htt_jax.datasets.skeleton import Skeleton
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError

EXPECTED = (0.1, 0.3)
"""Metres from the wrist along the middle finger to its tip, of people of a few years and more."""

POSSIBLE = (0.02, 1.0)
"""Metres; what lies outside in most frames is a grown hand in another unit, or none."""

_UNITS = {
    1000: ("millimetres taken for metres", "metres taken for millimetres"),
    100: ("centimetres taken for metres", "metres taken for centimetres"),
    10: ("millimetres taken for centimetres", "centimetres taken for millimetres"),
}
"""By factor, why a hand is larger by it, and why smaller."""


def is_of_a_hand(skeleton: Skeleton) -> bool:
    """Whether a skeleton has a wrist and five fingers with three joints or more."""
    fingers = skeleton.fingers.values()
    is_whole = len(fingers) == 5 and all(len(finger) >= 3 for finger in fingers)
    return is_whole and not any(skeleton.root in finger for finger in fingers)


def lengths(
    joints: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton
) -> Float[np.ndarray, " frames"]:
    """Metres from the wrist along the bones of the middle finger, however it is bent."""
    bones = np.diff(joints[:, _chain(skeleton)].astype(np.float64), axis=1)
    return np.asarray(np.linalg.norm(bones, axis=2).sum(axis=1))


def unit_text(joints: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton) -> str:
    """' (1000 times ...)', the unit in which joints would be a hand's; '' if there is none.

    Joints that are not known are NaN.
    """
    if not is_of_a_hand(skeleton):
        return ""
    values = lengths(joints, skeleton)
    if not np.isfinite(values).any():
        return ""
    length = float(np.nanmedian(values))
    for factor, (larger, smaller) in _UNITS.items():
        for expected, size, reason in (
            (length / factor, "long", larger),
            (length * factor, "short", smaller),
        ):
            if EXPECTED[0] <= expected <= EXPECTED[1]:
                return f" ({factor} times too {size}, as are {reason})"
    return ""


def unit_of(video: Video, spec: DatasetSpec, hand: str, frames: Bool[np.ndarray, " frames"]) -> str:
    """As `unit_text`, of a hand in some frames of a record."""
    there = known.in_space(video, spec)[frames, spec.hands.index(hand)]
    joints = video.joints_3d[frames, spec.joints_of(hand)]
    return unit_text(np.where(there[..., None], joints, np.nan), spec.skeleton)


def notes(video: Video, spec: DatasetSpec, source: str) -> list[Note]:
    """Notes on hands of an unlikely length.

    Raises:
        InputError: most of one hand's are such as no hand has.
    """
    if not is_of_a_hand(spec.skeleton):
        return []
    found = []
    joints_of_chain = known.in_space(video, spec)[:, :, _chain(spec.skeleton)]
    chains = np.asarray(joints_of_chain.all(axis=2))
    for i, hand in enumerate(spec.hands):
        rows = np.flatnonzero(chains[:, i])
        joints = video.joints_3d[rows, spec.joints_of(hand)]
        values = lengths(joints, spec.skeleton)
        impossible, unlikely = _outside(values, POSSIBLE), _outside(values, EXPECTED)
        if 2 * impossible.sum() > len(rows):
            raise InputError(
                f"{source}: {_text(video, hand, rows, values, impossible)}"
                f"{unit_text(joints[impossible], spec.skeleton)}, expected {EXPECTED[0]:g} to "
                f"{EXPECTED[1]:g}; put the unit right, or leave its video out with --skip-bad"
            )
        if unlikely.any():
            what = _text(video, hand, rows, values, unlikely)
            unit = unit_text(joints[unlikely], spec.skeleton)
            expected = f"{EXPECTED[0]:g} to {EXPECTED[1]:g}"
            found.append(Note("hand length", source, f"{what}{unit}, expected {expected}; kept"))
    return found


def _chain(skeleton: Skeleton) -> list[int]:
    return [skeleton.root, *tuple(skeleton.fingers.values())[2]]


def _outside(
    values: Float[np.ndarray, " frames"], limits: tuple[float, float]
) -> Bool[np.ndarray, " frames"]:
    return (values < limits[0]) | (values > limits[1])


def _text(
    video: Video,
    hand: str,
    rows: np.ndarray,
    values: Float[np.ndarray, " known"],
    wrong: Bool[np.ndarray, " known"],
) -> str:
    first = int(np.flatnonzero(wrong)[0])
    return (
        f"{hand} hand, {wrong.sum()} of {len(rows)} frames, first "
        f"{video.frame_numbers[rows[first]]}: {values[first]:.3g} m from the wrist along the "
        "middle finger"
    )
