"""Antialiased text on pictures: DejaVu Sans, which comes with matplotlib, cached label by label."""

import functools
import pathlib
from typing import Literal

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageDraw, ImageFont

from htt_jax.visual.colours import RGB

Align = Literal["left", "centre", "right"]

_CACHED_LABELS = 1024
_SMALLEST = 10  # pixels; smaller letters cannot be read


def draw(
    canvas: UInt8[np.ndarray, "height width 3"],
    text: str,
    position: tuple[float, float],
    *,
    size: int,
    colour: RGB,
    bold: bool = False,
    align: Align = "left",
) -> None:
    """Writes one line onto `canvas`; what would lie outside is left out.

    Args:
        canvas: drawn upon.
        text: one line.
        position: (x, y) of the line's left end, middle or right end, on its baseline.
        size: of the letters, pixels.
        colour: of the letters.
        bold: heavier letters.
        align: which of them `position` is.
    """
    mask, left, top = _mask(text, size, bold)
    shift = {"left": 0.0, "centre": 0.5, "right": 1.0}[align] * width(text, size, bold)
    x, y = round(position[0] - shift) + left, round(position[1]) + top
    height_, width_ = mask.shape
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + width_, canvas.shape[1]), min(y + height_, canvas.shape[0])
    if x0 >= x1 or y0 >= y1:
        return
    alpha = mask[y0 - y : y1 - y, x0 - x : x1 - x, None].astype(np.int32)
    under = canvas[y0:y1, x0:x1]
    under[:] = under + (np.array(colour, np.int32) - under) * alpha // 255


@functools.lru_cache(_CACHED_LABELS)
def width(text: str, size: int, bold: bool = False) -> float:
    """Pixels from the start of the line to its end."""
    return _font(size, bold).getlength(text)


@functools.lru_cache(_CACHED_LABELS)
def fit(text: str, space: float, size: int, bold: bool = False) -> tuple[str, int]:
    """The text and size that need at most `space` pixels: smaller letters first, then fewer."""
    while width(text, size, bold) > space and size > _SMALLEST:
        size -= 1
    if width(text, size, bold) <= space:
        return text, size
    while text and width(f"{text}…", size, bold) > space:
        text = text[:-1]
    return f"{text.rstrip()}…", size


@functools.lru_cache(_CACHED_LABELS)
def _mask(text: str, size: int, bold: bool) -> tuple[UInt8[np.ndarray, "height width"], int, int]:
    """Coverage of each pixel, and its left and top from the start of the baseline."""
    font = _font(size, bold)
    left, top, right, bottom = (int(edge) for edge in font.getbbox(text, anchor="ls"))
    image = Image.new("L", (max(right - left, 1), max(bottom - top, 1)))
    ImageDraw.Draw(image).text((-left, -top), text, fill=255, font=font, anchor="ls")
    return np.asarray(image), left, top


@functools.cache
def _font(size: int, bold: bool) -> ImageFont.FreeTypeFont:
    import matplotlib  # only for the folder of its fonts; takes long to import

    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return ImageFont.truetype(pathlib.Path(matplotlib.get_data_path()) / "fonts/ttf" / name, size)
