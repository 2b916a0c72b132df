"""Paths as people name them: from home, on disk or in a bucket, with any character in them."""

import functools
import os
import pathlib
import re
from collections.abc import Iterator

from etils import epath
from etils.epath.gpath import PosixGPath

from htt_jax.support.errors import InputError

_BUCKETS = ("gs", "s3", "az", "hf")
"""What may stand before :// in the address of a bucket."""


def expanded(path: str) -> str:
    """`path` with the home folder in place of a leading `~` or `~NAME`.

    A shell does that too, but not behind an option's equals sign.

    Raises:
        InputError: there is no such home.
    """
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise InputError(
            f"{path} begins in a home folder that is not known; write the path in full, or "
            f"./{path} for a folder of that name"
        )
    return found


def is_bucket(path: epath.PathLike) -> bool:
    """Whether it is an address, such as gs://NAME, and not a path on disk."""
    return re.match(r"\w+://", os.fspath(path)) is not None


def place(path: epath.PathLike) -> epath.Path:
    """A path on disk or in a bucket, for libraries that take both.

    Raises:
        InputError: it is in a bucket that is of an unknown kind or cannot be reached, also for
            want of a library; or on disk, but would be taken for a bucket.
    """
    text = os.fspath(path)
    if is_bucket(text):
        _check_bucket(text)
        return epath.Path(text)
    top = os.path.abspath(text).split("/")[1]
    if top in _BUCKETS:  # to `epath`, and to Orbax, /gs/NAME is gs://NAME
        raise InputError(
            f"{text} lies in /{top}, which is taken for a bucket, {top}://; name the folder by "
            "another path, such as a link to it"
        )
    return _OnDisk(text)


class _OnDisk(PosixGPath):
    """A path in which `*`, `?` and `[` are characters as others, also where `glob` is called."""

    def glob(self, pattern: str) -> Iterator["_OnDisk"]:
        return map(type(self), pathlib.Path(self).glob(pattern))

    def resolve(self, strict: bool = False) -> epath.Path:
        return place(os.path.abspath(self))


@functools.cache  # a network's answer takes long
def _check_bucket(address: str) -> None:
    kind = address.split("://")[0]
    if kind not in _BUCKETS:
        known = ", ".join(f"{name}://" for name in _BUCKETS)
        raise InputError(f"{address} is neither a path on disk nor an address in a bucket: {known}")
    try:
        epath.Path(address).exists()
    except ImportError as error:
        raise InputError(f"{address} needs a library that is not installed: {error}") from error
    except Exception as error:  # each of the libraries has its own
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(f"{address} cannot be reached: {reason}") from error
