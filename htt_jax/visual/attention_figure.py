"""Draws attention beside the frames it goes to, in the form of the paper's Fig. 6 and Fig. 7."""

import dataclasses
import io
import itertools
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.patches import ConnectionPatch

from htt_jax.visual import colours
from htt_jax.visual.drawing import Canvas, resize

_DPI = 100
_INK, _MUTED, _FAINT = "#1c2128", "#5b6470", "#c9ced6"
_BAR = "#9fb0c6"
_MARK = colours.hex_code(colours.CATEGORIES[1])
_MAP = "YlGnBu"
_MARKED = 3  # frames at most
_LEAST_WIDTH = 620  # pixels, of the bars

_STRIP = 8  # frames shown of a clip
_THUMB = 168  # pixels, longer side of a frame in the strip
_GAP = 8
_PLOT = 170  # height of the bars
_LINKS = 34  # height of the lines from the frames to the bars

_CELLS = 400  # pixels, side of a window's map
_EDGE = 4  # frames shown along each side of it
_TICKS = 32  # pixels, for the numbers beside a map
_LEFT, _RIGHT, _TOP, _BOTTOM = 74, 24, 84, 52  # margins


@dataclasses.dataclass(frozen=True)
class Window:
    """What is attended to within one window of the pose block.

    Attributes:
        frames: raw frame of each place.
        weights: from each frame (rows) to each (columns), rows add up to 1.
    """

    frames: Int[np.ndarray, " places"]
    weights: Float[np.ndarray, "places places"]


def strip(weights: Float[np.ndarray, " frames"]) -> Int[np.ndarray, " shown"]:
    """The places of a clip that its picture shows: the weightiest of each of a few stretches."""
    edges = np.linspace(0, len(weights), min(len(weights), _STRIP) + 1).round().astype(int)
    stretches = itertools.pairwise(edges.tolist())
    return np.array([start + weights[start:end].argmax() for start, end in stretches])


def along_edge(places: int) -> Int[np.ndarray, " shown"]:
    """The places of a window of which the frames are shown along its map's sides."""
    shown = min(places, _EDGE)
    return ((np.arange(shown) + 0.5) * places / shown).astype(int)


def draw_action(
    frames: Int[np.ndarray, " frames"],
    weights: Float[np.ndarray, " frames"],
    images: Mapping[int, Canvas],
    title: str,
    explanation: str,
) -> bytes:
    """The attention from the action token to the frames of a clip (Fig. 7), a PNG.

    Args:
        frames: raw frames of the clip.
        weights: to each of them.
        images: RGB of those frames that `strip` names.
        title: of the picture.
        explanation: below it, one or two lines.
    """
    shown = strip(weights)
    marked = shown[np.argsort(-weights[shown], kind="stable")[:_MARKED]]
    marked = marked[weights[marked] > weights.mean()]
    width, height = _thumb_size(images, _THUMB)
    inner = max(len(shown) * (_THUMB + _GAP) - _GAP, _LEAST_WIDTH)
    size = (inner + _LEFT + _RIGHT, _TOP + height + 20 + _LINKS + _PLOT + _BOTTOM)
    page = _Page(size, title, explanation)
    plot = page.axes(_LEFT, _BOTTOM, inner, _PLOT)
    _draw_bars(plot, frames, weights, marked)
    for number, place in enumerate(shown):
        left = _LEFT + (number + 0.5) * inner / len(shown) - width / 2
        colour = _MARK if place in marked else _FAINT
        axes = page.axes(left, _BOTTOM + _PLOT + _LINKS, width, height)
        frame = int(frames[place])
        _draw_frame(axes, images[frame], colour, 3 if place in marked else 1)
        axes.set_title(f"frame {frame}", fontsize=9, color=_MUTED, pad=5)
        link = ConnectionPatch(
            (0.5, 0), (frame, weights[place]), "axes fraction", "data", axesA=axes, axesB=plot,
            color=colour, linewidth=1.2,
        )  # fmt: skip
        page.figure.add_artist(link)
    return page.png()


def draw_windows(
    windows: Sequence[Window], images: Mapping[int, Canvas], title: str, explanation: str
) -> bytes:
    """The attention within some windows of the pose block (Fig. 6), a PNG.

    Args:
        windows: side by side.
        images: RGB of those of their frames that `along_edge` names.
        title: of the picture.
        explanation: below it, one or two lines.
    """
    width, height = _thumb_size(images, _CELLS // _EDGE - _GAP)
    # To the left of a map: frames and numbers; between two: a gap.
    before = width + _GAP + _TICKS
    panel = before + _CELLS + 36
    size = (20 + len(windows) * panel + 76, _TOP + height + _GAP + _CELLS + _BOTTOM)
    page = _Page(size, title, explanation)
    highest = 100 * max(float(window.weights.max()) for window in windows)
    for number, window in enumerate(windows):
        left = 20 + number * panel + before
        axes = page.axes(left, _BOTTOM, _CELLS, _CELLS)
        drawn = axes.imshow(100 * window.weights, cmap=_MAP, vmin=0, vmax=highest)
        shown = along_edge(len(window.frames))
        _label_map(axes, shown, window.frames[shown])
        for place in shown:
            image = images[int(window.frames[place])]
            middle = (place + 0.5) / len(window.frames) * _CELLS
            above = (left + middle - width / 2, _BOTTOM + _CELLS + _GAP)
            beside = (left - before, _BOTTOM + _CELLS - middle - height / 2)
            for x, y in (above, beside):
                _draw_frame(page.axes(x, y, width, height), image, _FAINT, 1)
    scale = page.axes(20 + len(windows) * panel - 16, _BOTTOM, 12, _CELLS)
    bar = page.figure.colorbar(drawn, cax=scale, format="%g %%")
    bar.ax.tick_params(labelsize=9, labelcolor=_MUTED, color=_FAINT)
    bar.outline.set_visible(False)
    return page.png()


class _Page:
    """A white figure laid out in pixels from its lower left corner."""

    def __init__(self, size: tuple[float, float], title: str, explanation: str):
        width, height = size
        self.figure = Figure(figsize=(width / _DPI, height / _DPI), dpi=_DPI)
        FigureCanvasAgg(self.figure)
        self._size = size
        self.figure.text(16 / width, 1 - 28 / height, title, fontsize=13, color=_INK, weight="bold")
        self.figure.text(
            16 / width, 1 - 38 / height, explanation, fontsize=9, color=_MUTED, va="top",
            linespacing=1.4,
        )  # fmt: skip

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        across, up = self._size
        return self.figure.add_axes((left / across, bottom / up, width / across, height / up))

    def png(self) -> bytes:
        file = io.BytesIO()
        self.figure.savefig(file, format="png")
        return file.getvalue()


def _thumb_size(images: Mapping[int, Canvas], most: int) -> tuple[int, int]:
    """(width, height) of the frames, of which the longer side is `most`."""
    height, width, _ = next(iter(images.values())).shape
    longer = max(width, height)
    return round(most * width / longer), round(most * height / longer)


def _draw_bars(
    axes: Axes,
    frames: Int[np.ndarray, " frames"],
    weights: Float[np.ndarray, " frames"],
    marked: Int[np.ndarray, " marked"],
) -> None:
    spacing = float(frames[-1] - frames[0]) / max(len(frames) - 1, 1) or 1.0
    tints = np.full(len(frames), _BAR, object)
    tints[marked] = _MARK
    axes.bar(frames, weights, 0.8 * spacing, color=list(tints))
    axes.set_xlim(frames[0] - spacing / 2, frames[-1] + spacing / 2)
    axes.set_ylim(0, 1.08 * weights.max())
    axes.yaxis.set_major_formatter(lambda share, _: f"{100 * share:.3g} %")
    axes.axhline(weights.mean(), color=_MUTED, linewidth=1, linestyle=(0, (4, 3)), zorder=3)
    axes.set_xlabel("frame of the video", fontsize=9, color=_MUTED)
    axes.set_ylabel("attention", fontsize=9, color=_MUTED)
    axes.tick_params(labelsize=9, labelcolor=_MUTED, color=_FAINT)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    for side in ("left", "bottom"):
        axes.spines[side].set_color(_FAINT)


def _label_map(
    axes: Axes, places: Int[np.ndarray, " shown"], frames: Int[np.ndarray, " shown"]
) -> None:
    axes.set_xticks(places, frames, fontsize=9, color=_MUTED)
    axes.set_yticks(places, frames, fontsize=9, color=_MUTED)
    axes.tick_params(color=_FAINT, length=3)
    axes.set_xlabel("attended to: frame", fontsize=9, color=_MUTED)
    for spine in axes.spines.values():
        spine.set_color(_FAINT)


def _draw_frame(axes: Axes, image: Canvas, edge: str, thickness: float) -> None:
    box = axes.get_window_extent()
    axes.imshow(resize(image, (round(box.width), round(box.height))), aspect="auto")
    axes.set_xticks([])
    axes.set_yticks([])
    for spine in axes.spines.values():
        spine.set_color(edge)
        spine.set_linewidth(thickness)
