"""Whether a left hand is called right, or the other way round."""

import numpy as np
from jaxtyping import Float

from data_prep.plausibility import known
from data_prep.plausibility.lengths import is_of_a_hand
from data_prep.raw import Note
from htt_jax.data.records import Video
from htt_jax.datasets.skeleton import Skeleton
from htt_jax.datasets.spec import DatasetSpec

_SIGN = {"left": -1, "right": 1}

FEWEST = 10
"""Frames with bent fingers, below which nothing is said."""

BENT = 0.15
"""Of the fingers' mean length: how far they bend to a side in frames that count."""

SURE = 0.95
"""Of these frames, in which fingers bend to the other side."""


def bending(
    joints: Float[np.ndarray, "frames joints 3"], skeleton: Skeleton
) -> Float[np.ndarray, " frames"]:
    """How far fingers bend to the side that is a right hand's palm, in their lengths.

    Fingers bend to the palm and hardly ever to the back. Of a right hand the vector product of
    wrist to index and wrist to little finger points out of the palm, of a left one out of the back.
    """
    joints = joints.astype(np.float64)
    fingers = list(skeleton.fingers.values())[1:]  # without the thumb, which bends aside
    wrist = joints[:, skeleton.root]
    index, little = (joints[:, finger[0]] - wrist for finger in (fingers[0], fingers[-1]))
    palm = np.cross(index, little)
    palm /= np.maximum(np.linalg.norm(palm, axis=1, keepdims=True), 1e-12)
    bend, length = np.zeros_like(palm), np.zeros(len(palm))
    for first, second, *_, tip in fingers:
        proximal, rest = joints[:, second] - joints[:, first], joints[:, tip] - joints[:, second]
        length += np.linalg.norm(proximal, axis=1) + np.linalg.norm(rest, axis=1)
        straight = proximal / np.maximum(np.linalg.norm(proximal, axis=1, keepdims=True), 1e-12)
        bend += rest - straight * np.einsum("fc,fc->f", rest, straight)[:, None]
    return np.asarray(np.einsum("fc,fc->f", bend, palm) / np.maximum(length, 1e-12))


def notes(video: Video, spec: DatasetSpec, source: str) -> list[Note]:
    """Notes on hands that look like the other one, where that is sure."""
    if not is_of_a_hand(spec.skeleton):
        return []
    found, whole = [], np.asarray(known.in_space(video, spec).all(axis=2))
    for i, hand in enumerate(spec.hands):
        if hand.lower() not in _SIGN:
            continue
        rows = np.flatnonzero(whole[:, i])
        sides = bending(video.joints_3d[rows, spec.joints_of(hand)], spec.skeleton)
        sides = sides * _SIGN[hand.lower()]
        counting, wrong = abs(sides) > BENT, sides < -BENT
        if wrong.sum() >= FEWEST and wrong.sum() >= SURE * counting.sum():
            first = video.frame_numbers[rows[np.flatnonzero(wrong)[0]]]
            what = (
                f"{hand} hand, {wrong.sum()} of {len(rows)} frames, first {first}: its fingers "
                f"bend to where a {hand.lower()} hand has its back; are left and right exchanged, "
                "is an axis turned round, or the order of the fingers?"
            )
            found.append(Note("other hand", source, what))
    return found
