"""Keeps the memory that arrays give back, instead of asking the system for fresh pages each time.

Activations and batches are some of the largest arrays a program can have, and they are made anew
every step. The C library returns each to the system and fetches it again, and the system clears
every page it hands out: on a processor that took a third of a training step.
"""

import ctypes
import sys

_SETTINGS = {
    -8: 1,  # M_ARENA_MAX: threads share the one heap; heaps of their own stay small
    -4: 0,  # M_MMAP_MAX: large arrays come from the heap too
    -1: -1,  # M_TRIM_THRESHOLD: the heap never shrinks
}
"""Parameters of glibc's mallopt."""

_RESERVE = 2**30  # bytes; they take no memory before they are used


def keep_freed() -> None:
    """From now on freed memory stays with this process; its size is that of its peak.

    Call it before there are threads. Does nothing without glibc.
    """
    if sys.platform != "linux":
        return
    library = ctypes.CDLL(None)
    mallopt = getattr(library, "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in _SETTINGS.items():
        mallopt(parameter, value)
    # Small arrays are to find room here, after which the heap goes on. They would otherwise be
    # cut off the place that a step's large ones left, which the next step's would not fit into.
    library.malloc.restype = ctypes.c_void_p
    library.malloc.argtypes = [ctypes.c_size_t]
    library.free.argtypes = [ctypes.c_void_p]
    reserve = library.malloc(_RESERVE)
    library.malloc(1)
    library.free(reserve)
