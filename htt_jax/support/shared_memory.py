"""The room in which Linux keeps what processes share: their memory and semaphores."""

import os
import tempfile

from htt_jax.support.errors import InputError

FOLDER = "/dev/shm"
_BYTES_A_WORKER = 1 << 18  # its semaphores, of a page each


def check_room(workers: int, without: str) -> None:
    """Checks, before they are started, that so many worker processes can share anything.

    Args:
        workers: processes.
        without: said in the error: how to do without them.

    Raises:
        InputError: they cannot.
    """
    try:
        with tempfile.TemporaryFile(dir=FOLDER) as file:
            os.posix_fallocate(file.fileno(), 0, workers * _BYTES_A_WORKER)
    except OSError as error:
        raise no_room(error, without) from error


def no_room(error: OSError, without: str) -> InputError:
    """What to say when writing there failed; `without` as in `check_room`."""
    return InputError(
        f"worker processes cannot share data through {FOLDER}: {error.strerror}; give it more room "
        f"(docker run --shm-size), or take fewer workers: {without}"
    )
