"""Paths as people name them: from home, on disk or in a bucket, with any character in them."""

import os
import pathlib
from collections.abc import Iterator

from etils import epath
from etils.epath.gpath import PosixGPath

from htt_jax.support import buckets
from htt_jax.support.buckets import BucketPath, is_bucket
from htt_jax.support.errors import InputError

__all__ = ["BucketPath", "expanded", "is_bucket", "place"]


def expanded(path: str) -> str:
    """`path` with the home folder in place of a leading `~` or `~NAME`.

    A shell does that too, but not behind an option's equals sign.

    Raises:
        InputError: there is no such home, or it is an address that holds credentials.
    """
    buckets.refuse_credentials(path)
    found = os.path.expanduser(path)
    if found.startswith("~"):
        raise InputError(
            f"{path} begins in a home folder that is not known; write the path in full, or "
            f"./{path} for a folder of that name"
        )
    return found


def place(path: epath.PathLike) -> epath.Path:
    """A path on disk or in a bucket, with the same methods.

    Raises:
        InputError: it is in a bucket that is of an unknown kind, or whose library is missing, or
            whose address holds credentials; or on disk, but would be taken for a bucket.
    """
    if isinstance(path, (BucketPath, _OnDisk)):
        return path
    text = os.fspath(path)
    if is_bucket(text):
        buckets.refuse_credentials(text)
        return buckets.checked(text)
    top = os.path.abspath(text).split("/")[1]
    if top in buckets.KINDS:  # to `epath`, and to Orbax, /gs/NAME is gs://NAME
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
