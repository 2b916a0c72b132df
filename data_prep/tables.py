"""Tables as spreadsheets save them: any separator, decimal commas, quotes, byte order marks."""

import codecs
import csv
import io
import pathlib
import re
from collections.abc import Sequence
from typing import NamedTuple

from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_SEPARATORS = (",", ";", "\t")
_EXCEL_HINT = "sep="  # a first line by which Excel is told the separator

_FRAME = re.compile(r"([0-9]{1,15})(?:\.0*)?")


class Row(NamedTuple):
    """A line of a table: its number from 1, and its cells by column, without blanks around."""

    line: int
    cells: dict[str, str]


class Table(NamedTuple):
    """The columns, in lower case, and the rows that are not blank."""

    path: pathlib.Path
    columns: tuple[str, ...]
    rows: list[Row]

    def where(self, row: Row) -> str:
        """'FILE, line 3', as messages begin."""
        return f"{self.path}, line {row.line}"


def read_table(path: pathlib.Path, needed: Sequence[str]) -> Table:
    """The table in a CSV file, in UTF-8 or UTF-16, separated by comma, semicolon or tab.

    Cells that are missing at a line's end are empty.

    Args:
        path: of the file.
        needed: columns it must have, in lower case.

    Raises:
        InputError: it cannot be read, a column is missing or there twice, a line has more cells
            than there are columns, or a quote is not closed.
    """
    lines = _text(path).splitlines(keepends=True)
    skipped = 1 if lines and lines[0].lower().startswith(_EXCEL_HINT) else 0
    separator = _separator(lines[skipped:], needed)
    reader = csv.reader(io.StringIO("".join(lines[skipped:]), newline=""), delimiter=separator)
    columns: tuple[str, ...] | None = None
    rows: list[Row] = []
    try:
        for words in reader:
            line = reader.line_num + skipped
            cells = [word.strip() for word in words]
            if not any(cells):
                continue
            if any("\n" in cell or "\r" in cell for cell in cells):
                raise InputError(f"{path}, line {line}: a quote is opened before and not closed")
            if columns is None:
                columns = _columns(path, line, cells, needed)
            else:
                rows.append(_row(path, line, cells, columns))
    except csv.Error as error:
        raise InputError(f"{path}, line {reader.line_num + skipped}: {error}") from error
    if columns is None:
        raise InputError(f"{path} is empty; expected a first line {','.join(needed)}")
    return Table(path, columns, rows)


def lacks(columns: Sequence[str]) -> str:
    """'lacks 2 columns (x0, ...)', of columns that a table should have."""
    others = ", ..." if len(columns) > 1 else ""
    return f"lacks {counted(len(columns), 'column')} ({columns[0]}{others})"


def number(word: str, where: str, meaning: str) -> float:
    """`word` as a number, its decimals after a point or a comma.

    Raises:
        InputError: it is none; names place and meaning.
    """
    is_decimal_comma = word.count(",") == 1 and "." not in word
    try:
        if "_" in word:  # which Python passes over
            raise ValueError(word)
        return float(word.replace(",", ".") if is_decimal_comma else word)
    except ValueError:
        raise InputError(f"{where}: {meaning} is {word!r}, expected a number") from None


def frame_number(word: str, where: str, meaning: str, hint: str = "") -> int:
    """`word` as the number of a frame: digits, perhaps with .0 as some tables write it.

    A comma may be a decimal one or stand before thousands, and is refused.

    Raises:
        InputError: it is none; names place and meaning and ends with `hint`.
    """
    match = _FRAME.fullmatch(word)
    if match is None:
        raise InputError(
            f"{where}: {meaning} is {word!r}, expected the number of a frame, in digits alone{hint}"
        )
    return int(match[1])


def _text(path: pathlib.Path) -> str:
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; expected a CSV file") from error
    is_utf16 = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        text = data.decode("utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise InputError(
            f"{path}, line {line}: not text in UTF-8; have your spreadsheet save it as 'CSV UTF-8'"
        ) from error
    if "\0" in text:
        raise InputError(f"{path} is no text but a binary file; have it saved as 'CSV UTF-8'")
    return text


def _separator(lines: Sequence[str], needed: Sequence[str]) -> str:
    """What the first line that is not blank has between its columns."""
    header = next((line for line in lines if line.strip()), "")

    def fitting(separator: str) -> tuple[int, int]:
        words = header.split(separator)
        names = {word.strip().strip('"').strip().lower() for word in words}
        return len(names & set(needed)), len(words)

    return max(_SEPARATORS, key=fitting)


def _columns(
    path: pathlib.Path, line: int, cells: Sequence[str], needed: Sequence[str]
) -> tuple[str, ...]:
    columns = tuple(cell.lower() for cell in cells)
    absent = [name for name in needed if name not in columns]
    if absent:
        raise InputError(
            f"{path}, line {line}: no column {', '.join(absent)} in {', '.join(cells)!r}; the "
            f"first line names the columns, {', '.join(needed)} among them"
        )
    twice = next((name for name in columns if name and columns.count(name) > 1), None)
    if twice is not None:
        raise InputError(f"{path}, line {line}: column {twice!r} is there twice; remove one")
    return columns


def _row(path: pathlib.Path, line: int, cells: list[str], columns: Sequence[str]) -> Row:
    if any(cells[len(columns) :]):
        raise InputError(
            f"{path}, line {line}: {counted(len(cells), 'cell')}, but the first line names "
            f"{len(columns)}; quote what holds the separator, such as a decimal comma"
        )
    padded = cells + [""] * (len(columns) - len(cells))
    return Row(line, {name: cell for name, cell in zip(columns, padded, strict=False) if name})
