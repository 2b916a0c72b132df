"""Where the object in hand is in each frame: its centre and the corners of its box, checked.

Metres, camera space. Where they are not known, all of a frame's numbers are NaN.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_prep.folders import frames_text
from data_prep.poses import DEPTHS
from data_prep.raw import Note
from htt_jax.datasets.spec import BOX_POINTS
from htt_jax.support.errors import InputError

SIZES = (0.005, 1.0)
"""Metres between the two corners that are farthest apart: from a button to what two hands lift."""

_CORNERS = np.array([[x, y, z] for x in (0, 1) for y in (0, 1) for z in (0, 1)])
EDGES = [
    (a, b)
    for a in range(8)
    for b in range(a + 1, 8)
    if np.abs(_CORNERS[a] - _CORNERS[b]).sum() == 1
]
"""Pairs of corners, in the order of `around`."""


class _Fault(NamedTuple):
    kind: str  # 'lost' or 'impossible'
    what: str
    frames: Bool[np.ndarray, " frames"]
    is_of_unit: bool  # what numbers in another unit look like


def around(
    low: Float[np.ndarray, "3"], high: Float[np.ndarray, "3"]
) -> Float[np.ndarray, "points 3"]:
    """Centre and corners of the box with edges along the axes, the last axis changing fastest."""
    corners = low + _CORNERS * (high - low)
    return np.concatenate([corners.mean(axis=0, keepdims=True), corners])


def placed(
    box: Float[np.ndarray, "points 3"], pose: Float[np.ndarray, "*frames 4 4"]
) -> Float[np.ndarray, "*frames points 3"]:
    """A box in an object's own axes, where poses of the object put it."""
    return np.einsum("...ij,pj->...pi", pose[..., :3, :3], box) + pose[..., None, :3, 3]


def checked(
    boxes: Float[np.ndarray, "frames points 3"], numbers: Sequence[int], source: str
) -> tuple[Float[np.ndarray, "frames points 3"], list[Note]]:
    """Boxes, float32, those that cannot be made unknown, and a note on each kind of them.

    Args:
        boxes: as they were read; all NaN where none is known.
        numbers: of the frames.
        source: the file or folder they come from.

    Raises:
        InputError: most of them have an impossible size or distance.
    """
    kept, notes = boxes.astype(np.float32), []
    known = ~np.isnan(boxes).all(axis=(1, 2))
    for fault in _faults(boxes):
        if fault.is_of_unit and 2 * fault.frames.sum() > known.sum():
            raise InputError(
                f"{source}: object's box, {fault.frames.sum()} of {known.sum()} frames: "
                f"{fault.what}; are its numbers in another unit? Put them right, or leave its "
                "video out with --skip-bad"
            )
        kept[fault.frames] = np.nan
        found = frames_text(np.asarray(numbers)[fault.frames].tolist())
        what = f"object's box, {found}: {fault.what}; kept, where the object is is not known"
        notes.append(Note(fault.kind, source, what))
    return kept, notes


def problems(boxes: Float[np.ndarray, "frames points 3"], numbers: Sequence[int]) -> Iterator[str]:
    """What is wrong with the stored boxes of the frames `numbers`."""
    for fault in _faults(boxes):
        found = frames_text(np.asarray(numbers)[fault.frames].tolist())
        yield f"object's box, {found}: {fault.what}"


def _faults(boxes: Float[np.ndarray, "frames points 3"]) -> Iterator[_Fault]:
    """What is wrong in which frames; one thing for each frame."""
    assert boxes.shape[1] == BOX_POINTS
    left = ~np.isnan(boxes).all(axis=(1, 2))
    finite = np.isfinite(boxes).all(axis=(1, 2))
    points = np.where(finite[:, None, None], boxes, 0).astype(np.float64)
    apart = np.linalg.norm(points[:, 1:, None] - points[:, None, 1:], axis=-1).max(axis=(1, 2))
    from_centre = np.linalg.norm(points[:, 1:] - points[:, :1], axis=-1).min(axis=1)
    near, far = points[..., 2].min(axis=1), points[..., 2].max(axis=1)
    checks = (
        ("lost", "a point is not finite", ~finite, None, False),
        ("lost", "all points are in one place", apart == 0, None, False),
        ("impossible", f"it measures {{}} m from corner to corner (expected {SIZES[0]} to "
         f"{SIZES[1]:g})", (apart < SIZES[0]) | (apart > SIZES[1]), apart, True),
        ("impossible", f"it lies {{}} m in front of the camera (expected {DEPTHS[0]} to "
         f"{DEPTHS[1]:g})", far > DEPTHS[1], far, True),
        ("impossible", f"it lies {{}} m in front of the camera (expected {DEPTHS[0]} to "
         f"{DEPTHS[1]:g})", near < DEPTHS[0], near, False),
        ("impossible", "its centre is {} m from the nearest corner, outside of the box",
         from_centre > apart, from_centre, False),
    )  # fmt: skip
    for kind, what, wrong, values, is_of_unit in checks:
        frames = wrong & left
        left &= ~frames
        if frames.any():
            shown = "" if values is None else _range(values[frames])
            yield _Fault(kind, what.format(shown), frames, is_of_unit)


def _range(values: Float[np.ndarray, " frames"]) -> str:
    """'0.5', '0.5 to 0.7'."""
    return " to ".join(dict.fromkeys(f"{value:.3g}" for value in (values.min(), values.max())))
