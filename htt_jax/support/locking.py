"""One writer at a time in a folder."""

import contextlib
import errno
import fcntl
import os
import pathlib
from collections.abc import Iterator

from htt_jax.support.errors import InputError
from htt_jax.support.paths import is_bucket

LOCK_FILE = ".lock"


class Taken(InputError):
    """Another process has the folder."""


_NO_LOCKS = {errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP}


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str]) -> Iterator[bool]:
    """Makes `folder` and keeps it for this process while the block runs, on all hosts that see it.

    The lock ends with the process, however that ends; `LOCK_FILE` stays. In buckets and on file
    systems that have no locks nobody is kept away, and the block is given False.

    Raises:
        Taken: another process has the folder.
        InputError: it cannot be written to.
    """
    if is_bucket(folder):
        yield False
        return
    path = pathlib.Path(folder, LOCK_FILE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
    except OSError as error:
        raise InputError(f"cannot write to {folder}: {error.strerror}; name another") from error
    try:
        yield _lock(descriptor, folder)
    finally:
        os.close(descriptor)


def _lock(descriptor: int, folder: str | os.PathLike[str]) -> bool:
    try:
        # Of a file open for writing: NFS locks neither folders nor what is only read.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        raise Taken(
            f"another process is writing to {folder}; wait for it or stop it, or name another"
        ) from error
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        return False
    return True
