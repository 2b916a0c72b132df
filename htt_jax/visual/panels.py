"""What stands in the panels beside and below a video: titles, bars, meters."""

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float

from htt_jax.visual import colours, text
from htt_jax.visual.colours import RGB
from htt_jax.visual.drawing import Canvas

MARGIN = 16
"""Between a panel's edge and what is in it, pixels."""

_LABEL, _SMALL = 13, 11  # sizes of letters
_TITLE = MARGIN + 8  # baseline of a panel's title
_METER, _CELLS = 96, 16  # width, and how many cells it shows at most
_ROW = 33  # of a bar with its name


def readable(name: str) -> str:
    """A class's name as people read it."""
    return name.replace("_", " ")


def draw_title(canvas: Canvas, title: str, note: str = "") -> None:
    """Writes a panel's title at its upper left, and a note at its upper right."""
    text.draw(canvas, title, (MARGIN, _TITLE), size=_LABEL, colour=colours.MUTED, bold=True)
    draw_note(canvas, note)


def draw_note(canvas: Canvas, note: str) -> None:
    """Writes a note at a panel's upper right, beside its title."""
    right = (canvas.shape[1] - MARGIN, _TITLE)
    text.draw(canvas, note, right, size=_SMALL, colour=colours.MUTED, align="right")


def draw_hint(canvas: Canvas, hint: str) -> None:
    """Writes why a panel is empty where its contents would begin."""
    text.draw(canvas, hint, (MARGIN, 15), size=_LABEL, colour=colours.FAINT)


def draw_bars(
    canvas: Canvas,
    names: Sequence[str],
    probabilities: Sequence[float] | Float[np.ndarray, " names"],
    bar_colours: Mapping[str, RGB],
) -> None:
    """Draws a bar with its name and per cent for each class, one below the other.

    Args:
        canvas: RGB, drawn upon; those of the bars are drawn for which there is room.
        names: of the classes.
        probabilities: of the classes, 0 to 1; not finite: no bar.
        bar_colours: of each name.
    """
    best = int(np.argmax(np.nan_to_num(probabilities, nan=-1.0))) if len(names) else -1
    rows = canvas.shape[0] // _ROW
    for i, (name, probability) in enumerate(zip(names[:rows], probabilities[:rows], strict=True)):
        row = canvas[_ROW * i : _ROW * (i + 1)]
        _draw_bar(row, readable(name), float(probability), bar_colours[name], bold=i == best)


def _draw_bar(row: Canvas, name: str, probability: float, colour: RGB, bold: bool) -> None:
    right = row.shape[1] - MARGIN
    ink = colours.TEXT if bold else colours.MUTED
    percent = f"{100 * probability:.0f} %" if np.isfinite(probability) else "?"
    text.draw(row, percent, (right, 15), size=_LABEL, colour=ink, bold=bold, align="right")
    name, size = text.fit(name, right - MARGIN - 52, _LABEL, bold)
    text.draw(row, name, (MARGIN, 15), size=size, colour=ink, bold=bold)
    row[21:26, MARGIN:right] = colours.GRID
    length = np.clip(np.nan_to_num(probability), 0, 1) * (right - MARGIN)
    whole = MARGIN + int(length)
    row[21:26, MARGIN:whole] = colour
    if whole < right:  # the last pixel in part, so that bars grow smoothly
        blend = np.array(colours.GRID) + (length % 1) * (np.array(colour) - colours.GRID)
        row[21:26, whole] = blend.astype(np.uint8)


def draw_meter(canvas: Canvas, label: str, place: int, length: int, right: int) -> int:
    """Draws how far one is in something, such as '5/16' of a window, at mid-height of `canvas`.

    Args:
        canvas: RGB, drawn upon.
        label: what it is.
        place: from 0.
        length: of the whole; shown cell by cell where there is room.
        right: where it ends, pixels.

    Returns:
        Where it starts, pixels.
    """
    middle = canvas.shape[0] // 2
    number, widest = f"{place + 1}/{length}", f"{length}/{length}"
    baseline = middle + 4
    start_of_number = right - round(text.width(widest, _SMALL))
    text.draw(canvas, number, (start_of_number, baseline), size=_SMALL, colour=colours.TEXT)
    end = start_of_number - 8
    start = end - _METER
    bar = canvas[middle - 4 : middle + 4, start:end]
    bar[:] = colours.GRID
    bar[:, : round(_METER * (place + 1) / length)] = colours.MUTED
    if length <= _CELLS:
        edges = np.round(np.arange(1, length) * _METER / length).astype(int)
        bar[:, edges] = colours.BACKGROUND
    label_at = (start - 8, baseline)
    text.draw(canvas, label, label_at, size=_SMALL, colour=colours.MUTED, align="right")
    return start - 8 - round(text.width(label, _SMALL))
