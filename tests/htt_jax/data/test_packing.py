import itertools

import numpy as np
import pytest

from htt_jax.data import packing
from htt_jax.data.clips import ClipSpec, clip_table


def waste(sizes, totals):
    """Share of the slots without a real frame."""
    taken = sum(packing.smallest_size(sizes, total) for total in totals.tolist())
    return 1 - sum(totals) / taken


def test_sizes_are_those_of_the_least_waste():
    totals = np.random.default_rng(0).integers(1, 13, 40)
    found = packing.slot_sizes(totals, largest=12, multiple=1)
    assert found[-1] == 12
    assert waste(found, totals) <= packing.LARGEST_WASTE
    fewer = itertools.combinations(range(1, 12), len(found) - 2)
    assert min(waste((*sizes, 12), totals) for sizes in fewer) > packing.LARGEST_WASTE
    as_many = itertools.combinations(range(1, 12), len(found) - 1)
    assert waste(found, totals) == min(
        waste((*sizes, 12), totals) for sizes in as_many if max(totals) <= 12
    )


def test_every_size_is_a_multiple_and_the_largest_batch_finds_room():
    totals = np.random.default_rng(0).integers(10, 200, 100)
    sizes = packing.slot_sizes(totals, largest=250, multiple=8)
    assert all(size % 8 == 0 for size in sizes)
    assert list(sizes) == sorted(set(sizes))
    assert packing.smallest_size(sizes, 250) >= 250
    assert len(sizes) <= packing.MOST_SIZES


def test_batches_of_one_length_have_one_size():
    assert packing.slot_sizes(np.full(20, 24), largest=24, multiple=1) == (24,)


@pytest.mark.parametrize("clips", [2, 16, 64])
@pytest.mark.parametrize(("mean", "shortest", "longest"), [(94, 16, 341), (98, 22, 683)])
def test_at_real_lengths_few_sizes_waste_less_than_a_fifth(clips, mean, shortest, longest):
    rng = np.random.default_rng(clips)
    lengths = np.clip(rng.lognormal(np.log(0.86 * mean), 0.55, 600), shortest, longest).astype(int)
    table = clip_table(lengths, ClipSpec(window=16, frames=128, spacing=2), training=True)
    drawn = rng.choice(table[:, 2], (1000, clips)).sum(axis=1)
    sizes = packing.slot_sizes(drawn[:256], clips * 128, multiple=8)
    later = drawn[256:]
    computed = sum(packing.smallest_size(sizes, total) for total in later.tolist())
    assert computed / later.sum() <= 1.25
    assert 0.25 < later.mean() / (128 * clips) < 0.4  # without packing: three times the frames
