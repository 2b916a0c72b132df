"""The order of training clips: shuffled anew in every epoch, a pure function of seed and place."""

import functools
import sys

import grain


def shuffled(clips: int, seed: int) -> grain.MapDataset[int]:
    """Rows of a clip table of so many, epoch after epoch, without end.

    Grain looks for a row among 65536 until it meets one of the table: milliseconds for a handful.
    The places of the first batches are asked for again and again, so that they are remembered.
    """
    return grain.MapDataset.range(sys.maxsize).map(functools.partial(_row, clips, seed))


@functools.lru_cache(maxsize=2**16)
def _row(clips: int, seed: int, place: int) -> int:
    return _order(clips, seed)[place]


@functools.lru_cache(maxsize=8)
def _order(clips: int, seed: int) -> grain.MapDataset[int]:
    return grain.MapDataset.range(clips).seed(seed).shuffle().repeat(None)
