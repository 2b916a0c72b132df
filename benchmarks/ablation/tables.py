"""A study as files: Markdown to read, a sheet, everything as JSON, a picture."""

import csv
import dataclasses
import json
import pathlib
import shlex
from collections.abc import Iterator
from typing import Any

from benchmarks.ablation import data, forecasts, picture
from benchmarks.ablation.findings import Finding, Findings, measure
from benchmarks.ablation.runs import Run, Setting, commands, whole_command
from benchmarks.ablation.statistics import LEVEL, Difference
from htt_jax.datasets import published
from htt_jax.datasets import spec as datasets
from htt_jax.evaluation import tables
from htt_jax.measures import Measure
from htt_jax.support.files import atomic_write
from htt_jax.support.words import counted

SUFFIXES = ("md", "csv", "json", "png")


def report(setting: Setting, found: Findings) -> str:
    """The table with its notes and the commands that make it."""
    header, rows = _table(found)
    parts = [f"# {found.study.title}", tables.markdown(header, rows), _notes(setting, found)]
    rows_of_runs = {Run(row.options, 0).name: row for row in reversed(found.study.rows)}
    made_by = [f"# {row.title}\n" + "\n".join(commands(setting, row, found.seeds))
               for row in reversed(rows_of_runs.values())]  # fmt: skip
    whole = whole_command(setting, found.name, found.seeds)
    parts.append(f"All of it, again or further:\n\n```\n{whole}\n```")
    dataset = [shlex.join(["python", "-m", f"data_prep.{module}", *arguments])
               for module, *arguments in data.commands(setting)]  # fmt: skip
    made_by = ["\n".join(dataset), *made_by] if dataset else made_by
    parts.append("Run by run:\n\n```\n" + "\n\n".join(made_by) + "\n```")
    return "\n\n".join(parts)


def write(setting: Setting, found: Findings) -> None:
    """Writes all files of a study."""
    places = {suffix: setting.out / f"{found.name}.{suffix}" for suffix in SUFFIXES}
    with atomic_write(places["md"], "w") as file:
        file.write(report(setting, found) + "\n")
    with atomic_write(places["csv"], "w") as file:
        csv.writer(file, lineterminator="\n").writerows(_sheet(found))
    with atomic_write(places["json"], "w") as file:
        json.dump(_content(setting, found), file, indent=1, allow_nan=False)
    picture.write(setting, found, places["png"])


def summary(found: Findings, out: pathlib.Path) -> str:
    """What is printed: the table, and where the rest is."""
    header, rows = _table(found)
    files = ", ".join(f"{found.name}.{suffix}" for suffix in SUFFIXES)
    missing = f"; {counted(found.missing, 'run')} still to be done" if found.missing else ""
    return "\n\n".join(
        [found.study.title, tables.markdown(header, rows), f"written: {files} in {out}{missing}"]
    )


def _table(found: Findings) -> tuple[list[str], list[list[str]]]:
    of_paper = [
        place
        for place in range(len(found.study.measures))
        if any(of_row[place].published is not None for of_row in found.table)
    ]
    header = ["", "runs"]
    for place, key in enumerate(found.study.measures):
        heading = measure(key).heading
        header += [heading, "difference [95 %]"]
        header += [f"{heading}, published"] if place in of_paper else []
    rows = []
    for of_row in found.table:
        cells = [of_row[0].row.title, str(max(len(one.of_seeds) for one in of_row))]
        for place, one in enumerate(of_row):
            cells += [_mean(one), _difference(one)]
            cells += [_published(one)] if place in of_paper else []
        rows.append(cells)
    return header, rows


def _mean(one: Finding) -> str:
    if one.mean is None:
        return ""
    shown = measure(one.measure).shown
    return shown(one.mean) + ("" if one.deviation is None else f" ± {shown(one.deviation)}")


def _difference(one: Finding) -> str:
    told, shown = one.difference, measure(one.measure).shown
    if told is None:
        return ""
    text = _signed(told.mean, measure(one.measure))
    if told.low is not None and told.high is not None:
        text += f" [{shown(told.low)}, {shown(told.high)}]"
    return text + ("*" if one.tells_apart else "")


def _signed(value: float, of: Measure) -> str:
    text = of.shown(value)
    return text if text.startswith("-") else f"+{text}"


def _published(one: Finding) -> str:
    return "" if one.published is None else measure(one.measure).shown(one.published)


def _notes(setting: Setting, found: Findings) -> str:
    notes = []
    if found.records:
        dataset = found.records[0]["dataset"]
        title = datasets.recorded(dataset).title
        notes.append(
            f"Split {dataset['split']} of {title}: {counted(dataset['videos'], 'video')}, "
            f"{counted(dataset['frames'], 'frame')}; the state after the last step."
        )
    notes += [
        "±: sample deviation over the runs of a row, which differ in their seed. Difference: from "
        "the first row, seed by seed and video by video; in brackets the 95 % interval, the wider "
        "of that over other seeds and that over other test videos (AUC: other seeds alone). An "
        f"asterisk: p < {LEVEL} over seeds and over videos, all questions of the table counted "
        "(Holm).",
    ]
    alone = [of_row[0].row.title for of_row in found.table
             if any(one.of_videos_alone for one in of_row)]  # fmt: skip
    if alone:
        notes.append(
            f"Paired with the first row in one seed only: {'; '.join(alone)}. Intervals there "
            "are over other test videos alone, and there is no asterisk: other trainings may "
            "differ more."
        )
    notes += _notes_on_forecasts(found)
    if found.missing:
        notes.append(f"Not whole: {counted(found.missing, 'run')} still to be done.")
    if any(one.published is not None for of_row in found.table for one in of_row):
        notes.append(
            f"Published: from the paper, on the test split of the real "
            f"{published.of(setting.dataset).title}, for context; accuracies and errors of other "
            "data and another size do not compare, trends may."
        )
    return "\n".join(notes)


def _notes_on_forecasts(found: Findings) -> Iterator[str]:
    if not forecasts.MEASURES.keys() & set(found.study.measures):
        return
    spaces = {record["forecast"]["space"] for record in found.records if "forecast" in record}
    if spaces:
        yield (
            f"Poses ahead: mean joint error, {' or '.join(spaces)}, mean over hands; RA: "
            "root-aligned. Empty: the model does not look so far, or a hand has no such past."
        )
    without = sum("forecast" not in record for record in found.records)
    if without:
        yield (
            f"Without figures of poses ahead: {counted(without, 'run')} of an earlier version; "
            "remove the record.json of each, and the same command evaluates it again."
        )


def _sheet(found: Findings) -> Iterator[list[Any]]:
    fields = [field.name for field in dataclasses.fields(Difference)]
    yield [
        *("row", "title", "measure", "runs", "mean", "deviation", "published"),
        *(f"difference_{name}" for name in fields),
        "p_corrected",
    ]
    for of_row in found.table:
        for one in of_row:
            told = dataclasses.asdict(one.difference) if one.difference else {}
            yield [
                *(one.row.name, one.row.title, one.measure, len(one.of_seeds), one.mean),
                *(one.deviation, one.published, *(told.get(name) for name in fields), one.p),
            ]


def _content(setting: Setting, found: Findings) -> dict[str, Any]:
    return {
        "study": found.name,
        "title": found.study.title,
        "scale": setting.scale.name,
        "dataset": found.records[0]["dataset"] if found.records else None,
        "seeds": found.seeds,
        "missing_runs": found.missing,
        "software": [record["software"] for record in found.records],
        "rows": [
            {
                "row": of_row[0].row.name,
                "title": of_row[0].row.title,
                "options": dict(of_row[0].row.options),
                "commands": commands(setting, of_row[0].row, found.seeds),
                "measures": {one.measure: _of_finding(one) for one in of_row},
            }
            for of_row in found.table
        ],
    }


def _of_finding(one: Finding) -> dict[str, Any]:
    return {
        "of_seeds": one.of_seeds,
        "mean": one.mean,
        "deviation": one.deviation,
        "published": one.published,
        "difference": dataclasses.asdict(one.difference) if one.difference else None,
        "p_corrected": one.p,
    }
