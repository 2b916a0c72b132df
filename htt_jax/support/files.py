"""Files that appear under their final name only when they are whole; checksums."""

import contextlib
import errno
import hashlib
import os
import pathlib
import re
import secrets
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from typing import IO, Any

from etils import epath

from htt_jax.support.errors import InputError
from htt_jax.support.paths import BucketPath, place

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
NO_ROOM = {*_FULL, errno.EROFS}
"""Errors of a disk that takes no more, whatever is written."""


@contextlib.contextmanager
def atomic_write(path: epath.PathLike, mode: str = "wb") -> Iterator[IO[Any]]:
    """Opens a temporary file; it becomes `path` when the block ends without error.

    A crash at any point leaves the old file, or none, under `path`. On disk the temporary file lies
    beside it and is renamed; what is for a bucket lies on disk and is uploaded as one object.
    """
    final = place(path)
    encoding = None if "b" in mode else "utf-8"
    if isinstance(final, BucketPath):
        with tempfile.TemporaryDirectory() as folder:
            temporary = pathlib.Path(folder, final.name)
            with open(temporary, mode, encoding=encoding) as file:
                yield file
            final.upload(temporary)
        return
    own = secrets.token_hex(8)  # processes of the same number, on several hosts, may share a disk
    temporary = pathlib.Path(final.with_name(f".{final.name}.{own}.tmp"))
    try:
        with open(temporary, mode, encoding=encoding) as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, final)
    except OSError as error:
        error.filename = error.filename or os.fspath(final)  # a write's own names no file
        raise
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def written_folder(path: epath.PathLike) -> Iterator[pathlib.Path]:
    """A folder on disk for what is to be in `path`: that itself, or one that is then uploaded."""
    final = place(path)
    if not isinstance(final, BucketPath):
        yield pathlib.Path(final)
        return
    with tempfile.TemporaryDirectory() as folder:
        yield pathlib.Path(folder)
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if file.is_file():
                (final / file.relative_to(folder).as_posix()).upload(file)


@contextlib.contextmanager
def on_disk(path: epath.PathLike) -> Iterator[pathlib.Path]:
    """The file on disk, for libraries that read no other: itself, or a copy for the block's time.

    Raises:
        InputError: a bucket gives no answer.
    """
    found = place(path)
    if not isinstance(found, BucketPath):
        yield pathlib.Path(found)
        return
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder, found.name)
        try:
            found.download(copy)
            yield copy
        except FileNotFoundError as error:
            raise InputError(f"cannot read {found}: there is no such object") from error
        except InputError as error:  # the user knows it by its address
            raise InputError(str(error).replace(str(copy), str(found))) from error


@contextlib.contextmanager
def temporary_folder(beside: epath.PathLike, prefix: str) -> Iterator[pathlib.Path]:
    """A folder on disk from which files are to `move` to another: on its disk, if it has one."""
    final = place(beside)
    where = None if isinstance(final, BucketPath) else os.fspath(final)
    with tempfile.TemporaryDirectory(dir=where, prefix=prefix) as folder:
        yield pathlib.Path(folder)


def move(file: pathlib.Path, path: epath.PathLike) -> None:
    """Puts a whole file on disk in the place of another, on the same disk or in a bucket."""
    final = place(path)
    if isinstance(final, BucketPath):
        final.upload(file)
    else:
        file.replace(final)


def fetch(path: epath.PathLike, file: pathlib.Path) -> None:
    """Copies a file from disk or a bucket to a place on disk.

    Raises:
        InputError: a bucket gives no answer.
    """
    found = place(path)
    if isinstance(found, BucketPath):
        found.download(file)
    else:
        shutil.copyfile(found, file)


def size(path: epath.PathLike) -> int:
    """Bytes of a file."""
    found = place(path)
    return found.size() if isinstance(found, BucketPath) else os.path.getsize(found)


def check_writable(folder: str | os.PathLike[str], option: str = "--out") -> None:
    """Checks, before the work, that the folder of an option can be made or written to.

    Nothing is left: what fails later leaves no empty folder either.

    Args:
        folder: only of a `place` that is one may it be in a bucket.
        option: that names it.

    Raises:
        InputError: it can not, or is in a bucket.
    """
    if isinstance(folder, BucketPath):
        probe = folder / f".writable.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink(missing_ok=True)
        return
    _check_local(folder)
    path = pathlib.Path(folder).absolute()
    try:
        there = next(parent for parent in (path, *path.parents) if os.path.lexists(parent))
        tempfile.TemporaryFile(dir=there).close()
    except OSError as error:
        doing = "write to" if os.path.isdir(path) else "make"
        raise InputError(
            f"cannot {doing} the folder {folder}: {error.strerror}; give another {option}"
        ) from error


def make_folder(folder: str | os.PathLike[str]) -> None:
    """Makes the folder of an --out option, and those above it; nothing for a `place` in a bucket.

    Raises:
        InputError: it cannot be made, or is in a bucket.
    """
    if isinstance(folder, BucketPath):
        return
    _check_local(folder)
    try:
        pathlib.Path(folder).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(
            f"cannot make the folder {folder}: {error.strerror}; give another --out"
        ) from error


def _check_local(folder: str | os.PathLike[str]) -> None:
    if re.match(r"\w+:/", str(folder)):
        raise InputError(f"{folder} is not a local folder; write to one, and copy it from there")


def remove_earlier(folder: str | os.PathLike[str], patterns: Iterable[str]) -> None:
    """Removes files of an earlier run, which new ones would otherwise lie among.

    Args:
        folder: of both; need not be there.
        patterns: of the names of files that only this project writes, as for `Path.glob`.
    """
    for pattern in patterns:
        for path in place(folder).glob(pattern):
            path.unlink()


def remedy(number: int | None) -> str:
    """What to do about an error of writing, by its number; None: it has none."""
    return "make room" if number in _FULL else "put that right"


@contextlib.contextmanager
def explained_full_disk(what: object = None) -> Iterator[None]:
    """Turns a disk without room, or with none for this user, into an `InputError`.

    Args:
        what: is written; None for the file that the system's error names, if it names one.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM:
            raise
        written = what or error.filename or "a file"
        raise InputError(
            f"cannot write {written}: {error.strerror}; {remedy(error.errno)}, and give the same "
            "command again"
        ) from error


@contextlib.contextmanager
def explained_writes(path: str | os.PathLike[str], *, continues: bool = False) -> Iterator[None]:
    """Turns the system's refusal to write an --out into an `InputError`.

    `continues`: whether the command, run again, goes on where it stopped.
    """
    try:
        yield
    except OSError as error:
        then = "or give another --out"
        if continues:
            then = "and run the same command again: it continues"
        raise InputError(
            f"cannot write {path}: {error.strerror or error}; {remedy(error.errno)}, {then}"
        ) from error


def sha256(path: epath.PathLike) -> str:
    """The SHA-256 of a file's content, in hexadecimal digits."""
    with place(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
