"""The order of training clips: shuffled anew in every epoch, a pure function of seed and place."""

import functools
import sys

import grain
import numpy as np
from jaxtyping import Int


def shuffled(clips: int, seed: int) -> grain.MapDataset[int]:
    """Rows of a clip table of so many, epoch after epoch, without end.

    Grain looks for a row among 65536 until it meets one of the table: milliseconds for a handful.
    The places of the first batches are asked for again and again, so that they are remembered.
    """
    return grain.MapDataset.range(sys.maxsize).map(functools.partial(_row, clips, seed))


def balanced(classes: Int[np.ndarray, " clips"], seed: int) -> grain.MapDataset[int]:
    """Rows of a clip table, each class once in every turn over all of them, without end.

    The order of the classes is drawn for each turn. Those of one class are shuffled, and come again
    when all of them were there.

    Args:
        classes: of each row, from 0; each has a row.
        seed: decides the order.
    """
    by_class = np.argsort(classes, kind="stable")
    ends = np.cumsum(np.bincount(classes))
    rows = tuple(tuple(part.tolist()) for part in np.split(by_class, ends[:-1]))
    return grain.MapDataset.range(sys.maxsize).map(functools.partial(_in_turn, rows, seed))


def _in_turn(rows: tuple[tuple[int, ...], ...], seed: int, place: int) -> int:
    chosen = _row(len(rows), seed, place)
    of_class = (seed + 1 + chosen) % 2**32
    return rows[chosen][_row(len(rows[chosen]), of_class, place // len(rows))]


@functools.lru_cache(maxsize=2**16)
def _row(clips: int, seed: int, place: int) -> int:
    return _order(clips, seed)[place]


@functools.lru_cache(maxsize=128)  # as many as there may be classes
def _order(clips: int, seed: int) -> grain.MapDataset[int]:
    return grain.MapDataset.range(clips).seed(seed).shuffle().repeat(None)
