"""Draws where hands are expected to go."""

import numpy as np
from jaxtyping import Float

from htt_jax.visual.colours import OUTLINE, TEXT
from htt_jax.visual.drawing import Canvas, disc, drawable, line

_FAINTEST = 0.15  # of the last point


def draw(
    canvas: Canvas, points: Float[np.ndarray, "points 2"], *, thickness: int | None = None
) -> None:
    """Draws a path from its first point, which is now, on; it fades the farther ahead it is.

    Args:
        canvas: RGB, drawn upon.
        points: pixels of `canvas`; the path ends before the first that is not finite.
        thickness: pixels; None: to suit the size of `canvas`.
    """
    if thickness is None:
        thickness = max(1, round(min(canvas.shape[:2]) / 200))
    there = drawable(points)
    count = len(points) if there.all() else int(there.argmin())
    # From its end, so that what comes sooner lies above.
    for i in range(count - 1, 0, -1):
        strength = 1 - (1 - _FAINTEST) * i / max(len(points) - 1, 1)
        rim, colour = (_faded(canvas, points[i], tint, strength) for tint in (OUTLINE, TEXT))
        line(canvas, points[i - 1], points[i], rim, thickness + 2)
        line(canvas, points[i - 1], points[i], colour, thickness)
        disc(canvas, points[i], colour, thickness + 0.5)


def _faded(
    canvas: Canvas, place: Float[np.ndarray, "2"], colour: tuple[int, int, int], strength: float
) -> tuple[int, ...]:
    """A colour mixed into what is seen at a place; at the border where that is outside."""
    x, y = np.clip(np.round(place).astype(int), 0, np.array(canvas.shape[1::-1]) - 1)
    mixed = strength * np.array(colour) + (1 - strength) * canvas[y, x]
    return tuple(int(value) for value in mixed)
