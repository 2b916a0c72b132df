"""Parts of a file anywhere, read by many threads at once."""

import itertools
import os
import threading
from collections.abc import Callable, Sequence
from typing import TypeAlias

from etils import epath

from htt_jax.support.errors import InputError
from htt_jax.support.paths import BucketPath, place


class FileRanges:
    """Of a file on disk: what is asked for is read into its own memory, without a copy.

    Attributes:
        path: of the file.
    """

    def __init__(self, path: epath.Path) -> None:
        """Opens it.

        Raises:
            InputError: it cannot be opened.
        """
        self.path = path
        try:
            self._descriptor = os.open(path, os.O_RDONLY)
        except OSError as error:
            raise InputError(f"cannot open {path}: {error.strerror}") from error

    def parts(self, offset: int, lengths: Sequence[int]) -> list[bytes]:
        """Pieces of these lengths that follow each other; cut where the file ends."""
        found = []
        for length in lengths:
            found.append(os.pread(self._descriptor, length, offset))
            offset += length
        return found

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # `close` is bound early: at the interpreter's end the module is gone before the object.
        if "_descriptor" in self.__dict__:
            close(self._descriptor)


class ObjectRanges:
    """Of an object in a bucket: one request for all pieces.

    Attributes:
        path: of the object.
    """

    def __init__(self, path: BucketPath) -> None:
        """Asks for nothing yet."""
        self.path = path

    def parts(self, offset: int, lengths: Sequence[int]) -> list[bytes]:
        """As of a file.

        Raises:
            InputError: there is no such object, or the store gives no answer.
        """
        try:
            data = self.path.read_range(offset, sum(lengths))
        except FileNotFoundError as error:
            raise InputError(f"cannot read {self.path}: {error.strerror}") from error
        ends = itertools.accumulate(lengths)
        return [data[end - length : end] for end, length in zip(ends, lengths, strict=True)]


Ranges: TypeAlias = FileRanges | ObjectRanges


def open_ranges(path: epath.PathLike) -> Ranges:
    """Opens a file on disk or in a bucket.

    Raises:
        InputError: it cannot be opened.
    """
    found = place(path)
    return ObjectRanges(found) if isinstance(found, BucketPath) else FileRanges(found)


class OpenedFiles:
    """Files that are opened when they are first read, and stay open.

    Pickling carries no file handles. Safe to use from several threads.
    """

    def __init__(self, paths: Sequence[epath.Path]) -> None:
        """Opens nothing yet."""
        self._paths = tuple(paths)
        self._opened: dict[int, Ranges] = {}
        self._lock = threading.Lock()

    def __getitem__(self, number: int) -> Ranges:
        """One of them, by its place.

        Raises:
            InputError: it cannot be opened.
        """
        with self._lock:
            if number not in self._opened:
                self._opened[number] = open_ranges(self._paths[number])
            return self._opened[number]

    def __reduce__(self) -> tuple[type["OpenedFiles"], tuple[Sequence[epath.Path]]]:
        return OpenedFiles, (self._paths,)
