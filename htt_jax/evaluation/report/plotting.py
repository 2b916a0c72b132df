"""Plots for the page and beside it: the same drawing as inline SVG and as a PNG to read alone.

The SVG leaves its greys and its letters to the page, which follows the reader's colour scheme.
"""

import dataclasses
import io
import os
import re
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator

from htt_jax.measures import Space
from htt_jax.support.files import atomic_write
from htt_jax.visual import colours

SPACES: dict[Space, str] = {"camera_space": "Camera space", "root_aligned": "Root-aligned"}

PIXELS_PER_INCH = 96  # as in CSS
_SHARPER = 2  # pixels of a PNG for one of the page
_COMPRESSION = {"compress_level": 3}  # a tenth larger than by default, and sooner written

PAPER = "#ffffff"
INK = "#1b2027"
MUTED = "#5a6470"
GRID = "#e1e5ea"
GREYS = {PAPER: "paper", INK: "ink", MUTED: "muted", GRID: "grid"}
"""The greys of plots on white, and what the page calls them."""

ACCENT = colours.hex_code(colours.CATEGORIES[0])
WRONG = colours.hex_code(colours.CATEGORIES[4])
PANEL_SIZE = (460, 300)

TITLE_HEIGHT, NOTE_HEIGHT = 52, 26  # pixels
_TITLE_PAD = 8  # points
_MARGIN = 12  # pixels

STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 9.5,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.labelcolor": MUTED,
    "axes.edgecolor": MUTED,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    "axes.facecolor": PAPER,
    "figure.facecolor": PAPER,
    "text.color": INK,
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.major.size": 3,
    "ytick.major.size": 3,
    "grid.color": GRID,
    "grid.linewidth": 0.7,
    "legend.frameon": False,
    "legend.fontsize": 9,
    "legend.handlelength": 1.8,
    "legend.borderaxespad": 0.4,
    "text.parse_math": False,  # names are no formulas
    "svg.fonttype": "none",
}
_TRANSPARENT: dict[Any, Any] = {"axes.facecolor": "none", "figure.facecolor": "none"}
_NO_METADATA = {"Creator": None, "Date": None, "Format": None, "Type": None}


@dataclasses.dataclass(frozen=True)
class Panel:
    """One pair of axes.

    Attributes:
        title: what it shows.
        description: the same for who cannot see it, with the main figures.
        draw: draws it.
        size: (width, height), pixels of the page.
    """

    title: str
    description: str
    draw: Callable[[Axes], None]
    size: tuple[int, int] = PANEL_SIZE


@dataclasses.dataclass(frozen=True)
class Plot:
    """Panels that belong together.

    Attributes:
        name: of its file.
        title: over all panels.
        panels: one, or rows of two.
        note: how to read it.
    """

    name: str
    title: str
    panels: Sequence[Panel]
    note: str = ""


def write_png(plot: Plot, path: str | os.PathLike[str], subtitle: str) -> None:
    """Writes all panels of a plot, with its title and a subtitle that says of what run it is."""
    columns = min(2, len(plot.panels))
    rows = [plot.panels[i : i + columns] for i in range(0, len(plot.panels), columns)]
    width = max(sum(panel.size[0] for panel in row) for row in rows)
    heights = [max(panel.size[1] for panel in row) for row in rows]
    with matplotlib.rc_context(STYLE):
        around = TITLE_HEIGHT + (NOTE_HEIGHT if plot.note else 0)
        figure = new_figure(width, sum(heights) + around)
        draw_frame(figure, plot.title, subtitle, plot.note)
        grid = figure.subplots(len(rows), columns, squeeze=False, height_ratios=heights)
        for axes, panel in zip(grid.flat, plot.panels, strict=True):
            panel.draw(axes)
            if len(plot.panels) > 1:
                axes.set_title(panel.title, pad=_TITLE_PAD + _legend_height(axes))
        save_png(figure, path)


def inline_svg(panel: Panel, name: str) -> str:
    """A panel as an SVG element for an HTML page.

    Args:
        panel: to draw.
        name: its id; no other element of the page has it.
    """
    file = io.StringIO()
    with matplotlib.rc_context(STYLE | _TRANSPARENT | {"svg.hashsalt": name}):
        figure = new_figure(*panel.size)
        panel.draw(figure.add_subplot())
        _place_axes(figure)
        FigureCanvasSVG(figure).print_svg(file, metadata=_NO_METADATA)
    return _for_page(file.getvalue(), name)


def new_figure(width: int, height: int) -> Figure:
    """A figure of so many pixels of the page; its axes leave room for their labels."""
    return Figure(
        figsize=(width / PIXELS_PER_INCH, height / PIXELS_PER_INCH),
        dpi=PIXELS_PER_INCH,
        layout="constrained",
    )


def _place_axes(figure: Figure) -> None:
    """Leaves room for labels as measured for a PNG: measured for an SVG, all is drawn once more."""
    FigureCanvasAgg(figure)
    layout = figure.get_layout_engine()
    assert layout is not None, "new_figure gives one"
    layout.execute(figure)
    figure.set_layout_engine("none")


def draw_frame(figure: Figure, title: str, subtitle: str, note: str) -> None:
    """Writes a title and a subtitle over the axes and a note below them.

    They take `TITLE_HEIGHT` pixels above and, if there is a note, `NOTE_HEIGHT` below.
    """
    width, height = PIXELS_PER_INCH * figure.get_size_inches()
    left, below = _MARGIN / width, (NOTE_HEIGHT if note else 0) / height
    figure.text(left, 1 - 20 / height, title, size=12, weight="bold", va="center")
    figure.text(left, 1 - 39 / height, subtitle, color=MUTED, va="center")
    figure.text(left, 14 / height, note, color=MUTED, va="center")
    pad = _MARGIN / PIXELS_PER_INCH
    figure.set_layout_engine(
        ConstrainedLayoutEngine(
            rect=(0, below, 1, 1 - TITLE_HEIGHT / height - below), w_pad=pad, h_pad=pad / 2
        )
    )


def save_png(figure: Figure, path: str | os.PathLike[str]) -> None:
    """Writes a figure; by its canvas, since `Figure.savefig` would draw all of it twice."""
    figure.set_dpi(_SHARPER * PIXELS_PER_INCH)
    with atomic_write(path) as file:
        FigureCanvasAgg(figure).print_png(file, pil_kwargs=_COMPRESSION)


def hand_colours(hands: Sequence[str]) -> dict[str, str]:
    """A colour for each hand; a single one has that of the run."""
    if len(hands) == 1:
        return {hands[0]: ACCENT}
    assigned = colours.assign(colours.HAND, hands)
    return {hand: colours.hex_code(colour) for hand, colour in assigned.items()}


def legend_above(
    axes: Axes, columns: int = 1, title: str | None = None, reverse: bool = False
) -> None:
    """A legend over the axes, where no curve can run."""
    axes.legend(
        title=title,
        reverse=reverse,
        alignment="left",
        loc="lower left",
        bbox_to_anchor=(-0.01, 1.0),
        ncols=columns,
        borderpad=0,
        labelspacing=0.3,
        columnspacing=1.4,
    )


def draw_error_axis(axes: Axes, name: str) -> None:
    """Makes the vertical axis one of errors in millimetres, with a few round figures."""
    axes.set_ylabel(f"{name} (mm)")
    axes.yaxis.set_major_locator(MaxNLocator(6, steps=[1, 2, 5, 10]))
    axes.grid(axis="y")


def _legend_height(axes: Axes) -> float:
    """Points that a legend takes above the axes."""
    legend = axes.get_legend()
    if legend is None:
        return 0.0
    return legend.get_window_extent().height / PIXELS_PER_INCH * 72


def _for_page(svg: str, name: str) -> str:
    """Leaves out what does not belong into a page, and gives greys and letters to its style."""
    svg = svg[svg.index("<svg") :]
    svg = re.sub(r"<defs>\s*<style.*?</style>\s*</defs>", "", svg, flags=re.DOTALL)
    svg = re.sub(r"<!--.*?-->", "", svg, flags=re.DOTALL)
    (width, height) = re.findall(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg)[0]
    svg = re.sub(
        r"<svg[^>]*>", f'<svg viewBox="0 0 {width} {height}" aria-hidden="true">', svg, count=1
    )
    svg = re.sub(r"font: (?:(\d+|bold) )?([\d.]+)px [^;\"]*", _font, svg)
    svg = svg.replace("xlink:href", "href")
    used = set(re.findall(r"url\(#([^)]+)\)", svg)) | set(re.findall(r'href="#([^"]+)"', svg))
    svg = re.sub(r' id="([^"]+)"', lambda id_: id_[0] if id_[1] in used else "", svg)
    for number, old in enumerate(sorted(used)):
        svg = re.sub(rf'(url\(#|href="#|id="){old}(?=[)"])', rf"\g<1>{name}-{number}", svg)
    for grey, role in GREYS.items():
        svg = svg.replace(grey, f"var(--{role})")
    return re.sub(r"\s*\n\s*", "\n", svg)


def _font(found: re.Match[str]) -> str:
    weight, size = found.groups()
    return f"font-size: {size}px" + (f"; font-weight: {weight}" if weight else "")
