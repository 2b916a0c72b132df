"""Raw folders as people have them: where things lie, what files are called, how text is encoded."""

import codecs
import itertools
import os
import pathlib
import re
from collections.abc import Iterable, Iterator, Sequence

from data_prep.raw import Note, RawPath
from htt_jax.support.buckets import BucketPath, Entry
from htt_jax.support.errors import InputError

_LEFT_BY_SYSTEMS = re.compile(r"\._.*|\.DS_Store|Thumbs\.db|desktop\.ini|__MACOSX", re.IGNORECASE)
_ENCODINGS = {codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}  # else UTF-8
_BYTE_ORDER_MARK = "\ufeff"


def dataset_root(root: RawPath, names: Sequence[str]) -> RawPath:
    """`root`, or the only folder in it that has one of the folders `names` when `root` has none."""
    inside = _subfolders(root) if root.is_dir() else []
    having = [
        folder for folder in (root, *inside) if any((folder / name).is_dir() for name in names)
    ]
    return having[0] if root in having or len(having) == 1 else root


def directories(root: RawPath, names: Sequence[str]) -> list[RawPath]:
    """The folders `names` that `root` has, in their order, as `unpacked` finds them.

    Raises:
        InputError: there is none.
    """
    found = [folder for name in names for folder in unpacked(root / name)]
    if not found:
        raise InputError(
            f"{root} has no folder {' or '.join(names)}; --raw must be the folder that holds it"
        )
    return found


def unpacked(folder: RawPath) -> list[RawPath]:
    """`folder` and, of an archive unpacked one level too deep, the one of the same name in it.

    Those that are there.
    """
    return [path for path in (folder, folder / folder.name) if path.is_dir()]


def fullest(folders: Iterable[RawPath], stem: str, suffixes: Sequence[str]) -> tuple[RawPath, int]:
    """Of `folders`, at least one, that with the most `numbered_files`, and how many it has.

    The first among equals; they need not be there.
    """
    counts = {
        folder: len(numbered_files(folder, stem, suffixes)[0]) for folder in dict.fromkeys(folders)
    }
    return max(counts.items(), key=lambda item: item[1])


def text_file(folder: RawPath, name: str) -> RawPath:
    """The file `name` of `folder`, in whatever case it is spelled there."""
    path = folder / name
    if path.is_file():
        return path
    same = [other for other in _entries(folder) if other.name.lower() == name.lower()]
    return next((folder / other.name for other in same if other.is_file()), path)


def numbered_files(
    folder: RawPath, stem: str, suffixes: Sequence[str]
) -> tuple[dict[int, RawPath], list[Note]]:
    """The files of `folder` by the number in their name, and a note on numbers that have several.

    Args:
        folder: need not be there.
        stem: what stands before the number.
        suffixes: in lower case; files may have them in upper case. Of several files with the same
            number, the one with the suffix that is named first is taken.

    Raises:
        InputError: the folder cannot be read.
    """
    pattern = re.compile(rf"{stem}(\d+)({'|'.join(map(re.escape, suffixes))})", re.IGNORECASE)
    names: dict[int, list[str]] = {}
    for entry in _entries(folder):
        match = pattern.fullmatch(entry.name)
        if match and entry.is_file():
            names.setdefault(int(match[1]), []).append(entry.name)
    several = sorted(number for number, same in names.items() if len(same) > 1)
    for number in several:
        names[number].sort(
            key=lambda name: (suffixes.index(pathlib.Path(name).suffix.lower()), name)
        )
    notes = []
    if several:
        taken, left = names[several[0]][:2]
        what = f"more than one file of {frames_text(several)}: {taken} is taken, not {left}"
        notes.append(Note("choice", str(folder), what + (" etc." if len(several) > 1 else "")))
    return {number: folder / same[0] for number, same in names.items()}, notes


def frames_text(numbers: Iterable[int]) -> str:
    """'frame 4', 'frames 3-7, 12'; in ascending order."""
    # What runs on by one keeps its distance from its place in the list.
    runs = itertools.groupby(enumerate(sorted(numbers)), lambda pair: pair[1] - pair[0])
    spans = [[number for _, number in run] for _, run in runs]
    texts = [f"{s[0]}-{s[-1]}" if len(s) > 1 else str(s[0]) for s in spans]
    is_one = len(spans) == 1 and len(spans[0]) == 1
    return f"{'frame' if is_one else 'frames'} {', '.join(texts)}"


def read_lines(path: RawPath) -> list[tuple[int, list[str]]]:
    """Line number (from 1) and words of each line of a text file that is not blank.

    UTF-8 or, with a byte order mark, UTF-16, as some editors write.

    Raises:
        InputError: the file cannot be read.
    """
    try:
        data = path.read_bytes()
        text = data.decode(_ENCODINGS.get(data[:2], "utf-8"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; expected a text file") from error
    except UnicodeDecodeError as error:
        raise InputError(f"cannot read {path}: {error}; expected text in UTF-8") from error
    if "\0" in text:
        raise InputError(f"cannot read {path}: it has zero bytes; expected text in UTF-8")
    # The mark also stands inside files that were put together from several.
    lines = text.replace(_BYTE_ORDER_MARK, "").splitlines()
    return [(number, line.split()) for number, line in enumerate(lines, 1) if line.strip()]


def integer(word: str, path: RawPath, line: int, meaning: str) -> int:
    """`word` as an integer.

    Raises:
        InputError: it is none; names file, line and what was expected.
    """
    try:
        return int(word)
    except ValueError as error:
        raise InputError(
            f"{path}, line {line}: {word!r} is not a number; expected {meaning}"
        ) from error


def is_left_by_system(name: str) -> bool:
    """Whether a file of this name is one that desktops put into folders by themselves."""
    return _LEFT_BY_SYSTEMS.fullmatch(name) is not None


def _subfolders(folder: RawPath) -> list[RawPath]:
    return [folder / name for name in sorted(e.name for e in _entries(folder) if e.is_dir())]


def _entries(folder: RawPath) -> Iterator[os.DirEntry[str] | Entry]:
    """What lies in `folder`, unsorted, without what desktops put there; nothing if it is absent."""
    if isinstance(folder, BucketPath):
        yield from (entry for entry in folder.entries() if not is_left_by_system(entry.name))
        return
    try:
        with os.scandir(folder) as entries:
            yield from (entry for entry in entries if not is_left_by_system(entry.name))
    except (FileNotFoundError, NotADirectoryError):
        return
    except OSError as error:
        raise InputError(f"cannot read the folder {folder}: {error.strerror}") from error
