"""Which files of a folder are the frames of a video: one series of them, each frame once."""

import collections
import fnmatch
import glob
import os
import pathlib
from collections.abc import Sequence

from htt_jax.data import image_decoding
from htt_jax.prediction import numbering
from htt_jax.support.errors import InputError

_SHOWN = 4  # series in a message
_SAME_SUFFIX = {".jpeg": ".jpg"}
_SIXTY = 60  # minutes and seconds are below


def frame_files(folder: pathlib.Path, pattern: str | None) -> list[pathlib.Path]:
    """The files of a folder's frames, in no order; hidden files are none.

    Args:
        folder: of them.
        pattern: of their names; None where the folder holds one series only.

    Raises:
        InputError: there is none; a frame is there twice; or, without a pattern, there are
            several series.
    """
    with os.scandir(folder) as entries:  # which mostly know without a look at each file
        files = [
            folder / entry.name
            for entry in entries
            if entry.name.lower().endswith(image_decoding.SUFFIXES)
            and not entry.name.startswith(".")  # also what some systems leave of a file: ._NAME
            and not entry.is_dir()
        ]
    if not files:
        raise InputError(
            f"no frame in {folder}: it holds no file ending in {', '.join(image_decoding.SUFFIXES)}"
        )
    if pattern is not None:
        found = [path for path in files if fnmatch.fnmatchcase(path.name, pattern)]
        if not found:
            raise InputError(
                f"no frame in {folder} is called --frames={pattern}; there is {files[0].name}, "
                "for one"
            )
        files = found
    _refuse_twins(files)
    if pattern is None:
        _refuse_series(folder, files)
    return files


def _refuse_twins(files: Sequence[pathlib.Path]) -> None:
    seen: dict[str, pathlib.Path] = {}
    for path in sorted(files):
        twin = seen.setdefault(str(numbering.natural_key(path.stem.casefold())), path)
        if twin is not path:
            raise InputError(
                f"{twin} and {path.name} are two images of one frame; remove one of the two kinds, "
                f"or choose with --frames='*{path.suffix}'"
            )


def _refuse_series(folder: pathlib.Path, files: Sequence[pathlib.Path]) -> None:
    by_form: dict[tuple[str, ...], list[pathlib.Path]] = collections.defaultdict(list)
    files = sorted(files)
    for path, stem in zip(files, numbering.alike([path.stem for path in files]), strict=True):
        suffix = path.suffix.lower()
        form = (*numbering.texts(stem), _SAME_SUFFIX.get(suffix, suffix))
        by_form[form].append(path)
    series = list(by_form.values())
    if len(series) == len(files) > 1:  # names that have nothing in common
        return
    if len(series) == 1:
        series = _by_number(series[0])
    if len(series) == 1:
        return
    series.sort(key=len, reverse=True)
    patterns = [_pattern(group) for group in series]
    shown = [f"{p} ({len(g)})" for p, g in zip(patterns, series, strict=True)][:_SHOWN]
    more = f" and {len(series) - _SHOWN} more" if len(series) > _SHOWN else ""
    raise InputError(
        f"{folder} holds several series of frames: {', '.join(shown)}{more}; choose one with "
        f"--frames='{patterns[0]}', or take all for one with --frames='*'"
    )


def _by_number(files: Sequence[pathlib.Path]) -> list[list[pathlib.Path]]:
    """Apart by the number that tells series from each other, if one does: cam0_17, cam1_17.

    For each of its few values the other numbers are the same ones again.
    """
    stems = numbering.alike([path.stem for path in files])
    rows = numbering.numbers(stems)
    clock = _clock(stems) if len(rows[0]) == len(numbering.digits(stems[0])) // 2 else set()
    best = [list(files)]
    for column in set(range(len(rows[0]))) - clock:
        groups: dict[object, list[int]] = collections.defaultdict(list)
        for index, row in enumerate(rows):
            groups[row[column]].append(index)
        rests = collections.Counter((*row[:column], *row[column + 1 :]) for row in rows)
        repeated = sum(count for count in rests.values() if count > 1)
        is_series = (
            len(groups) > 1
            and min(map(len, groups.values())) > 1
            and 2 * repeated >= len(files)
            and (len(best) == 1 or len(groups) < len(best))
        )
        if is_series:
            best = [[files[index] for index in group] for group in groups.values()]
    return best


def _clock(stems: Sequence[str]) -> set[int]:
    """The columns of numbers that are hours, minutes and seconds, which repeat by nature."""
    parts = [numbering.digits(stem) for stem in stems]
    columns = list(zip(*(row[1::2] for row in parts), strict=True))
    between = parts[0][2:-1:2]
    found: set[int] = set()
    for start in range(len(columns) - 2):
        three = range(start, start + 3)
        if all(len(between[column]) <= 1 for column in (start, start + 1)) and all(
            len(word) == 2 and int(word) < _SIXTY for column in three for word in columns[column]
        ):
            found |= set(three)
    return found


def _pattern(files: Sequence[pathlib.Path]) -> str:
    """What is common to the names, as --frames takes it."""
    rows = list(zip(*(numbering.digits(path.stem) for path in files), strict=True))
    parts = [glob.escape(row[0]) if len(set(row)) == 1 else "*" for row in rows]
    suffixes = {path.suffix for path in files}
    return "".join(parts) + (suffixes.pop() if len(suffixes) == 1 else ".*")
