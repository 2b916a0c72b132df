"""3D PCK and PCK-RA curves in the form of the paper's Fig. 4 and 5."""

from functools import partial
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from htt_jax import measures
from htt_jax.datasets.published import Published
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.analysis import Table
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import (
    SPACES,
    Panel,
    Plot,
)
from htt_jax.evaluation.results import Results
from htt_jax.measures import Space

_LEGEND_LINE = 15  # pixels
_SHORT: dict[Space, str] = {"camera_space": "3D PCK", "root_aligned": "3D PCK-RA"}


def pck_plot(spec: DatasetSpec, results: Results, baselines: Results, of_papers: Published) -> Plot:
    """The curves of a run, of the mean pose and, where it is known, of the published model.

    Args:
        spec: the dataset.
        results: of the run, with a hand at least.
        baselines: on the same frames.
        of_papers: what they stand beside.
    """
    width, height = plotting.PANEL_SIZE
    size = (width, height + _LEGEND_LINE * (2 * len(results["pose"]) - 2))
    return Plot(
        "pck",
        "Percentage of correct keypoints (PCK)",
        [
            Panel(
                f"{_SHORT[space]}, {title.lower()}",
                _description(space, results),
                partial(_draw, spec, results, baselines, of_papers, space),
                size,
            )
            for space, title in SPACES.items()
            if _with_curve(results, space)
        ],
    )


def pck_table(results: Results, baselines: Results, of_papers: Published) -> Table:
    """One row for each threshold of each curve: hand, space, threshold (mm), pck and baseline."""
    rows = []
    for hand, found in results["pose"].items():
        for space in (space for space in SPACES if hand in _with_curve(results, space)):
            nothing = [None] * len(found[space]["pck"])
            curve = zip(
                found[space]["thresholds"],
                found[space]["pck"],
                baselines["pose"][hand][space]["pck"] or nothing,
                of_papers.pck.get(hand, {}).get(space) or nothing,
                strict=True,
            )
            names = ("threshold_mm", "pck", "pck_mean_training_pose", "pck_published")
            rows += [
                {"hand": hand, "space": space} | dict(zip(names, values, strict=True))
                for values in curve
            ]
    return rows


def _with_curve(results: Results, space: Space) -> dict[str, Any]:
    """The hands of which something is measured in a space."""
    return {
        hand: found for hand, found in results["pose"].items() if found[space]["pck"] is not None
    }


def _draw(
    spec: DatasetSpec,
    results: Results,
    baselines: Results,
    of_papers: Published,
    space: Space,
    axes: Axes,
) -> None:
    hands = list(_with_curve(results, space))
    area = measures.in_space("auc", space)
    for hand, colour in plotting.hand_colours(hands).items():
        which = f", {hand}" if len(spec.hands) > 1 else ""
        found, constant = results["pose"][hand][space], baselines["pose"][hand][space]
        thresholds = found["thresholds"]
        curve = of_papers.pck.get(hand, {}).get(space)
        if curve is not None:
            figure = area.shown(of_papers.pose[hand][area.key])
            name = f"{of_papers.method}, published on {of_papers.title}{which}  {figure}"
            axes.plot(thresholds, curve, color=plotting.INK, dashes=(5, 2), lw=1.3, label=name)
        name = f"this run{which}  {area.shown(found['auc'])}"
        axes.plot(thresholds, found["pck"], color=colour, lw=2, label=name)
        if constant["pck"] is None:
            continue
        name = f"mean training pose{which}  {area.shown(constant['auc'])}"
        grey = plotting.MUTED if len(hands) == 1 else colour
        axes.plot(thresholds, constant["pck"], color=grey, dashes=(1, 1.5), lw=1.3, label=name)
    axes.set_xlim(0, thresholds[-1])
    axes.set_ylim(0, 1)
    axes.set_xticks(np.arange(0, thresholds[-1] + 1, 10))
    axes.set_yticks(np.linspace(0, 1, 6))
    axes.set_xlabel("error threshold (mm)")
    axes.set_ylabel(_SHORT[space])
    axes.grid()
    plotting.legend_above(axes, title="area under the curve (AUC)")


def _description(space: Space, results: Results) -> str:
    area = measures.in_space("auc", space)
    areas = ", ".join(
        f"{hand} {area.shown(found[space]['auc'])}"
        for hand, found in _with_curve(results, space).items()
    )
    return f"{_SHORT[space]} against the error threshold; area under the curve: {areas}."
