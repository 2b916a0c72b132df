"""Keeps the memory that arrays give back, instead of asking the system for fresh pages each time.

Activations and batches are some of the largest arrays a program can have, and they are made anew
every step. The C library returns each to the system and fetches it again, and the system clears
every page it hands out: on a processor that took a quarter of a training step.
"""

import ctypes
import sys

_SETTINGS = {
    -8: 1,  # M_ARENA_MAX: threads share the one heap; heaps of their own stay small
    -4: 0,  # M_MMAP_MAX: large arrays come from the heap too
    -1: -1,  # M_TRIM_THRESHOLD: the heap never shrinks
}
"""Parameters of glibc's mallopt."""


def keep_freed() -> None:
    """From now on freed memory stays with this process; its size is that of its peak.

    Call it before there are threads. Does nothing without glibc.
    """
    if sys.platform != "linux":
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is None:
        return
    for parameter, value in _SETTINGS.items():
        mallopt(parameter, value)
