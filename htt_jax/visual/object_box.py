"""Draws where the object in hand is."""

import cv2
import numpy as np
from jaxtyping import Float

from htt_jax.visual.colours import ESTIMATE, OUTLINE
from htt_jax.visual.drawing import Canvas, disc, drawable, polyline


def draw(
    canvas: Canvas, points: Float[np.ndarray, "points 2"], *, thickness: int | None = None
) -> None:
    """Draws the outline of a box, its corners and its centre.

    Which corners an edge joins is each dataset's own; the outline is the same in every order.

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
