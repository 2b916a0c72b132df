"""How many slots each batch has: sizes chosen by the frames of the first ones, see `packing`."""

import dataclasses

import grain
import numpy as np
from jaxtyping import Int

from htt_jax.data import packing

# Whose lengths decide the sizes of batches. Of few clips many epochs tell nothing new, and their
# places take time (see `order`).
SAMPLED_STEPS = 256
SAMPLED_EPOCHS = 16


@dataclasses.dataclass(frozen=True)
class SlotPlan:
    """How many slots each process's share of a batch has; the same for all processes.

    Attributes:
        order: rows of the clip table, as they come.
        counts: real frames of each row.
        batch_size: clips of a step, over all processes.
        process_count: that share them.
        sampled: steps whose frames decided the sizes.
        sizes: numbers of slots to choose from.
    """

    order: grain.MapDataset[int]
    counts: Int[np.ndarray, " rows"]
    batch_size: int
    process_count: int
    sampled: int
    sizes: tuple[int, ...] = ()

    def total(self, step: int) -> int:
        """Real frames of a batch in the process that has most of them."""
        rows = [self.order[step * self.batch_size + i] for i in range(self.batch_size)]
        shares = self.counts[rows].reshape(-1, self.process_count)
        return int(shares.sum(axis=0).max())

    def slots(self, step: int) -> int:
        """For each process."""
        return packing.smallest_size(self.sizes, self.total(step))


def plan_slots(
    order: grain.MapDataset[int],
    table: Int[np.ndarray, "clips 3"],
    batch_size: int,
    process_count: int,
    multiple: int,
) -> SlotPlan:
    """Chooses sizes by the frames of the first batches.

    Args:
        order: rows of the clip table, as they come.
        table: of clips.
        batch_size: clips of a step, over all processes.
        process_count: that share them.
        multiple: what each number of slots is a multiple of.
    """
    counts = np.maximum(table[:, 2], 1)  # a padding clip brings one frame
    clips = min(len(order), SAMPLED_EPOCHS * len(table))
    steps = max(1, min(SAMPLED_STEPS, clips // batch_size))
    plan = SlotPlan(order, counts, batch_size, process_count, steps)
    totals = np.array([plan.total(step) for step in range(steps)])
    largest = int(counts.max()) * batch_size // process_count
    return dataclasses.replace(plan, sizes=packing.slot_sizes(totals, largest, multiple))
