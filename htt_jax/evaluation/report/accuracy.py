"""How often each action, verb and noun is recognised."""

from functools import partial

from matplotlib.axes import Axes

from htt_jax.evaluation.analysis import Table
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import Panel, Plot
from htt_jax.visual.panels import readable

PARTS = ("action", "verb", "noun")
"""What accuracies are counted of."""

_BAR, _AROUND = 19, 62  # pixels


def worst_first(rows: Table) -> Table:
    """Rows of `analysis.action_table` and its like, lowest accuracy first."""
    return sorted(rows, key=lambda row: (row["accuracy"], -row["videos"]))


def accuracy_plot(rows: Table, kind: str) -> Plot:
    """Bars of the accuracy of each class, worst first, with the numbers of videos.

    Args:
        rows: of `analysis.action_table`, `verb_table` or `noun_table`, not empty.
        kind: 'action', 'verb' or 'noun'.
    """
    rows = worst_first(rows)
    panel = Panel(
        f"by {kind}",
        "",
        partial(_draw, rows=rows, kind=kind),
        (680, _AROUND + _BAR * len(rows)),
    )
    return Plot(f"accuracy_by_{kind}", f"Action accuracy by {kind}", [panel])


def _draw(axes: Axes, *, rows: Table, kind: str) -> None:
    places = range(len(rows))
    axes.barh(places, [100 * row["accuracy"] for row in rows], 0.66, color=plotting.ACCENT)
    axes.set_yticks(places, [readable(row[kind]) for row in rows])
    axes.tick_params(axis="y", length=0, labelcolor=plotting.INK)
    axes.set_ylim(len(rows) - 0.4, -0.6)  # the first on top
    axes.set_xlim(0, 100)
    axes.set_xlabel(f"videos whose {kind} is recognised (%)")
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    for place, row in enumerate(rows):
        axes.annotate(
            f"{row['correct']} of {row['videos']}", (1, place), (6, 0),
            xycoords=("axes fraction", "data"), textcoords="offset points",
            va="center_baseline", color=plotting.MUTED,
        )  # fmt: skip
