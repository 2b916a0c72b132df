"""The order of frames and their times, as the numbers in their files' names tell them."""

import itertools
import pathlib
import re
import statistics
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction
from typing import NamedTuple, TypeAlias

from htt_jax.prediction.frames import DEFAULT_RATE
from htt_jax.support.words import counted

Number: TypeAlias = int | Decimal  # which has all digits of a clock's, and is quick

_DIGITS = re.compile(r"([0-9]+)")
_ONE_NUMBER = re.compile(r"([^0-9]*[0-9]+)(\.[0-9]+)?")
_UNITS = (1, 10**3, 10**6, 10**9)  # a second, in the units that clocks count in
_EPOCH = range(10**9, 4 * 10**9)  # seconds since 1970 from 2001 on
_RATES = (0.1, 1000.0)  # frames a second that can be; other numbers are no times
_PAUSE = 50  # steps: longer ones hardly are within a video


class Ordered(NamedTuple):
    """Files in order, the seconds since the first, frames a second, and what to know of them.

    Where neither their user nor their names say so, there are `DEFAULT_RATE` a second, and
    `says_rate` is False.
    """

    files: list[pathlib.Path]
    seconds: list[float]
    rate: Fraction
    says_rate: bool
    notes: list[str]


def in_order(files: Sequence[pathlib.Path], rate: Fraction | None) -> Ordered:
    """Orders files by the numbers in their names, and times them.

    Args:
        files: of one series, or in no other relation than that of their names.
        rate: frames a second; None for what the times in the names say, else `DEFAULT_RATE`.
    """
    stems = alike([file.stem for file in files])
    if len({texts(stem) for stem in stems}) > 1:
        return _evenly(sorted(files, key=lambda file: natural_key(file.name)), rate)
    table = dict(zip(files, numbers(stems), strict=True))
    ordered = sorted(files, key=lambda file: (table[file], file.name))
    varying = [column for column in zip(*(table[f] for f in ordered), strict=True) if _vary(column)]
    if len(varying) > 1 and not rate:  # such as the frame's number and its time
        varying = [column for column in varying if _rises(column) and _seconds(column)]
    if len(varying) != 1:
        return _evenly(ordered, rate)
    (values,) = varying
    times = None if rate else _seconds(values)
    if times:
        mean = Fraction(len(times) - 1) / (times[-1] - times[0])
        note = f"the frames' names are taken for their times: {float(mean):.4g} frames a second"
        seconds = [float(time - times[0]) for time in times]
        return Ordered(ordered, seconds, mean.limit_denominator(1001), True, [note])
    return _numbered(ordered, values, rate)


def natural_key(name: str) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    parts = _DIGITS.split(name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def alike(stems: Sequence[str]) -> list[str]:
    """`stems`, with 2 as 2.0 where others are 1.5 and 1.75."""
    found = [_ONE_NUMBER.fullmatch(stem) for stem in stems]
    matches = [match for match in found if match]
    if len(matches) < len(stems) or not any(match[2] for match in matches):
        return list(stems)
    return [match[1] + (match[2] or ".0") for match in matches]


def texts(stem: str) -> tuple[str, ...]:
    """What stands before, between and after the numbers of a name, in lower case."""
    return tuple(part.casefold() for part in digits(stem)[::2])


def digits(stem: str) -> list[str]:
    """A name's parts: text and numbers in turn, beginning and ending with a text."""
    return _DIGITS.split(stem)


def numbers(stems: Sequence[str]) -> list[tuple[Number, ...]]:
    """The numbers in each of `stems`, whose texts are the same; decimals are one number."""
    rows = [digits(stem)[1::2] for stem in stems]
    before, *between, after = digits(stems[0])[::2] if rows[0] else ("", "")
    is_alone = before == after == ""
    for column, text in enumerate(between):
        if text == "." and _are_decimals(rows, column, is_alone):
            end = column + 2
            return [
                (
                    *map(int, row[:column]),
                    Decimal(".".join(row[column:end])),
                    *map(int, row[end:]),
                )
                for row in rows
            ]
    return [tuple(map(int, row)) for row in rows]


def _are_decimals(rows: Sequence[Sequence[str]], column: int, is_alone: bool) -> bool:
    """Whether 'a.b' in two columns is a number, not two: 1.5 s after 1.25 s, or take 1 frame 9."""
    others = {(*row[:column], *row[column + 2 :]) for row in rows}
    values = sorted(Decimal(f"{row[column]}.{row[column + 1]}") for row in rows)
    if len(others) > 1 or len(set(values)) < len(rows):
        return False
    steps = _steps(values)
    if len({row[column] for row in rows}) > 1:
        # Takes of many frames each would come in jumps.
        is_repeated = len({row[column + 1] for row in rows}) <= len(rows) / 2
        return not is_repeated or max(steps) <= _PAUSE * sorted(steps)[len(steps) // 2]
    fractions = [row[column + 1] for row in rows]
    if len({len(fraction) for fraction in fractions}) > 1 and any(f[0] == "0" for f in fractions):
        return True  # 0.08 and 0.1: numbers of takes would not begin with zeros, or all would
    whole = _steps(sorted(map(Decimal, fractions)))
    if not steps or not min(whole):
        return True
    # Whichever makes the steps more even; of as many digits each, only what has no name.
    unevenness, of_takes = max(steps) / min(steps), max(whole) / min(whole)
    return unevenness < of_takes or (is_alone and unevenness == of_takes)


def _seconds(values: Sequence[Number]) -> list[Fraction] | None:
    """The numbers as times, if they are: decimals are seconds, and clocks count from 1970."""
    if isinstance(values[0], Decimal):
        unit = 1
    else:
        units = [unit for unit in _UNITS if int(values[0]) // unit in _EPOCH]
        if not units:
            return None
        (unit,) = units
    mean = (len(values) - 1) / (float(values[-1] - values[0]) / unit)
    if not _RATES[0] <= mean <= _RATES[1]:
        return None
    return [Fraction(value) / unit for value in values]


def _numbered(
    files: list[pathlib.Path], values: Sequence[Number], said: Fraction | None
) -> Ordered:
    """Numbers that go up by the same, which are the frames' places in time, also after gaps."""
    rate = said or DEFAULT_RATE
    steps = _steps(values)
    step = statistics.mode(steps)
    if steps.count(step) * 2 < len(steps) or any(other % step for other in steps):
        note = (
            f"the numbers in the frames' names go up unevenly ({files[0].name}, {files[1].name}, "
            f"...); they are taken for frames {float(1 / rate):.4g} s apart"
        )
        return _evenly(files, said, note)
    places = [Fraction(value - values[0]) / Fraction(step) for value in values]
    missing = int(places[-1]) + 1 - len(files)
    notes = []
    if missing:
        before = files[next(i for i, other in enumerate(steps) if other > step)].name
        notes.append(
            f"{counted(missing, 'frame')} missing by the numbers in the names, the first after "
            f"{before}; the model takes what is on both sides for neighbours"
        )
    seconds = [float(place / rate) for place in places]
    return Ordered(files, seconds, rate, said is not None, notes)


def _evenly(files: list[pathlib.Path], said: Fraction | None, note: str | None = None) -> Ordered:
    rate = said or DEFAULT_RATE
    seconds = [float(number / rate) for number in range(len(files))]
    return Ordered(files, seconds, rate, said is not None, [note] if note else [])


def _steps(values: Sequence[Number]) -> list[Number]:
    return [after - before for before, after in itertools.pairwise(values)]


def _rises(column: Sequence[Number]) -> bool:
    return all(step > 0 for step in _steps(column))


def _vary(column: Sequence[Number]) -> bool:
    return any(value != column[0] for value in column)
