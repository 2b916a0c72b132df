"""How early actions are recognised, as a curve and as a table."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from matplotlib.axes import Axes

from htt_jax.evaluation import early
from htt_jax.evaluation.analysis import Table
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import Panel, Plot

_OF_ACTIONS = "per action"


def early_plot(found: Mapping[str, Any], constant: float) -> Plot:
    """The accuracy after each share of the videos, and with early exit at each confidence.

    Args:
        found: of `early.recognised`, of videos whose action is known.
        constant: accuracy of the most frequent class.
    """
    description = (
        "Accuracy of actions after each share of the videos: "
        + ", ".join(
            f"{100 * accuracy:.1f} % after {share:.0%}"
            for share, accuracy in zip(found["shares"], found["accuracy"], strict=True)
        )
        + f"; mean {100 * found['mean_accuracy']:.1f} %. Seen until the answer is sure: "
        + ", ".join(
            f"{100 * accuracy:.1f} % from {share:.0%} at {confidence:.0%}"
            for confidence, accuracy, share in zip(*_exits(found), strict=True)
        )
        + "."
    )
    draw = partial(_draw, found, constant)
    return Plot(
        early.NAME,
        "How early actions are recognised",
        [Panel("accuracy against the observed share", description, draw, plotting.PANEL_SIZE)],
    )


def early_table(found: Mapping[str, Any]) -> Table:
    """A row for each action, and one for all videos: the accuracy after each share."""
    rows = {"all": found["accuracy"], **found["per_action"]}
    return [
        {"action": name}
        | {f"after_{share:.0%}": x for share, x in zip(found["shares"], accuracies, strict=True)}
        for name, accuracies in rows.items()
    ]


def _exits(found: Mapping[str, Any]) -> tuple[list[float], list[float], list[float]]:
    """Confidences, and the accuracy and the mean share seen with each."""
    exits = found["exit"]
    return exits["confidences"], exits["accuracy"], exits["mean_share"]


def _draw(found: Mapping[str, Any], constant: float, axes: Axes) -> None:
    shares = [100 * share for share in found["shares"]]
    for number, accuracies in enumerate(found["per_action"].values()):
        label = _OF_ACTIONS if number == 0 else None
        axes.plot(shares, accuracies, color=plotting.GRID, lw=0.8, zorder=0, label=label)
    mean = f"this run, mean {100 * found['mean_accuracy']:.1f} %"
    axes.plot(shares, found["accuracy"], color=plotting.ACCENT, lw=2, marker=".", label=mean)
    confidences, at_exit, seen = _exits(found)
    axes.plot(
        [100 * share for share in seen],
        at_exit,
        color=plotting.INK,
        lw=0.8,
        marker="x",
        ms=5,
        label=f"seen until {confidences[0]:.0%} to {confidences[-1]:.0%} sure",
    )
    axes.axhline(
        constant, color=plotting.MUTED, dashes=(1, 1.5), lw=1.3, label="most frequent class"
    )
    axes.axvline(
        100 * found["decided"], color=plotting.INK, dashes=(5, 2), lw=1, label="half decided"
    )
    axes.set_xlim(0, 100)
    axes.set_ylim(0, 1)
    axes.set_xlabel("observed share of a video (%)")
    axes.set_ylabel("accuracy")
    plotting.legend_above(axes, title="accuracy of actions")
