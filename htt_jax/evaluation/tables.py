"""Results as tables to read in a terminal and to paste into a draft (Markdown)."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from htt_jax.datasets import published
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.results import Results
from htt_jax.support.words import counted

_MISSING = ""
HIDDEN = "hidden"
"""Accuracy of actions that are not known."""
_SPACES = (("camera_space", ""), ("root_aligned", "-RA"))


class TextTable(NamedTuple):
    """A table as it is shown; the first cell of the header says what it is about."""

    header: list[str]
    rows: list[list[str]]


def evaluation_tables(report: Mapping[str, Any]) -> str:
    """The headline tables of an evaluation's report (see `htt_jax.evaluate`), with their notes."""
    parts = [markdown(*table) for table in headline_tables(report)]
    return "\n\n".join([*parts, "\n".join(notes(report))])


def headline_tables(report: Mapping[str, Any]) -> list[TextTable]:
    """The tables of an evaluation's report: per hand, then recognition."""
    spec = datasets.recorded(report["dataset"])
    results, baselines = report["results"], report["baselines"]
    this_run = f"this run, step {report['run']['step']}"
    poses = [pose_table(spec, hand, results, baselines, this_run) for hand in results["pose"]]
    return [*poses, recognition_table(spec, results, baselines, this_run)]


def pose_table(
    spec: DatasetSpec, hand: str, results: Results, baselines: Results, this_run: str
) -> TextTable:
    """Errors and areas under the PCK curves of one hand, in both spaces.

    Errors in millimetres; the ratio is of errors, so smaller is better.
    """
    found, constant = results["pose"][hand], baselines["pose"][hand]
    of_paper = published.of(spec.name)
    theirs = of_paper.pose.get(hand)
    ranges = {"camera_space": spec.camera_space, "root_aligned": spec.root_aligned}
    header = [f"{hand} hand, {counted(found['frames'], 'frame')}"]
    rows = [[this_run], ["mean training pose"], ["ratio"]]
    if theirs:
        rows.append([f"HTT, published ({of_paper.title})"])
    for space, suffix in _SPACES:
        header += [
            f"MEPE{suffix} mm",
            f"median{suffix} mm",
            f"AUC{suffix} 0-{ranges[space].maximum:.0f} mm",
        ]
        for row, one in zip(rows[:2], (found, constant), strict=True):
            row += [
                f"{one[space]['mepe']:.2f}",
                f"{one[space]['median']:.2f}",
                f"{one[space]['auc']:.3f}",
            ]
        rows[2] += [_ratio(found[space], constant[space], key) for key in ("mepe", "median")]
        rows[2].append(_MISSING)
        key = suffix.lower().replace("-", "_")
        if theirs:
            rows[3] += [f"{theirs['mepe' + key]:.2f}", _MISSING, f"{theirs['auc' + key]:.3f}"]
    return TextTable(header, rows)


def recognition_table(
    spec: DatasetSpec, results: Results, baselines: Results, this_run: str
) -> TextTable:
    """Accuracies in per cent, with the published ones of actions."""
    action, objects = results["action"], results["object"]
    hidden = len(action["per_video"]) - action["videos"]
    videos = f"{counted(action['videos'], 'video')}" if action["videos"] or not hidden else HIDDEN
    rows = [
        [
            name,
            _percent(one["action"]["accuracy"]),
            _percent(one["action"]["majority_vote_accuracy"]),
            _percent(one["object"]["accuracy"]),
        ]
        for name, one in ((this_run, results), ("most frequent class", baselines))
    ]
    of_papers = published.of(spec.name)
    for kind, accuracies in (
        ("published", of_papers.action_accuracy),
        ("later work", of_papers.later_action_accuracy),
    ):
        rows += [
            [f"{name}, {kind} ({of_papers.title})", f"{accuracy:.2f}", _MISSING, _MISSING]
            for name, accuracy in accuracies.items()
        ]
    header = [
        "recognition",
        f"action %, {videos}",
        "by majority %",
        f"object %, {counted(objects['frames'], 'frame')}",
    ]
    return TextTable(header, rows)


def markdown(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns also line up as text: the first to the left, others right."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def line(cells: Sequence[str]) -> str:
        padded = [
            cell.rjust(width) if column else cell.ljust(width)
            for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
        ]
        return f"| {' | '.join(padded)} |"

    rule = [
        "-" * (width - 1) + ":" if column else "-" * width for column, width in enumerate(widths)
    ]
    return "\n".join([line(header), line(rule), *map(line, rows)])


def notes(report: Mapping[str, Any]) -> list[str]:
    """What a reader of the headline tables must know, a sentence or two each."""
    dataset = report["dataset"]
    spec = datasets.recorded(dataset)
    videos, frames = counted(dataset["videos"], "video"), counted(dataset["frames"], "frame")
    found = [
        f"Split {dataset['split']} of {dataset['directory']}: {videos}, {frames}.",
        "Baselines: the mean pose and the most frequent classes of the training split; ratio: this "
        "run's error by the mean pose's.",
    ]
    if spec.simulated:
        found.append(
            "The frames are simulated, not filmed: what holds here may not hold on real ones."
        )
    title = published.of(spec.name).title
    if title:
        found.append(
            f"Published: from the papers, on the test split of the real {title}; for context, "
            "not measured here."
        )
    hidden = sum(entry["action"] < 0 for entry in report["results"]["action"]["per_video"])
    if hidden:
        found.append(f"The actions of {counted(hidden, 'video')} are hidden and not scored.")
    unannotated = [hand for hand in spec.hands if hand not in report["results"]["pose"]]
    found += [f"The {hand} hand is annotated in no frame." for hand in unannotated]
    return found


def _ratio(found: Mapping[str, float], constant: Mapping[str, float], key: str) -> str:
    return f"{found[key] / constant[key]:.2f}" if constant[key] else _MISSING


def _percent(accuracy: float | None) -> str:
    return HIDDEN if accuracy is None else f"{100 * accuracy:.2f}"
