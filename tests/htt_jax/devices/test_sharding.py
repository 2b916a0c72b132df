import re

import jax
import numpy as np
import pytest
from jax.sharding import AbstractMesh, PartitionSpec

from htt_jax.devices import sharding
from htt_jax.models.htt import HTT
from htt_jax.optimizer import adam, muon
from htt_jax.runs.state import abstract_state
from htt_jax.systems.htt.system import HTTSystem


@pytest.fixture
def mesh():
    return AbstractMesh((2, 4), ("data", "fsdp"))


def spec(mesh, *shape):
    x = jax.ShapeDtypeStruct(shape, np.float32)
    return sharding.state_shardings(mesh, x).spec


def test_large_arrays_are_split_along_their_longest_divisible_axis(mesh):
    assert spec(mesh, 512, 2048) == PartitionSpec(None, "fsdp")
    assert spec(mesh, 2048, 512) == PartitionSpec("fsdp")
    assert spec(mesh, 3, 3, 256, 512) == PartitionSpec(None, None, None, "fsdp")
    assert spec(mesh, 1000, 1001) == PartitionSpec("fsdp")


def test_a_mesh_of_one_device_is_of_the_one_that_is_named():
    for device in jax.devices():
        assert sharding.single_device_mesh(device).devices.item() == device


def test_small_and_indivisible_arrays_are_kept_whole(mesh):
    assert spec(mesh, 512) == PartitionSpec()
    assert spec(mesh, 1001, 1001) == PartitionSpec()
    assert spec(mesh) == PartitionSpec()


def test_without_fsdp_every_device_has_a_whole_copy():
    whole = AbstractMesh((8, 1), ("data", "fsdp"))
    assert spec(whole, 512, 2048) == PartitionSpec()


@pytest.mark.parametrize("optimizer", [adam, muon])
def test_most_of_the_papers_state_is_split(mesh, optimizer):
    abstract = abstract_state(HTTSystem(HTT()), optimizer(lambda step: 1e-4), mesh)
    sizes = {False: 0, True: 0}
    for x in jax.tree.leaves(abstract):
        sizes["fsdp" in x.sharding.spec] += x.size
    assert sizes[True] > 0.99 * sum(sizes.values())
    placed = {
        jax.tree_util.keystr(path, simple=True, separator="/"): x.sharding
        for path, x in jax.tree_util.tree_leaves_with_path(abstract)
    }
    kept = {name: x for name, x in placed.items() if "/mu/" in name or "/nu/" in name}
    assert len(kept) > len(jax.tree.leaves(abstract.params))
    for name, where in kept.items():
        of_parameter = re.split("/[mn]u/", name)[1]
        assert where == placed[f"params/{of_parameter}"], name


def test_batches_arrive_in_order_and_whole_with_one_on_its_way():
    given = [
        {name: np.full((2, 3), 10 * step + i) for i, name in enumerate(("image", "video", "start"))}
        for step in range(3)
    ]
    taken = []

    def batches():
        for batch in given:
            taken.append(batch)
            yield batch

    mesh = sharding.make_mesh(1)
    arriving = sharding.to_devices(mesh, batches())
    for step, batch in enumerate(arriving):
        assert len(taken) == min(step + 2, 3)
        for name, x in given[step].items():
            np.testing.assert_array_equal(batch.arrays[name], x)
            assert batch.arrays[name].sharding == sharding.batch_sharding(mesh)
        np.testing.assert_array_equal(batch.video, given[step]["video"])
        np.testing.assert_array_equal(batch.start, given[step]["start"])
    assert len(taken) == 3
