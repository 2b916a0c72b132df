"""What a report shows, put together once for the page, the plots and the tables."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from htt_jax.data.records import RecordSource
from htt_jax.datasets import published
from htt_jax.datasets.published import Published
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation import analysis, early
from htt_jax.evaluation.analysis import Row, Table, VideoScore
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.looks import Look
from htt_jax.evaluation.report import (
    accuracy,
    attention_plot,
    confusion,
    curves,
    early_plot,
    error_plots,
    videos,
)
from htt_jax.evaluation.report.confusion import Confusion
from htt_jax.evaluation.report.plotting import Plot
from htt_jax.evaluation.report.videos import VideoView

_VIDEOS = 10  # best ones, and worst ones


@dataclasses.dataclass(frozen=True)
class Material:
    """One checkpoint on one split; nothing stands in it that would be empty.

    Attributes:
        report: what results.json holds.
        spec: the dataset.
        tables: name -> rows, of where poses err and how often actions are recognised.
        confusions: 'action' and 'object', in the order in which to show them.
        plots: by the names of their files.
        best: videos, best first.
        worst: videos, worst first.
        scores: a row for each video of the split, in its order.
    """

    report: Mapping[str, Any]
    spec: DatasetSpec
    tables: Mapping[str, Table]
    confusions: Mapping[str, Confusion]
    plots: Mapping[str, Plot]
    best: list[VideoView]
    worst: list[VideoView]
    scores: Table

    @property
    def of_papers(self) -> Published:
        """The published figures that its own stand beside."""
        return published.beside(self.spec.name, self.report["run"]["config"])

    @property
    def title(self) -> str:
        """The dataset and its split, the run and its step."""
        run, split = self.report["run"], self.report["dataset"]["split"]
        return f"{self.spec.title} {split} · {run['workdir']}, step {run['step']}"


def gather(
    report: Mapping[str, Any],
    estimates: Estimates,
    source: RecordSource,
    looks: Sequence[Look] = (),
) -> Material:
    """Analyses an evaluation.

    Args:
        report: what results.json holds.
        estimates: of every frame.
        source: the split.
        looks: where queries looked, of a run that has some.

    Raises:
        InputError: a frame to be shown cannot be decoded.
    """
    spec, results = source.spec, report["results"]
    per_video = results["action"]["per_video"]
    masked = report["run"]["config"]["mask_unannotated_hands"]
    errors = analysis.joint_errors(estimates, spec, mask_unannotated=masked)
    names = source.action_names
    tables = {
        "error_by_joint": analysis.by_joint(errors),
        "error_by_finger": analysis.by_finger(errors),
        "error_by_visibility": analysis.by_visibility(errors, estimates, spec),
        "error_by_window_position": analysis.by_window_position(errors, estimates),
        "accuracy_by_action": analysis.action_table(per_video, names),
        "accuracy_by_verb": analysis.verb_table(per_video, names, spec),
        "accuracy_by_noun": analysis.noun_table(per_video, names, spec),
    }
    beginnings = results.get(early.NAME)
    if beginnings is not None and beginnings["per_action"]:
        tables[early.NAME] = early_plot.early_table(beginnings)
    tables = {name: rows for name, rows in tables.items() if rows}
    confusions = {
        kind: confusion.arrange(results[kind]["confusion"], report["dataset"][f"{kind}_names"])
        for kind in ("action", "object")
    }
    confusions = {kind: one for kind, one in confusions.items() if len(one.names) > 1}
    plots = {plot.name: plot for plot in _plots(spec, report, tables, confusions)}
    if looks:
        plots[attention_plot.NAME] = attention_plot.attention_plot(looks, estimates, source)
    best, worst = analysis.rank_videos(per_video, errors, estimates, len(per_video))
    scores = {score.video: score for score in (*best, *worst)}
    view = partial(videos.view, estimates=estimates, errors=errors, source=source)
    return Material(
        report=report,
        spec=spec,
        tables=tables,
        confusions=confusions,
        plots=plots,
        best=[view(score, per_video[score.video]) for score in best[:_VIDEOS]],
        worst=[view(score, per_video[score.video]) for score in worst[:_VIDEOS]],
        scores=_without_empty(
            [_score_row(entry, scores.get(entry["video"])) for entry in per_video]
        ),
    )


def _plots(
    spec: DatasetSpec,
    report: Mapping[str, Any],
    tables: Mapping[str, Table],
    confusions: Mapping[str, Confusion],
) -> Iterator[Plot]:
    """Those that have something to show."""
    if report["results"]["pose"]:
        yield curves.pck_plot(
            spec,
            report["results"],
            report["baselines"],
            published.beside(spec.name, report["run"]["config"]),
        )
        yield error_plots.joint_plot(tables["error_by_joint"], tables["error_by_finger"])
        if len({row["visible"] for row in tables.get("error_by_visibility", [])}) > 1:
            yield error_plots.visibility_plot(tables["error_by_visibility"])
        if len({row["position"] for row in tables.get("error_by_window_position", [])}) > 1:
            yield error_plots.window_plot(tables["error_by_window_position"])
    if early.NAME in tables:
        constant = report["baselines"]["action"]["accuracy"]
        yield early_plot.early_plot(report["results"][early.NAME], constant)
    for kind, one in confusions.items():
        yield confusion.confusion_plot(one, kind)
    for part in accuracy.PARTS:
        rows = tables.get(f"accuracy_by_{part}", [])
        if len(rows) > 1:
            yield accuracy.accuracy_plot(rows, part)


def _without_empty(rows: Table) -> Table:
    """Without the columns that no row has a value in."""
    filled = [key for key in rows[0] if any(row[key] is not None for row in rows)]
    return [{key: row[key] for key in filled} for row in rows]


def _score_row(entry: Row, score: VideoScore | None) -> Row:
    return {
        "video_id": entry["video_id"],
        "frames": entry["frames"],
        "action": entry["action_name"],
        "predicted": entry["predicted_name"],
        "probability_of_predicted": entry["probabilities"][entry["predicted"]],
        "probability_of_true": score.probability_of_the_true_action if score else None,
        "mepe": score.mepe if score else None,
        "mepe_ra": score.mepe_ra if score else None,
    }
