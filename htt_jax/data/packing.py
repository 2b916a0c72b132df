"""Packing the real frames of a batch without the padding between them: how many places it gets.

Only about a third of a clip's frames are real in FPHA and H2O. A batch therefore holds its real
frames in one row of slots. A compiled program has one number of slots, so that there are only a
few of them: chosen, from the lengths of the clips to come, to waste little.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Int

LARGEST_WASTE = 0.08
"""Share of the slots that may hold no real frame, on average."""

MOST_SIZES = 8
_CANDIDATES = 96


def slot_sizes(totals: Int[np.ndarray, " batches"], largest: int, multiple: int) -> tuple[int, ...]:
    """The fewest numbers of slots, ascending, that waste little over batches of these lengths.

    Args:
        totals: real frames of batches as they will come.
        largest: real frames that a batch can have.
        multiple: every size is one of it.
    """
    step = multiple * max(1, -(-largest // (multiple * _CANDIDATES)))
    last = -(-largest // step)
    needed = np.bincount(-(-np.maximum(totals, 1) // step), minlength=last + 1)
    for count in range(1, MOST_SIZES + 1):
        sizes = _best(needed, count)
        taken = np.array(sizes)[np.searchsorted(sizes, -(-totals // step))] * step
        if 1 - totals.sum() / taken.sum() <= LARGEST_WASTE:
            break
    return tuple(size * step for size in sizes)


def smallest_size(sizes: Sequence[int], total: int) -> int:
    """The size for a batch of `total` real frames."""
    return next(size for size in sizes if size >= total)


def _best(needed: Int[np.ndarray, " sizes"], count: int) -> list[int]:
    """`count` sizes, the largest among them, with the least waste; by dynamic programming.

    `needed` tells how many batches need each size.
    """
    last = len(needed) - 1
    batches, frames = np.cumsum(needed), np.cumsum(needed * np.arange(last + 1))
    # cost[k][j]: waste of all batches that need at most j, with k + 1 sizes of which j is one.
    cost = [np.arange(last + 1) * batches - frames]
    before = []
    for _ in range(count - 1):
        i, j = np.arange(last + 1)[:, None], np.arange(last + 1)
        waste = j * (batches[j] - batches[i]) - (frames[j] - frames[i])
        total = np.where(i <= j, cost[-1][:, None] + waste, np.iinfo(np.int64).max)
        before.append(total.argmin(axis=0))
        cost.append(total.min(axis=0))
    sizes = [last]
    for choice in reversed(before):
        sizes.append(int(choice[sizes[-1]]))
    return sorted({int(size) for size in sizes if size > 0})
