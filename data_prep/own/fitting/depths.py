"""How far joints of a recording are that are labelled in its images alone."""

import dataclasses
import functools
import hashlib
import pathlib
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from data_prep.own.fitting import hand, least_squares, starts
from data_prep.own.fitting.least_squares import Seen
from data_prep.own.fitting.lengths import HandLengths
from data_prep.own.joints import Joints, undistorted
from data_prep.raw import FITTED, Note
from htt_jax import camera
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.prediction.frames import Size
from htt_jax.prediction.input_camera import InputCamera
from htt_jax.support.words import counted

FEWEST = 6
"""Joints of a hand that are labelled in a frame, below which nothing is fitted."""
FARTHEST = 0.01
"""Metres that joints may lie beside their labels in the mean, at the hand's distance."""

_BAD = 2 * FARTHEST  # a joint that lies so far beside its label has no depth
_DEVIATION = 2.0  # pixels of a frame as wide as those that are stored
_STEPS = 12
_PART = 2000  # frames that are fitted together, so that memory is bounded
_RATE = 30.0  # frames a second, that what is known of hands' movements is of
_DEPTHS = (0.05, 5.0)  # metres: nobody's hand, before a camera on a head or a table, is elsewhere


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """What is labelled of a recording, pixels of its frames, undistorted; equal by all of it.

    Attributes:
        numbers: of the frames, in the order of the rows.
        rate: frames a second.
        points: zero where not known.
        known: which are.
        hands: 'left' or 'right', each.
        matrix: of the camera.
        width: of the frames.
    """

    numbers: Sequence[int]
    rate: float
    points: Float[np.ndarray, "frames hands 21 2"]
    known: Bool[np.ndarray, "frames hands 21"]
    hands: tuple[str, ...]
    matrix: Float[np.ndarray, "3 3"]
    width: int

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Labels) and self._stamp == other._stamp

    def __hash__(self) -> int:
        return hash(self._stamp)

    @functools.cached_property
    def _stamp(self) -> str:
        said = (self.numbers, self.rate, self.hands, self.matrix.tolist(), self.width)
        found = hashlib.sha256(repr(said).encode())
        for values in (self.points, self.known):
            found.update(values.tobytes())
        return found.hexdigest()


class Fitted(NamedTuple):
    """Depths that were found, metres, NaN where none was; and what is to be known of them."""

    depths: Float[np.ndarray, "frames hands 21"]
    notes: tuple[Note, ...]


_OTHER = (
    "{} hand, {} of {}, first {}: its joints lie as those of the other one do; are left and right "
    "exchanged there, or is the order of the fingers another? These stay in the image"
)


class _Hand(NamedTuple):
    """What was found of a hand in frames where enough is labelled, and not of the other one.

    Attributes:
        rows: of these frames.
        depths: metres.
        beside: how far joints lie beside their labels, pixels; NaN of those that are not known.
        is_taken: whether it is a fit.
        has_depth: joints that it tells of.
    """

    rows: Int[np.ndarray, " frames"]
    depths: Float[np.ndarray, "frames 21"]
    beside: Float[np.ndarray, "frames 21"]
    is_taken: Bool[np.ndarray, " frames"]
    has_depth: Bool[np.ndarray, "frames 21"]


class Question(NamedTuple):
    """What is to be fitted.

    Attributes:
        path: of the joints of a recording.
        lengths: of the hand's bones.
        hands: 'left' or 'right', in any case, in their order.
        rate: frames a second of the recording.
    """

    path: pathlib.Path
    lengths: HandLengths
    hands: tuple[str, ...]
    rate: float


def with_fit(joints: Joints, question: Question, seen_by: InputCamera, size: Size) -> Joints:
    """Joints in images, with how far away they are by a fit of each hand.

    Args:
        joints: of a recording.
        question: of that recording.
        seen_by: the camera, pixels of the recording's frames.
        size: (width, height) of these.
    """
    points, known = undistorted(joints.joints, joints.known, seen_by)
    shape = (len(known), joints.hands, -1)
    labels = Labels(
        numbers=tuple(joints.rows),
        rate=question.rate,
        points=points.reshape(*shape, 2),
        known=known.reshape(shape),
        hands=tuple(hand.lower() for hand in question.hands),
        matrix=seen_by.matrix,
        width=size[0],
    )
    found = fitted(labels, question.lengths, str(question.path))
    return dataclasses.replace(
        joints, depths=found.depths.reshape(known.shape), notes=(*joints.notes, *found.notes)
    )


@functools.lru_cache(maxsize=2)  # of the recording whose segments are read in turn
def fitted(labels: Labels, lengths: HandLengths, path: str) -> Fitted:
    """Fits each hand of a recording whose joints stand in `path`."""
    depths, notes = np.full(labels.known.shape, np.nan), []
    for i, side in enumerate(labels.hands):
        known = labels.known[:, i]
        if not known.any():
            continue
        rows = np.flatnonzero(known.sum(axis=1) >= FEWEST)
        rows = rows[np.argsort(np.array(labels.numbers)[rows], kind="stable")]
        found = _of_hand(labels, i, rows, lengths)
        depths[found.rows, i] = np.where(found.has_depth, found.depths, np.nan)
        frames = int(known.any(axis=1).sum())
        taken = set(found.rows.tolist())
        others = [labels.numbers[row] for row in rows.tolist() if row not in taken]
        if others:
            what = _OTHER.format(side, len(others), counted(frames, "frame"), others[0])
            notes.append(Note("other hand", path, what))
        what = _text(side, lengths, found, frames - len(rows), len(others))
        notes.append(Note(FITTED if found.is_taken.any() else "not fitted", path, what))
    return Fitted(depths, tuple(notes))


def _of_hand(
    labels: Labels, which: int, rows: Int[np.ndarray, " frames"], lengths: HandLengths
) -> _Hand:
    """Fits a hand in some frames, in the order of time."""
    parts = np.array_split(rows, -(-len(rows) // _PART)) if len(rows) else [rows]
    found = [_of_part(labels, which, part, lengths) for part in parts]
    return _Hand(*map(np.concatenate, zip(*found, strict=True)))


def _of_part(
    labels: Labels, which: int, rows: Int[np.ndarray, " frames"], lengths: HandLengths
) -> _Hand:
    if len(rows):
        begun = starts.found(_seen(labels, which, rows, lengths), _times(labels, rows))
        rows, start = rows[begun.is_ours], begun.poses[np.flatnonzero(begun.is_ours)]
    if not len(rows):
        none = np.zeros((0, 21))
        return _Hand(rows, none, none, np.zeros(0, bool), none.astype(bool))
    seen = _seen(labels, which, rows, lengths)
    poses, _ = least_squares.solved(seen, start, _STEPS)
    points = hand.placed(seen.lengths, poses.turns, poses.places, poses.angles).points
    depths = points[..., 2]
    off = points[..., :2] / depths[..., None] - seen.points
    off = np.where(seen.known[..., None], off, np.nan)
    metres = np.linalg.norm(off, axis=-1) * depths
    is_there = ((depths > _DEPTHS[0]) & (depths < _DEPTHS[1])).all(axis=1)
    near = metres <= _BAD
    is_taken = is_there & (np.nanmean(metres, axis=1) <= FARTHEST) & (near.sum(axis=1) >= FEWEST)
    beside = np.linalg.norm(off * np.diag(labels.matrix)[:2], axis=-1)
    return _Hand(rows, depths, beside, is_taken, near & is_taken[:, None])


def _seen(
    labels: Labels, which: int, rows: Int[np.ndarray, " frames"], lengths: HandLengths
) -> Seen:
    """What is known of a hand in some frames, of a left one in a mirror: all fitted are right."""
    known = labels.known[rows, which]
    focal = np.diag(labels.matrix)[:2]
    rays = camera.unproject(labels.points[rows, which], np.ones(known.shape), labels.matrix)
    mirror = np.array([-1.0 if labels.hands[which] == "left" else 1.0, 1.0])
    return Seen(
        lengths.of_fingers,
        np.where(known[..., None], rays[..., :2] * mirror, 0),
        known,
        _DEVIATION * labels.width / STORED_SIZE[0] / focal,
        chain=np.zeros(len(rows), int),
        gaps=np.diff(_times(labels, rows)),
    )


def _times(labels: Labels, rows: Int[np.ndarray, " frames"]) -> Float[np.ndarray, " frames"]:
    """When frames were taken, in thirtieths of a second."""
    return np.array(labels.numbers)[rows] * (_RATE / labels.rate)


def _text(side: str, lengths: HandLengths, found: _Hand, few: int, others: int) -> str:
    """What there is to say of a hand."""
    fits, taken = len(found.rows), int(found.is_taken.sum())
    frames = fits + few + others
    what = f"{side} hand, {taken} of {counted(frames, 'frame')} put into space by a fit of "
    what += f"{lengths.said} ({100 * lengths.whole:.1f} cm)"
    if taken:
        median = np.nanmedian(found.beside[found.is_taken])
        what += f", {median:.2g} px beside its labels in the median"
    if taken < fits:
        what += f"; {fits - taken} refused: more than {1000 * FARTHEST:g} mm beside its labels"
        what += ", or nearer than {:g} m or farther than {:g} m".format(*_DEPTHS)
    if others:
        what += f"; {others} as the other hand's joints lie"
    if few:
        what += f"; {few} with fewer than {FEWEST} joints"
    if taken < frames:
        what += "; these stay in the image"
    return what if taken else what + ", and its depth is not learned of them"
