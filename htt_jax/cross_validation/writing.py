"""What a cross-validation found, on the screen and in files."""

import csv
import json
import pathlib
import statistics
from collections.abc import Sequence

from htt_jax import measures
from htt_jax.cross_validation.doubts import Doubt
from htt_jax.cross_validation.page import page
from htt_jax.cross_validation.running import Found
from htt_jax.data.folds import Division
from htt_jax.evaluation.tables import TextTable, markdown
from htt_jax.support.files import atomic_write
from htt_jax.support.words import counted

SHEET_FILE = "doubts.csv"
FILES = ("doubts.html", SHEET_FILE, "folds.md", "folds.json")
LISTED = 10  # on the screen


def write(
    out: pathlib.Path,
    workdir: str,
    division: Division,
    found: Sequence[Found],
    doubted: Sequence[Doubt],
) -> str:
    """Writes page, sheet, tables and everything as JSON; returns what is to be printed.

    Args:
        out: folder, which is there.
        workdir: of the run whose training was repeated.
        division: of the dataset.
        found: the folds.
        doubted: all labelled videos, the most doubtful first.

    Raises:
        InputError: as `page.page`.
    """
    page_file, sheet_file, tables_file, json_file = (out / name for name in FILES)
    suspects = [one for one in doubted if one.is_suspect]
    folds, lead = _folds(found), _lead(division, found, doubted)
    with atomic_write(sheet_file, "w") as file:
        csv.writer(file, lineterminator="\n").writerows([_HEADER, *map(_row, doubted)])
    text = _text(lead, folds, suspects)
    with atomic_write(tables_file, "w") as file:
        file.write(text + "\n")
    with atomic_write(json_file, "w") as file:
        json.dump(_content(division, found), file, indent=1, allow_nan=False)
    with atomic_write(page_file, "w") as file:
        file.write(page(f"Folds of {workdir}", lead, folds, found, suspects))
    return text


def _folds(found: Sequence[Found]) -> TextTable:
    """The headline of each fold, then mean and sample deviation."""
    shown = [
        measure
        for key, measure in measures.headline().items()
        if all(key in fold.headline for fold in found)
    ]
    rows = [
        [str(number), str(len(fold.videos)), *(m.shown(fold.headline[m.key]) for m in shown)]
        for number, fold in enumerate(found)
    ]
    values = [[fold.headline[measure.key] for fold in found] for measure in shown]
    total = str(sum(len(fold.videos) for fold in found))
    of_all = [
        f"{measure.shown(statistics.fmean(of))} ± {measure.shown(statistics.stdev(of))}"
        for measure, of in zip(shown, values, strict=True)
    ]
    header = ["fold", "videos", *(measure.heading for measure in shown)]
    return TextTable(header, [["mean ± deviation", total, *of_all], *rows])


def _lead(division: Division, found: Sequence[Found], doubted: Sequence[Doubt]) -> str:
    right = sum(one.entry["predicted"] == one.entry["action"] for one in doubted)
    suspects = sum(one.is_suspect for one in doubted)
    alone = sum(not one.is_learned for one in doubted)
    said = (
        f"{len(found)} folds by {division.unit} ({counted(division.groups, division.unit)}); each "
        f"video is judged by a model that has not seen its {division.unit}. The action of {right} "
        f"of {counted(len(doubted), 'video')} is recognised, the label of {suspects} is doubted."
    )
    if alone:
        said += (
            f" Of {counted(alone, 'video')} the action is shown in no other fold, so that nobody "
            "could learn it."
        )
    return said


def _text(lead: str, folds: TextTable, suspects: Sequence[Doubt]) -> str:
    parts = [lead, markdown(folds.header, folds.rows)]
    if suspects:
        header = ["doubted label", "labelled", "rather", "label's probability"]
        rows = [
            [
                one.entry["video_id"],
                one.entry["action_name"],
                f"{one.believed_name} {100 * one.of_believed:.0f} %",
                f"{100 * one.of_label:.1f} %",
            ]
            for one in suspects[:LISTED]
        ]
        parts.append(markdown(header, rows))
        if len(suspects) > LISTED:
            parts.append(f"The {LISTED} most doubtful of {len(suspects)}; all: {SHEET_FILE}.")
    return "\n\n".join(parts)


_HEADER = (
    "video_id",
    "fold",
    "label",
    "believed",
    "suspected",
    "probability_of_label",
    "probability_of_believed",
    "label_in_other_folds",
    "frames",
)


def _row(one: Doubt) -> list[object]:
    return [
        one.entry["video_id"],
        one.fold,
        one.entry["action_name"],
        one.believed_name,
        one.is_suspect,
        one.of_label,
        one.of_believed,
        one.is_learned,
        one.entry["frames"],
    ]


def _content(division: Division, found: Sequence[Found]) -> dict[str, object]:
    return {
        "unit": division.unit,
        "folds": [
            {
                "run": str(fold.folder),
                "headline": dict(fold.headline),
                "videos": fold.videos,
            }
            for fold in found
        ],
    }
