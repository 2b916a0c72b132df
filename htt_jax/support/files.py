"""Files that appear under their final name only when they are whole; checksums."""

import contextlib
import hashlib
import os
import pathlib
import re
from collections.abc import Iterable, Iterator
from typing import IO, Any

from htt_jax.support.errors import InputError


@contextlib.contextmanager
def atomic_write(path: str | os.PathLike[str], mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file beside `path`; renames it to `path` when the block ends without error.

    A crash at any point leaves the old file, or none, under `path`.
    """
    final = pathlib.Path(path)
    temporary = final.with_name(f".{final.name}.{os.getpid()}.tmp")
    encoding = None if "b" in mode else "utf-8"
    try:
        with open(temporary, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    finally:
        temporary.unlink(missing_ok=True)


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Makes the folder of an --out option, and those above it.

    Raises:
        InputError: it cannot be made, or is in a bucket.
    """
    if re.match(r"\w+:/", str(folder)):
        raise InputError(f"{folder} is not a local folder; write to one, and copy it from there")
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder}: {error.strerror}; give another --out"
        ) from error


def remove_earlier(folder: str | os.PathLike[str], patterns: Iterable[str]) -> None:
    """Removes files of an earlier run, which new ones would otherwise lie among.

    Args:
        folder: of both; need not be there.
        patterns: of the names of files that only this project writes, as for `Path.glob`.
    """
    for pattern in patterns:
        for path in pathlib.Path(folder).glob(pattern):
            path.unlink()


@contextlib.contextmanager
def explained_writes(path: str | os.PathLike[str], *, continues: bool = False) -> Iterator[None]:
    """Turns the system's refusal to write an --out into an `InputError`.

    `continues`: whether the command, run again, goes on where it stopped.
    """
    try:
        yield
    except OSError as error:
        advice = "make room, or give another --out"
        if continues:
            advice = "make room, and run the same command again: it continues"
        raise InputError(f"cannot write {path}: {error.strerror or error}; {advice}") from error


def sha256(path: str | os.PathLike[str]) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
