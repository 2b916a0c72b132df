"""Runs side by side: a row for those that differ only in the seed, the paper's tables."""

import csv
import json
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from etils import epath

from htt_jax import measures
from htt_jax.datasets import published
from htt_jax.evaluation import early, steadiness, tables
from htt_jax.evaluation.depth_error import PUBLISHED_ERROR
from htt_jax.evaluation.studies import ablation
from htt_jax.evaluation.studies import runs as comparison
from htt_jax.evaluation.studies.runs import EvaluatedRun, Group
from htt_jax.measures import Measure
from htt_jax.support.files import atomic_write, make_folder
from htt_jax.support.paths import place

_Numbered: TypeAlias = Sequence[tuple[int, Group]]

_AROUND_TRUTH = (
    "Crops around the true poses, at test time too (`crops.protocol=published`); these figures "
    "compare with no others:"
)


class _Column(NamedTuple):
    """A figure that not every evaluation has.

    Attributes:
        name: in the values of runs.
        heading: over it.
        shown: as text.
        note: what a reader must know of it.
    """

    name: str
    heading: str
    shown: Callable[[float], str]
    note: str = ""


_MORE = (
    _Column(PUBLISHED_ERROR, "mean over batches mm", "{:.2f}".format),
    _Column(
        early.MEAN,
        "early %",
        lambda share: f"{100 * share:.2f}",
        "early: mean accuracy of actions over growing shares of each video; of rows whose runs "
        "were all evaluated with --early.",
    ),
    _Column(
        steadiness.ERROR,
        "acceleration error",
        "{:.2f}".format,
        "acceleration error: of joints, millimetres per squared frame.",
    ),
    *(
        _Column(measure.key, measure.heading, measure.shown, f"{measure.title}: {measure.meaning}.")
        for measure in measures.in_group(measures.BOX)
    ),
)
FILES = ("compare.md", "compare.csv", "compare.json")


def compare(runs: Sequence[str], *, split: str | None = None) -> list[Group]:
    """The evaluations of runs, those that differ only in the seed together.

    Args:
        runs: workdirs, or paths of results.json.
        split: whose evaluation in a workdir to take; None: see `runs.read`.

    Raises:
        InputError: a run is not evaluated, or they cannot be compared.
    """
    return comparison.group([comparison.read(run, split) for run in runs])


def report(groups: Sequence[Group]) -> str:
    """Everything as Markdown: each row, the paper's tables, each run of a row of several."""
    first = groups[0].runs[0]
    parts = [f"warning: {warning}" for warning in comparison.warnings(groups)]
    numbered = list(enumerate(groups, 1))
    parts += _apart(_group_table, numbered)
    of_htt = [group for group in groups if group.options["data.camera"] == "color"]
    if of_htt:
        parts += ablation.ablation_tables(first.spec, of_htt)
    if any(len(group.runs) > 1 for group in groups):
        parts += _apart(_run_table, numbered)
    parts.append(_notes(first, groups))
    return "\n\n".join(parts)


def _apart(table: Callable[[_Numbered], str], numbered: _Numbered) -> Iterator[str]:
    """The table twice, if need be, so that what does not compare stands in no column together."""
    for title, sees_truth in ((None, False), (_AROUND_TRUTH, True)):
        rows = [(number, group) for number, group in numbered if group.sees_truth == sees_truth]
        if rows and title:
            yield title
        if rows:
            yield table(rows)


def _group_table(numbered: _Numbered) -> str:
    groups = [group for _, group in numbered]
    more = _more(groups)
    options = comparison.differing_options(groups)
    shown = _headline(groups)
    header = ["row", "runs", *options, *_headings(shown, more)]
    rows = [
        [
            _name(number, group),
            str(len(group.runs)),
            *(ablation.shown(group.options.get(name)) for name in options),
            *_figures(group, shown, more),
        ]
        for number, group in numbered
    ]
    return tables.markdown(header, rows)


def _name(number: int, group: Group) -> str:
    more = len(group.runs) - 1
    return f"{number}: {group.runs[0].name}" + (f" and {more} more" if more else "")


def _run_table(numbered: _Numbered) -> str:
    groups = [group for _, group in numbered]
    shown, more = _headline(groups), _more(groups)
    header = ["run", "row", "seed", "step", *_headings(shown, more)]
    rows = [
        [run.name, str(number), str(run.seed), str(run.step), *_figures(Group([run]), shown, more)]
        for number, group in numbered
        for run in group.runs
    ]
    return tables.markdown(header, rows)


def _headings(shown: Sequence[Measure], more: Sequence[_Column]) -> list[str]:
    return [*(measure.heading for measure in shown), *(column.heading for column in more)]


def _headline(groups: Sequence[Group]) -> list[Measure]:
    """What was measured of any run; actions that nobody knows are hidden ones."""
    known = _measured(groups)
    headline = measures.headline().items()
    return [one for key, one in headline if key in known or one.place[0] == "action"]


def _more(groups: Sequence[Group]) -> list[_Column]:
    """Those of `_MORE` that were measured of any run."""
    known = _measured(groups)
    return [column for column in _MORE if column.name in known]


def _measured(groups: Sequence[Group]) -> set[str]:
    return {name for group in groups for run in group.runs for name in run.values}


def _figures(group: Group, shown: Sequence[Measure], more: Sequence[_Column]) -> list[str]:
    found = [
        ablation.figure(group, measure) or (tables.HIDDEN if measure.place[0] == "action" else "")
        for measure in shown
    ]
    return [*found, *(_shown(group, column) for column in more)]


def _shown(group: Group, column: _Column) -> str:
    """Nothing where it was not measured of all runs of a row."""
    if not all(column.name in run.values for run in group.runs):
        return ""
    return ablation.mean_of(group, column.name, column.shown)


def _notes(first: EvaluatedRun, groups: Sequence[Group]) -> str:
    notes = [f"Split {first.split} of {first.spec.title}."]
    if first.spec.simulated:
        notes.append("The frames are simulated, not filmed.")
    if first.spec.fitted_joints:
        notes.append("True joints in space are fitted to labels in images, not measured.")
    if any(group.options.get("crops.protocol") == "honest" for group in groups):
        notes.append(
            "Crops of the first table, where there are any: around tracked hands (honest)."
        )
    if any(len(group.runs) > 1 for group in groups):
        notes.append("±: sample standard deviation over the runs of a row, which differ in seed.")
    notes += [column.note for column in _more(groups) if column.note]
    if len(first.spec.hands) > 1:
        notes.append("Poses are averaged over the hands, but for Tab. 4.")
    title = ablation.published_beside(first.spec, groups).title
    if title:
        notes.append(
            f"Published: from the paper, t = {published.WINDOW}, T = {published.FRAMES} unless "
            f"said, on the test split of the real {title}; for context, not measured here."
        )
    return "\n".join(notes)


def write(folder: epath.PathLike, groups: Sequence[Group]) -> None:
    """Writes the report, and the figures unrounded as a sheet (a line a row) and as JSON."""
    out = place(folder)
    make_folder(out)
    markdown_file, csv_file, json_file = (out / name for name in FILES)
    with atomic_write(markdown_file, "w") as file:
        file.write(report(groups) + "\n")
    with atomic_write(csv_file, "w") as file:
        csv.writer(file, lineterminator="\n").writerows(_sheet(groups))
    with atomic_write(json_file, "w") as file:
        json.dump(_content(groups), file, indent=1, allow_nan=False)


def _sheet(groups: Sequence[Group]) -> list[list[Any]]:
    """Header and rows; t, T and variant are always there, other options where they differ."""
    options = list(dict.fromkeys([*ablation.VARIED, *comparison.differing_options(groups)]))
    figures = [
        (measure, sees_truth)
        for sees_truth in (False, True)
        for measure in _measures([group for group in groups if group.sees_truth == sees_truth])
    ]
    header = ["row", "runs", "seeds", *options]
    for measure, sees_truth in figures:
        name = f"{measure}, published crops" if sees_truth else measure
        header += [name, f"{name} deviation"]
    sheet: list[list[Any]] = [header]
    for number, group in enumerate(groups, 1):
        seeds = " ".join(str(run.seed) for run in group.runs)
        line = [number, len(group.runs), seeds]
        line += [ablation.shown(group.options.get(name)) for name in options]
        for measure, sees_truth in figures:
            is_its = group.sees_truth == sees_truth
            line += [group.mean(measure), group.deviation(measure)] if is_its else [None, None]
        sheet.append(line)
    return sheet


def _content(groups: Sequence[Group]) -> dict[str, Any]:
    first = groups[0].runs[0]
    of_paper = ablation.published_beside(first.spec, groups)
    return {
        "dataset": first.spec.name,
        "split": first.split,
        "warnings": comparison.warnings(groups),
        "differing_options": comparison.differing_options(groups),
        "rows": [
            {
                "row": number,
                "options": group.options,
                "figures": {
                    measure: {"mean": group.mean(measure), "deviation": group.deviation(measure)}
                    for measure in _measures(groups)
                },
                "runs": [_run_content(run) for run in group.runs],
            }
            for number, group in enumerate(groups, 1)
        ],
        "published": {
            "pose_of_window": of_paper.pose_of_window,
            "action_per_cent_of_frames": of_paper.action_of_frames,
            "action_per_cent_of_variant": of_paper.action_of_variant,
        },
    }


def _run_content(run: EvaluatedRun) -> dict[str, Any]:
    return {
        "run": run.name,
        "results": str(run.path),
        "seed": run.seed,
        "step": run.step,
        "fingerprint": run.fingerprint,
        "figures": run.values,
    }


def _measures(groups: Sequence[Group]) -> list[str]:
    return list(
        dict.fromkeys(name for group in groups for run in group.runs for name in run.values)
    )
