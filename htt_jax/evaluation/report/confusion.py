"""Which classes are taken for which: an order that shows it, and the plot."""

import dataclasses
from collections.abc import Sequence
from functools import partial

import numpy as np
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.patches import Rectangle
from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import Panel, Plot
from htt_jax.visual.panels import readable

_CELL = 19  # pixels of the plot
_LETTER = 6.2  # pixels a letter of a name takes, about
STRONG = 0.97
"""Strength from which on a cell's text is white."""

_FAINTEST = {"action": 0.18, "object": 0.04}  # of a cell that is not empty
_NEVER_CONFUSED = 2.0  # how far apart such classes are: each is taken for the other in a share of 0
_LEAST_SHARE = 0.005  # that is written into cells of shares


@dataclasses.dataclass(frozen=True)
class Confusion:
    """The classes that occur, those taken for each other side by side.

    Attributes:
        names: of the classes, truly there or predicted.
        counts: rows the true class, columns the predicted one.
    """

    names: list[str]
    counts: Int[np.ndarray, "classes classes"]

    @property
    def labels(self) -> list[str]:
        """The names as people read them."""
        return [readable(name) for name in self.names]

    @property
    def shares(self) -> Float[np.ndarray, "classes classes"]:
        """Of each row, 0 to 1; rows of classes that are only predicted are 0."""
        return self.counts / np.maximum(self.counts.sum(axis=1, keepdims=True), 1)


def arrange(counts: Sequence[Sequence[int]], names: Sequence[str]) -> Confusion:
    """Leaves classes out that do not occur, and orders the others.

    Classes are put together, the most confused ones first; so are groups of them. What remains
    apart is ordered by how much goes wrong in it.

    Args:
        counts: rows the true class, columns the predicted one.
        names: of all classes.
    """
    table = np.array(counts, np.int64)
    there = np.flatnonzero(table.sum(axis=0) + table.sum(axis=1))
    table = table[np.ix_(there, there)]
    order = _order(table)
    return Confusion(
        [names[there[i]] for i in order],
        table[np.ix_(order, order)],
    )


def confusion_plot(confusion: Confusion, kind: str) -> Plot:
    """The matrix with names; each cell coloured by its share of its row.

    Args:
        confusion: of two classes at least.
        kind: 'action', whose videos are counted, or 'object', of which per cent are given.
    """
    side = _CELL * len(confusion.names)
    around = 60 + round(_LETTER * max(map(len, confusion.names)))
    panel = Panel(
        f"{kind}s",
        "",
        partial(_draw, confusion=confusion, kind=kind),
        (max(side + around, 420), side + around),
    )
    unit = {"action": "videos", "object": "% of the true object's frames"}[kind]
    return Plot(f"confusion_of_{kind}s", f"Which {kind}s are taken for which ({unit})", [panel])


def cell_text(confusion: Confusion, row: int, column: int, kind: str) -> str:
    """What is written into a cell that is not empty: a count of videos, or per cent of frames."""
    if kind == "action":
        return str(confusion.counts[row, column])
    share = confusion.shares[row, column]
    return f"{100 * share:.0f}" if share >= _LEAST_SHARE else ""


def cell_strength(confusion: Confusion, row: int, column: int, kind: str) -> float:
    """How strongly to colour a cell that is not empty, 0 to 1."""
    return _FAINTEST[kind] + (1 - _FAINTEST[kind]) * float(confusion.shares[row, column])


def _draw(axes: Axes, *, confusion: Confusion, kind: str) -> None:
    size = len(confusion.names)
    for row, column in np.argwhere(confusion.counts).tolist():
        strength = cell_strength(confusion, row, column, kind)
        axes.add_patch(
            Rectangle(
                (column - 0.5, row - 0.5), 1, 1, lw=0, alpha=strength,
                color=plotting.ACCENT if row == column else plotting.WRONG,
            )
        )  # fmt: skip
        axes.text(
            column, row, cell_text(confusion, row, column, kind), size=7.5,
            ha="center", va="center_baseline",
            color=plotting.PAPER if strength > STRONG else plotting.INK,
        )  # fmt: skip
    axes.set_xlim(-0.5, size - 0.5)
    axes.set_ylim(size - 0.5, -0.5)
    axes.set_aspect("equal")
    axes.set_xticks(range(size), confusion.labels, rotation=90)
    axes.set_yticks(range(size), confusion.labels)
    axes.set_xticks(np.arange(size + 1) - 0.5, minor=True)
    axes.set_yticks(np.arange(size + 1) - 0.5, minor=True)
    axes.grid(which="minor")
    axes.tick_params(which="both", length=0, labelcolor=plotting.INK)
    axes.tick_params(axis="x", bottom=False, top=True, labelbottom=False, labeltop=True)
    axes.spines[:].set_visible(False)
    axes.set_ylabel("true")
    axes.set_xlabel("predicted")
    axes.xaxis.set_label_position("top")


def _order(counts: Int[np.ndarray, "classes classes"]) -> list[int]:
    """Average linkage over the share in which classes are taken for each other."""
    if len(counts) < 2:
        return list(range(len(counts)))
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    apart = _NEVER_CONFUSED - (shares + shares.T)  # summed first: symmetric to the last bit
    np.fill_diagonal(apart, 0)
    tree = hierarchy.linkage(squareform(apart), "average", optimal_ordering=True)
    group = hierarchy.fcluster(tree, np.nextafter(_NEVER_CONFUSED, 0), "distance")
    wrong = np.bincount(group, weights=1 - np.diag(shares))
    # Groups lie together among the leaves, and sorting keeps the order of equals.
    return sorted(hierarchy.leaves_list(tree).tolist(), key=lambda leaf: -wrong[group[leaf]])
