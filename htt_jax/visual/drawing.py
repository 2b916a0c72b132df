"""Antialiased lines and discs at fractions of a pixel, and pictures at other sizes."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Bool, Float, UInt8

Canvas = UInt8[np.ndarray, "height width 3"]
Resized = UInt8[np.ndarray, "height_out width_out 3"]

_FRACTION_BITS = 4  # OpenCV draws at sixteenths of a pixel
_ONE = 1 << _FRACTION_BITS
_FARTHEST = 1 << 14  # pixels; OpenCV's integers overflow with much larger coordinates


def drawable(points: Float[np.ndarray, "points 2"]) -> Bool[np.ndarray, " points"]:
    """Which pixels are finite and not absurdly far outside."""
    with np.errstate(invalid="ignore"):
        return (np.abs(points) < _FARTHEST).all(axis=-1)


def line(
    canvas: Canvas,
    start: Sequence[float] | np.ndarray,
    end: Sequence[float] | np.ndarray,
    colour: Sequence[float] | np.ndarray,
    thickness: int,
) -> None:
    """Draws a line with round ends; what lies outside is left out."""
    cv2.line(canvas, _fixed(start), _fixed(end), _scalar(colour), thickness, cv2.LINE_AA,
             _FRACTION_BITS)  # fmt: skip


def polyline(
    canvas: Canvas,
    points: Float[np.ndarray, "points 2"],
    colour: Sequence[float] | np.ndarray,
    thickness: int,
) -> None:
    """Draws lines from point to point."""
    fixed = np.round(points * _ONE).astype(np.int32)
    cv2.polylines(canvas, [fixed], False, _scalar(colour), thickness, cv2.LINE_AA, _FRACTION_BITS)


def disc(
    canvas: Canvas,
    centre: Sequence[float] | np.ndarray,
    colour: Sequence[float] | np.ndarray,
    radius: float,
) -> None:
    """Draws a filled circle."""
    cv2.circle(canvas, _fixed(centre), round(radius * _ONE), _scalar(colour), cv2.FILLED,
               cv2.LINE_AA, _FRACTION_BITS)  # fmt: skip


def resize(image: Canvas, size: tuple[int, int]) -> Resized:
    """A copy of the picture at `size` (width, height)."""
    shrinks = size[0] < image.shape[1]
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def at_size(
    pixels: Float[np.ndarray, "points 2"], from_size: tuple[int, int], to_size: tuple[int, int]
) -> Float[np.ndarray, "points 2"]:
    """The same places in a picture of another size; whole numbers are the centres of pixels."""
    return (pixels + 0.5) * (np.array(to_size) / from_size) - 0.5


def _fixed(point: Sequence[float] | np.ndarray) -> tuple[int, int]:
    return round(float(point[0]) * _ONE), round(float(point[1]) * _ONE)


def _scalar(colour: Sequence[float] | np.ndarray) -> tuple[int, ...]:
    red, green, blue = colour
    return int(red), int(green), int(blue)
