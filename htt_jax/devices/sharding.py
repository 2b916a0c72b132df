"""Devices, and what lies where on them: a (data, fsdp) mesh under `jax.jit`.

The batch is split over all devices; the state is split over `fsdp` and repeated over `data`.
"""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

import jax
import numpy as np
from jax.sharding import AbstractMesh, AxisType, Mesh, NamedSharding, PartitionSpec

from htt_jax.support.errors import InputError

SMALLEST_SHARDED = 2**14
"""Elements; a smaller array costs more to gather than it takes to keep whole."""


class DeviceBatch(NamedTuple):
    """A batch on the devices, and the host's own part of its small arrays.

    Attributes:
        arrays: global arrays, split over the devices along the clips.
        video: int32 (clips,), this process's videos.
        start: int32 (clips,), this process's first raw frames.
    """

    arrays: dict[str, jax.Array]
    video: np.ndarray
    start: np.ndarray


def all_devices() -> list[jax.Device]:
    """The devices of all processes; what asks for devices first asks here.

    Raises:
        InputError: JAX finds none, or not those that JAX_PLATFORMS names.
    """
    try:
        return jax.devices()
    except (RuntimeError, AssertionError) as error:  # it has no words where CUDA's package lacks
        reason = (str(error) or "they are not there").splitlines()[0].split(". (set JAX")[0]
        named = os.environ.get("JAX_PLATFORMS", "")
        raise InputError(
            f"JAX cannot use the devices of JAX_PLATFORMS={named!r}: {reason}; install what they "
            "need, such as jax[cuda12], or unset it for those that are there"
        ) from error


def make_mesh(fsdp: int) -> Mesh:
    """All devices of all processes, `fsdp` of them sharing one copy of the state."""
    return jax.make_mesh(
        (len(all_devices()) // fsdp, fsdp),
        ("data", "fsdp"),
        # Explicit axes, the default, would ask every module for the sharding of its results.
        axis_types=(AxisType.Auto, AxisType.Auto),
    )


def single_device_mesh(device: jax.Device | None = None) -> Mesh:
    """One device of this process (None: the first), for work that is not worth splitting."""
    all_devices()
    return jax.make_mesh(
        (1, 1),
        ("data", "fsdp"),
        axis_types=(AxisType.Auto, AxisType.Auto),
        devices=[device or jax.local_devices()[0]],
    )


def batch_sharding(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """Splits the leading axis over all devices."""
    return NamedSharding(mesh, PartitionSpec(("data", "fsdp")))


def replicated(mesh: Mesh | AbstractMesh) -> NamedSharding:
    """A whole copy on every device."""
    return NamedSharding(mesh, PartitionSpec())


def state_shardings(mesh: Mesh | AbstractMesh, abstract_state: Any) -> Any:
    """For each array of the state: its longest axis over `fsdp`, if that divides it."""
    parts = mesh.shape["fsdp"]

    def rule(x: jax.ShapeDtypeStruct) -> NamedSharding:
        if parts == 1 or x.size < SMALLEST_SHARDED:
            return replicated(mesh)
        divisible = [axis for axis, length in enumerate(x.shape) if length % parts == 0]
        if not divisible:
            return replicated(mesh)
        longest = max(divisible, key=lambda axis: x.shape[axis])
        return NamedSharding(mesh, PartitionSpec(*[None] * longest, "fsdp"))

    return jax.tree.map(rule, abstract_state)


def to_devices(mesh: Mesh, batches: Iterable[Mapping[str, np.ndarray]]) -> Iterator[DeviceBatch]:
    """Turns each process's batches into global arrays.

    A batch is on its way to the devices before the one ahead of it is handed out, so the transfer
    runs while the devices compute.
    """
    sharding = batch_sharding(mesh)

    def put(batch: Mapping[str, np.ndarray]) -> DeviceBatch:
        arrays = {
            name: jax.make_array_from_process_local_data(sharding, x) for name, x in batch.items()
        }
        return DeviceBatch(arrays, batch["video"], batch["start"])

    ahead: DeviceBatch | None = None
    for batch in batches:
        ready, ahead = ahead, put(batch)
        if ready is not None:
            yield ready
    if ahead is not None:
        yield ahead
