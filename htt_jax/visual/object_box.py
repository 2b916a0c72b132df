"""Draws where the object in hand is."""

import itertools

import cv2
import numpy as np
from jaxtyping import Float, Int

from htt_jax.visual.colours import ESTIMATE, OUTLINE
from htt_jax.visual.drawing import Canvas, disc, drawable, polyline

_AROUND = np.array(list(itertools.product((0, 1), repeat=3)))
"""The corners of a box: which of the three edges at the first one lead to each."""
_EDGES = np.argwhere(np.triu(np.abs(_AROUND[:, None] - _AROUND).sum(axis=-1) == 1))
_LOOKED_AT = 15  # frames of a video


def draw(
    canvas: Canvas, points: Float[np.ndarray, "points 2"], *, thickness: int | None = None
) -> None:
    """Draws the outline of a box, its corners and its centre.

    The outline is the same whatever the order of the corners, which is each dataset's own.

    Args:
        canvas: RGB, drawn upon.
        points: pixels of `canvas`, the centre first; nothing is drawn unless all are finite.
        thickness: pixels; None: to suit the size of `canvas`.
    """
    if not drawable(points).all():
        return
    if thickness is None:
        thickness = max(1, round(min(canvas.shape[:2]) / 300))
    hull = cv2.convexHull(points[1:].astype(np.float32))[:, 0]
    closed = np.concatenate([hull, hull[:1]]).astype(np.float64)
    for colour, width in ((OUTLINE, thickness + 2), (ESTIMATE, thickness)):
        polyline(canvas, closed, colour, width)
        for point in points:
            disc(canvas, point, colour, width + 0.5)


def edges(points: Float[np.ndarray, "points axes"]) -> Int[np.ndarray, "12 2"]:
    """Which points of a box its edges join, found from where they are, whatever their order.

    Ways from a corner to its three neighbours lead, one after the other, to all others. Of what is
    only nearly a box those three are taken by which they lead nearest.

    Args:
        points: the centre first, then eight corners.
    """
    ways = points[1:] - points[1]
    best, order = np.inf, np.arange(len(ways))
    for neighbours in itertools.combinations(range(1, len(ways)), 3):
        reached = _AROUND @ ways[list(neighbours)]
        away = np.linalg.norm(ways[:, None] - reached, axis=-1)
        nearest, total = away.argmin(axis=0), away.min(axis=0).sum()
        if total < best and len(set(nearest)) == len(ways):
            best, order = total, nearest
    return 1 + order[_EDGES]


def lasting_edges(boxes: Float[np.ndarray, "frames points axes"]) -> Int[np.ndarray, "12 2"]:
    """The `edges` of an object's box in a video, whose corners keep their order.

    They are what most frames say, of some that are spread over all. Their mean would not do: where
    the object turns, that is no box.
    """
    frames = np.linspace(0, len(boxes) - 1, min(len(boxes), _LOOKED_AT)).round().astype(int)
    said, counts = np.unique([edges(boxes[i]) for i in frames], axis=0, return_counts=True)
    found: Int[np.ndarray, "12 2"] = said[counts.argmax()]
    return found
