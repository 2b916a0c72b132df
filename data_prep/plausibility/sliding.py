"""Whether joints run before or after the frames they are given for.

What moves in the images where joints are is followed from frame to frame and held against the
joints' own motion, shifted by some frames.
"""

from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np
from jaxtyping import Bool, Float

from data_prep.plausibility import known
from data_prep.raw import Note
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import STORED_SIZE, DatasetSpec

LARGEST = 8
"""Frames that motions are shifted by, each way."""

FEWEST = 24
"""Motions that are compared at every shift, below which nothing is said."""

CLEAR = 0.75
"""The least correlation at the best shift."""

BETTER = 0.15
"""By how much the best shift must be better than none."""

SMALLEST = 2
"""Frames by which joints are off, below which nothing is said: neighbours are hard to tell."""

LONGEST = 64
"""Frames of a record that are looked at: those in which joints move most."""

_REDUCED = 4  # by which images are made smaller, to be read and followed faster
_FEWEST_JOINTS = 6  # of a hand that are followed


class Offset(NamedTuple):
    """How motions in images and those of joints fit.

    Attributes:
        frames: by which joints come late; negative: early.
        correlation: of the motions, shifted so.
        unshifted: the correlation without a shift.
    """

    frames: int
    correlation: float
    unshifted: float

    @property
    def is_clear(self) -> bool:
        """Whether joints are off, surely."""
        better = self.correlation - self.unshifted
        return abs(self.frames) >= SMALLEST and self.correlation >= CLEAR and better >= BETTER


def offset(video: Video, spec: DatasetSpec) -> Offset | None:
    """By how many frames joints are late; None where too little moves to tell."""
    places = camera.project_ahead(
        video.joints_3d.astype(np.float64), video.intrinsics.astype(np.float64)
    )
    there = known.in_images(video, spec).reshape(places.shape[:2])
    there &= ((places >= 0) & (places < STORED_SIZE)).all(axis=2)
    by_hand = (len(places), len(spec.hands), len(spec.skeleton.joints))
    places, there = places.reshape(*by_hand, 2), there.reshape(by_hand)
    of_joints = _of_joints(places, there)
    of_joints[np.diff(video.frame_numbers) != 1] = np.nan
    part = _liveliest(of_joints)
    of_joints = of_joints[part]
    if np.isfinite(of_joints[..., 0]).any(axis=1).sum() < FEWEST + LARGEST:
        return None
    frames = slice(part.start, part.stop + 1)
    seen = _in_images(video.frames[frames], places[frames], there[frames])
    seen[np.diff(video.frame_numbers[frames]) != 1] = np.nan
    by_shift = {n: _correlation(seen, of_joints, n) for n in range(-LARGEST, LARGEST + 1)}
    best = max(by_shift, key=lambda n: (by_shift[n], -abs(n)))
    return Offset(best, by_shift[best], by_shift[0]) if by_shift[best] > 0 else None


def notes(video: Video, spec: DatasetSpec, source: str) -> list[Note]:
    """A note where joints are off against the frames, surely."""
    found = offset(video, spec)
    if found is None or not found.is_clear:
        return []
    when = "after" if found.frames > 0 else "before"
    what = (
        f"joints move about {abs(found.frames)} frames {when} the images (correlation "
        f"{found.correlation:.2f}, as they are {found.unshifted:.2f}; {len(video.frames)} frames, "
        f"first {video.frame_numbers[0]}); do they begin with the same frame, at the same rate?"
    )
    return [Note("out of step", source, what)]


def _of_joints(
    places: Float[np.ndarray, "frames hands joints 2"],
    there: Bool[np.ndarray, "frames hands joints"],
) -> Float[np.ndarray, "steps hands 2"]:
    """Mean motion of each hand's joints from frame to frame; NaN where it is not known."""
    both = there[1:] & there[:-1]
    motions = np.where(both[..., None], np.diff(places, axis=0), 0).sum(axis=2)
    count = both.sum(axis=2)[..., None]
    return np.where(count >= _FEWEST_JOINTS, motions / np.maximum(count, 1), np.nan)


def _liveliest(motions: Float[np.ndarray, "steps hands 2"]) -> slice:
    """Where the `LONGEST` steps lie in which joints move most."""
    squares = np.nan_to_num(motions**2).sum(axis=(1, 2))
    if len(squares) <= LONGEST:
        return slice(0, len(squares))
    start = int(np.convolve(squares, np.ones(LONGEST), "valid").argmax())
    return slice(start, start + LONGEST)


def _in_images(
    frames: Sequence[bytes],
    places: Float[np.ndarray, "frames hands joints 2"],
    there: Bool[np.ndarray, "frames hands joints"],
) -> Float[np.ndarray, "steps hands 2"]:
    """Mean motion of what is seen where joints are, in pixels; NaN where it cannot be followed."""
    found = np.full((len(frames) - 1, places.shape[1], 2), np.nan)
    after = _small(frames[0])
    for step in range(len(frames) - 1):
        before, after = after, _small(frames[step + 1])
        hands, joints = np.nonzero(there[step])
        if not len(hands):
            continue
        starts = (places[step, hands, joints] / _REDUCED).astype(np.float32)
        ends, followed, _ = cv2.calcOpticalFlowPyrLK(
            before, after, starts[:, None], starts[:, None].copy(), winSize=(9, 9), maxLevel=2
        )
        for hand in range(places.shape[1]):
            mine = (hands == hand) & (followed[:, 0] == 1)
            if mine.sum() >= _FEWEST_JOINTS:
                motions = ends[mine, 0] - starts[mine]
                found[step, hand] = _REDUCED * np.median(motions, axis=0)
    return found


def _small(frame: bytes) -> np.ndarray:
    """Grey, a quarter as wide and high."""
    grey = cv2.imdecode(np.frombuffer(frame, np.uint8), cv2.IMREAD_REDUCED_GRAYSCALE_4)
    return np.asarray(grey)


def _correlation(
    seen: Float[np.ndarray, "steps hands 2"],
    of_joints: Float[np.ndarray, "steps hands 2"],
    late: int,
) -> float:
    """Of motions in images with those of joints that come `late` frames after; 0: too few."""
    steps = len(seen)
    a = seen[max(0, -late) : steps - max(0, late)]
    b = of_joints[max(0, late) : steps - max(0, -late)]
    both = np.isfinite(a[..., 0]) & np.isfinite(b[..., 0])
    if both.any(axis=1).sum() < FEWEST:
        return 0.0
    a, b = (x[both] - x[both].mean(axis=0) for x in (a, b))
    return float((a * b).sum() / np.sqrt(max((a * a).sum() * (b * b).sum(), 1e-12)))
