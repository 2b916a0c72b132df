"""How probabilities run over a video, with a cursor at the present."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float

from htt_jax.visual import colours, text
from htt_jax.visual.colours import RGB
from htt_jax.visual.drawing import Canvas, line, polyline
from htt_jax.visual.panels import MARGIN

_LETTERS = 11  # pixels
_DARKER = 0.6  # how much of its colour what is to come loses


@dataclasses.dataclass(frozen=True)
class History:
    """How some classes' probabilities run over a video, or over its last seconds.

    Attributes:
        seconds: of each entry, rising.
        names: of the classes.
        probabilities: 0 to 1; not finite where unknown.
    """

    seconds: Float[np.ndarray, " entries"]
    names: tuple[str, ...]
    probabilities: Float[np.ndarray, "entries names"]


class Timeline:
    """Draws a `History` with a cursor at the present; what is to come is darker.

    The curves are drawn once for each history, so that a frame costs two copies and the cursor.
    """

    def __init__(self, width: int, height: int):
        """For panels of this size, pixels."""
        self._size = (width, height)
        self._plot = (MARGIN + 42, width - MARGIN - 6, 12, height - 26)  # left right top bottom
        self._drawn: tuple[History, Mapping[str, RGB]] | None = None
        self._past = self._future = np.empty((height, width, 3), np.uint8)

    def draw(
        self, canvas: Canvas, history: History, line_colours: Mapping[str, RGB], seconds: float
    ) -> None:
        """Draws the history onto `canvas`, with the cursor at `seconds`."""
        if self._drawn is None or self._drawn[0] is not history or self._drawn[1] != line_colours:
            self._past = self._draw_curves(history, line_colours)
            self._future = _darkened(self._past, self._plot)
            self._drawn = (history, dict(line_colours))
        left, right, top, bottom = self._plot
        start, end = _span(history)
        cursor = left + np.clip((seconds - start) / (end - start), 0, 1) * (right - left)
        column = round(cursor)
        canvas[:, :column] = self._past[:, :column]
        canvas[:, column:] = self._future[:, column:]
        canvas[top - 4 : bottom, column] = colours.TEXT

    def _draw_curves(self, history: History, line_colours: Mapping[str, RGB]) -> Canvas:
        width, height = self._size
        left, right, top, bottom = self._plot
        panel = np.full((height, width, 3), colours.BACKGROUND, np.uint8)
        for share in (0.0, 0.5, 1.0):
            y = bottom + share * (top - bottom)
            line(panel, (left, y), (right, y), colours.GRID, 1)
            _label(panel, f"{100 * share:.0f} %", (left - 8, y + 4), "right")
        start, end = _span(history)
        ticks, decimals = _ticks(start, end, most=max(2, (right - left) // 90))
        for tick in ticks:
            x = left + (tick - start) / (end - start) * (right - left)
            line(panel, (x, bottom), (x, bottom + 4), colours.FAINT, 1)
            _label(panel, f"{tick:.{decimals}f} s", (x, bottom + 18), "centre")
        x = left + (history.seconds - start) / (end - start) * (right - left)
        # The most probable class of the whole is drawn last, on top.
        totals = np.nan_to_num(history.probabilities).sum(axis=0)
        for i in np.argsort(totals, kind="stable"):
            y = bottom + np.clip(history.probabilities[:, i], 0, 1) * (top - bottom)
            for piece in _finite_pieces(*_thinned(x, y, right - left)):
                polyline(panel, piece, line_colours[history.names[i]], 2)
        return panel


def _label(panel: Canvas, words: str, place: tuple[float, float], align: text.Align) -> None:
    text.draw(panel, words, place, size=_LETTERS, colour=colours.MUTED, align=align)


def _span(history: History) -> tuple[float, float]:
    """First and last second; at least a moment apart."""
    if not len(history.seconds):
        return 0.0, 1.0
    start, end = float(history.seconds[0]), float(history.seconds[-1])
    return start, max(end, start + 0.1)


def _ticks(start: float, end: float, most: int) -> tuple[Float[np.ndarray, " ticks"], int]:
    """Round numbers from `start` to `end`, at most about so many, and the decimals they have."""
    least = (end - start) / most
    power = 10.0 ** np.floor(np.log10(least))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= least)
    ticks = np.arange(np.ceil(start / step), np.floor(end / step + 1e-9) + 1) * step
    return ticks, max(0, -int(np.floor(np.log10(step))))


def _thinned(x: np.ndarray, y: np.ndarray, width: int) -> tuple[np.ndarray, np.ndarray]:
    """Means of neighbours where there are many more entries than pixels."""
    group = len(x) // (2 * width)
    if group < 2:
        return x, y
    whole = len(x) // group * group
    return x[:whole].reshape(-1, group).mean(axis=1), y[:whole].reshape(-1, group).mean(axis=1)


def _finite_pieces(x: np.ndarray, y: np.ndarray) -> list[Float[np.ndarray, "_ 2"]]:
    """The curve between its gaps."""
    points = np.stack([x, y], axis=1)
    finite = np.isfinite(points).all(axis=1)
    starts = np.flatnonzero(np.diff(finite, prepend=False) & finite)
    ends = np.flatnonzero(np.diff(finite, append=False) & finite) + 1
    return [points[start:end] for start, end in zip(starts, ends, strict=True)]


def _darkened(panel: Canvas, plot: tuple[int, int, int, int]) -> Canvas:
    """The panel with a plot closer to the background."""
    left, right, top, bottom = plot
    result = panel.copy()
    inner = result[top - 2 : bottom, left : right + 2]
    inner[:] = (1 - _DARKER) * inner + _DARKER * np.array(colours.BACKGROUND)
    return result
