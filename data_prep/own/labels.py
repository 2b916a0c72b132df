"""labels.csv: which part of which recording shows which action."""

import collections
import dataclasses
import itertools
import math
import pathlib
import posixpath
import re
from collections.abc import Sequence
from typing import NamedTuple

from data_prep import tables
from data_prep.raw import Note
from htt_jax.support.errors import InputError

FILE = "labels.csv"
SPLITS = ("train", "val", "test")

_NEEDED = ("video", "action")
_TABLES = (".csv", ".tsv", ".xlsx", ".xls", ".ods", ".numbers")
_KNOWN = (*_NEEDED, "start", "end", "object", "split", "subject")
_MEANT = {
    **dict.fromkeys(("begin", "from"), "start"),
    **dict.fromkeys(("stop", "to"), "end"),
    **dict.fromkeys(("label", "class"), "action"),
}
_CLOCK = re.compile(r"(?:([0-9]{1,5}):)?([0-9]{1,7}):([0-9]{1,9}(?:[.,][0-9]*)?)")
_THOUSAND = re.compile(r"[1-9][0-9]{0,2},[0-9]{3}")  # which may be a thousand, or decimals
_LONGEST = 1e9  # seconds, of a recording
_TOLERANCE = 1e-4  # seconds; times are rounded


class Span(NamedTuple):
    """A part of a recording: frames from `start` to `end`, both included, or seconds from it on.

    In seconds the end is not included: a frame at 2.0 s is of what begins there. Open ends are
    infinite.
    """

    start: float
    end: float
    is_seconds: bool

    def is_before(self, number: int, seconds: float) -> bool:
        """Whether a frame lies before it."""
        return seconds < self.start - _TOLERANCE if self.is_seconds else number < self.start

    def is_after(self, number: int, seconds: float) -> bool:
        """Whether a frame lies after it."""
        return seconds >= self.end - _TOLERANCE if self.is_seconds else number > self.end

    def overlaps(self, other: "Span") -> bool:
        """Whether a frame can be in both."""
        first, last = max(self.start, other.start), min(self.end, other.end)
        return first < last - _TOLERANCE if self.is_seconds else first <= last

    def __str__(self) -> str:
        if self.start == 0 and math.isinf(self.end):
            return "all"
        digits = "g" if self.is_seconds else "04.0f"
        return f"{self.start:{digits}}-" + (
            "end" if math.isinf(self.end) else f"{self.end:{digits}}"
        )


@dataclasses.dataclass(frozen=True)
class Label:
    """A row of labels.csv; what is not known is ''."""

    line: int
    video: str
    span: Span
    action: str
    object: str
    split: str
    subject: str


def read_labels(path: pathlib.Path, times: str) -> tuple[list[Label], list[Note]]:
    """The labels, in the file's order, and what is to be known of them.

    Args:
        path: of labels.csv.
        times: 'seconds' or 'frames', what `start` and `end` are.

    Raises:
        InputError: the table, or a row of it, is not as it should be; or two rows label the same.
    """
    if not path.exists():
        raise InputError(f"no {path}; {_instead(path)}")
    table = tables.read_table(path, _NEEDED)
    _check_columns(table)
    if times == "seconds":
        _check_commas(table)
    labels = [_label(table, row, times == "seconds") for row in table.rows]
    if not labels:
        raise InputError(f"{path} has no row; write one for each action: video, start, end, action")
    unsplit = next((label for label in labels if not label.split), None)
    if unsplit is not None and any(label.split for label in labels):
        raise InputError(
            f"{path}, line {unsplit.line}: no split, and other rows have one; give every row one "
            "of train, val, test, or none"
        )
    notes = []
    unknown = [name for name in table.columns if name and name not in _KNOWN]
    if unknown:
        what = f"columns {', '.join(unknown)}; read are {', '.join(_KNOWN)}"
        notes.append(Note("ignored", str(path), what))
    return labels, notes + _overlaps(path, labels) + _alike(path, labels)


def _instead(path: pathlib.Path) -> str:
    """What to do where there is no table."""
    tables_there = sorted(x.name for x in path.parent.glob("*") if x.suffix.lower() in _TABLES)
    if tables_there:
        return f"save {tables_there[0]} as CSV under this name"
    return "`python -m data_prep.own --new DIR` writes an example with one"


def _check_columns(table: tables.Table) -> None:
    """Refuses names by which a segment would be another in silence.

    Raises:
        InputError: there is such a column, or of `start` and `end` one alone.
    """
    for name in table.columns:
        if name in _MEANT:
            raise InputError(
                f"{table.path}: column {name!r} is not read; call it {_MEANT[name]}, or remove it"
            )
    for name, other in (("start", "end"), ("end", "start")):
        if name in table.columns and other not in table.columns:
            raise InputError(
                f"{table.path} has a column {name} and no {other}; give both (cells may be empty), "
                "or none where every row is a whole recording"
            )


def _check_commas(table: tables.Table) -> None:
    """Refuses 1,000 where no other time shows what a comma is.

    Raises:
        InputError: there is such a time.
    """
    times = [
        (row, name, row.cells[name])
        for row in table.rows
        for name in ("start", "end")
        if "," in row.cells.get(name, "")
    ]
    unclear = [time for time in times if _THOUSAND.fullmatch(time[2])]
    if unclear and len(unclear) == len(times):
        row, name, word = unclear[0]
        raise InputError(
            f"{table.where(row)}: {name} is {word!r}, which may be {word.replace(',', '.')} or "
            f"{word.replace(',', '')} seconds; write one of these"
        )


def _label(table: tables.Table, row: tables.Row, is_seconds: bool) -> Label:
    cells = {name: row.cells.get(name, "") for name in _KNOWN}
    where = table.where(row)
    for name in _NEEDED:
        if not cells[name]:
            raise InputError(f"{where}: no {name}; every row needs one")
    start = _time(cells["start"], where, "start", is_seconds) if cells["start"] else 0.0
    end = _time(cells["end"], where, "end", is_seconds) if cells["end"] else math.inf
    if start < 0 or end < start or (is_seconds and end == start):
        raise InputError(f"{where}: from {start:g} to {end:g}; expected 0 <= start < end")
    split = cells["split"].lower()
    if split and split not in SPLITS:
        raise InputError(
            f"{where}: split is {cells['split']!r}, expected {', '.join(SPLITS)}; or leave the "
            "column away, and splits are made"
        )
    video = posixpath.normpath(cells["video"].replace("\\", "/").strip("/"))
    if video.split("/")[0] in (".", ".."):
        raise InputError(f"{where}: video is {cells['video']!r}, expected a folder beside {FILE}")
    span = Span(start, end, is_seconds)
    return Label(row.line, video, span, cells["action"], cells["object"], split, cells["subject"])


def _time(word: str, where: str, name: str, is_seconds: bool) -> float:
    """Seconds, also as minutes and seconds; or the number of a frame."""
    if not is_seconds:
        hint = '; where it is a time, write times = "seconds" into dataset.toml'
        return float(tables.frame_number(word, where, name, hint))
    clock = _CLOCK.fullmatch(word)
    if clock:
        hours, minutes, seconds = clock.groups(default="0")
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds.replace(",", "."))
    value = tables.number(word, where, name)
    if not abs(value) < _LONGEST:
        raise InputError(f"{where}: {name} is {word!r}, expected seconds, fewer than {_LONGEST:g}")
    return value


def _overlaps(path: pathlib.Path, labels: Sequence[Label]) -> list[Note]:
    """Notes on frames that have two labels.

    Raises:
        InputError: two rows label the same part, or one is trained on and another evaluated.
    """
    by_video = collections.defaultdict(list)
    for label in labels:
        by_video[label.video].append(label)
    notes = []
    for video, rows in by_video.items():
        rows.sort(key=lambda label: label.span)
        overlapping = []
        for i, one in enumerate(rows):
            later = itertools.takewhile(lambda row: row.span.start <= one.span.end, rows[i + 1 :])  # noqa: B023
            overlapping += [(one, other) for other in later if one.span.overlaps(other.span)]
        for one, other in overlapping:
            first, second = sorted((one.line, other.line))
            where = f"{path}, lines {first} and {second}: both label {video}"
            if one.span == other.span:
                raise InputError(f"{where}, {one.span}; remove one")
            if one.split != other.split:
                raise InputError(
                    f"{where} where they overlap ({one.span} and {other.span}), one of split "
                    f"{one.split}, one of {other.split}; what is evaluated must not be trained on"
                )
        if overlapping:
            one, other = overlapping[0]
            what = f"lines {one.line} and {other.line} ({one.span} and {other.span})"
            more = f" and {len(overlapping) - 1} more pairs" if len(overlapping) > 1 else ""
            ends = "" if one.span.is_seconds else "; the frame `end` is included"
            notes.append(
                Note("two labels", video, f"some frames, by {what}{more}{ends}; both kept")
            )
    return notes


def _alike(path: pathlib.Path, labels: Sequence[Label]) -> list[Note]:
    """Notes on classes whose names differ only in what may be a slip."""
    notes = []
    for column in ("action", "object", "subject"):
        names = dict.fromkeys(getattr(label, column) for label in labels)
        same = collections.defaultdict(list)
        for name in names:
            same[re.sub(r"[\s_-]+", " ", name.casefold())].append(name)
        for group in same.values():
            if len(group) > 1:
                what = f"{column}s {' and '.join(map(repr, group))} are taken for different ones"
                notes.append(Note("alike", str(path), what))
    return notes
