"""The picture of a recording: a row for each of its segments."""

import cv2
import numpy as np

from data_prep import images
from data_prep.own.preview import look
from data_prep.own.preview.shown import TILES, Part, Shown
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.support.words import counted
from htt_jax.visual import colours, drawing, skeleton, text
from htt_jax.visual.drawing import Canvas

TILE = (320, 180)
"""Width and height of a frame in it, pixels."""
HEAD = 44
"""Height of its title, and of that of each row, pixels."""

_GAP = 4
_QUALITY = 85


def picture(shown: Shown) -> Canvas:
    """RGB; six frames wide, and as high as its segments are many, up to twelve."""
    drawn = shown.drawn
    row = HEAD + TILE[1]
    width = TILES * (TILE[0] + _GAP) - _GAP
    canvas = np.full((HEAD + row * len(drawn), width, 3), colours.BACKGROUND, np.uint8)
    what = f"{shown.name}: {counted(len(shown.numbers), 'frame')}, {shown.duration:.2f} s"
    if len(drawn) < len(shown.parts):
        what += f"; {len(drawn)} of {counted(len(shown.parts), 'segment')}"
    _write(canvas, what, HEAD, bold=True)
    shades = look.of_actions(shown.spec.action_names)
    for i, part in enumerate(drawn):
        top = HEAD + i * row
        canvas[top + 10 : top + HEAD - 6, :8] = shades[part.label.action]
        _write(canvas, describe(shown, part), top + HEAD)
        for column, place in enumerate(part.tiles):
            left = column * (TILE[0] + _GAP)
            tile = _tile(shown, place)
            canvas[top + HEAD : top + row, left : left + TILE[0]] = tile
    return canvas


def encoded(shown: Shown) -> bytes:
    """The picture as a JPEG file."""
    image = cv2.cvtColor(picture(shown), cv2.COLOR_RGB2BGR)
    return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])[1].tobytes()


def describe(shown: Shown, part: Part) -> str:
    """What a part is said to show, from where to where."""
    label = part.label
    words = [label.action, label.object and f"object {label.object}", label.split]
    words += [label.subject and f"subject {label.subject}"]
    times = f"{shown.seconds[part.start]:.2f} to {shown.until(part.end):.2f} s"
    frames = f"frames {shown.numbers[part.start]} to {shown.numbers[part.end - 1]}"
    return " · ".join([*filter(None, words), times, frames])


def _tile(shown: Shown, place: int) -> Canvas:
    tile = drawing.resize(images.decode(shown.frames[place]), TILE)
    spec = shown.spec
    pixels = shown.joints_2d[list(shown.frames).index(place)]
    pixels = drawing.at_size(pixels, STORED_SIZE, TILE)
    skeleton.draw(tile, pixels, look.of_joints(spec), spec.skeleton)
    skeleton.draw_hand_letters(tile, pixels, spec.hands, spec.skeleton)
    tile[-20:] //= 3  # so that what is written shows
    when = f"frame {shown.numbers[place]}, {shown.seconds[place]:.2f} s"
    text.draw(tile, when, (6, TILE[1] - 6), size=12, colour=colours.TEXT)
    return tile


def _write(canvas: Canvas, line: str, bottom: int, *, bold: bool = False) -> None:
    line, size = text.fit(line, canvas.shape[1] - 24, 17, bold)
    text.draw(canvas, line, (14, bottom - 14), size=size, colour=colours.TEXT, bold=bold)
