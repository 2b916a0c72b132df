"""A disk without room, on any machine."""

import contextlib
import resource


@contextlib.contextmanager
def full_disk(free: int):
    """No file of this process can grow beyond `free` bytes; writing fails as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (free, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
