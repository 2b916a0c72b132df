"""Batches on the devices for training: the loader, a cache before it, and what shapes will come."""

from collections.abc import Iterator, Mapping

import jax
from jax.sharding import Mesh
from ml_collections import ConfigDict

from htt_jax import systems
from htt_jax.data import actions, loader
from htt_jax.data.cache import HostCache
from htt_jax.data.decode import RGB, FrameReader
from htt_jax.data.records import RecordSource
from htt_jax.devices import sharding
from htt_jax.devices.device_cache import DeviceCache
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.runs.config import load_options, open_source

_SLOT_ARRAYS = ("image", "slot_clip", "slot_frame")


def open_labelled(config: ConfigDict) -> RecordSource:
    """The training split, which has what the config asks of its videos.

    Raises:
        InputError: it cannot be opened, or has not.
    """
    source = open_source(config, "train")
    systems.check_source(config, source)
    if config.data.balance == "actions":
        actions.known(source, loader.BALANCED)
    return source


def train_batches(
    config: ConfigDict,
    source: RecordSource,
    mesh: Mesh,
    first_step: int,
    steps: int,
    reader: FrameReader = RGB,
) -> tuple[Iterator[DeviceBatch], tuple[int, ...]]:
    """Batches on the devices from the one after `first_step` on, without end.

    With `config.data.cache`, the whole split is decoded first.

    Returns:
        The batches, and the numbers of slots that the first `steps` of them have, as they come.

    Raises:
        InputError: as `htt_jax.data.loader.train_batches` and the caches.
    """
    options = load_options(config)
    size = loader.checked_size(source, options["image_size"])
    on_devices = None
    if config.data.cache == "host":
        options["cache"] = HostCache.fill(source, size, reader)
    elif config.data.cache == "device":
        on_devices = DeviceCache(mesh, source, size, reader)
        options["cache"] = on_devices.rows
    batches = loader.train_batches(
        source,
        **options,
        reader=reader,
        batch_size=config.batch_size,
        seed=config.seed,
        first_step=first_step,
        balanced=config.data.balance == "actions",
    )
    placed = sharding.to_devices(mesh, batches)
    if on_devices:
        placed = on_devices.with_images(placed)
    sizes = batches.slot_sizes(steps)
    return placed, tuple(size * jax.process_count() for size in sizes)


def with_slots(
    arrays: Mapping[str, jax.Array | jax.ShapeDtypeStruct], number: int
) -> dict[str, jax.ShapeDtypeStruct]:
    """What a batch like this one looks like with another number of slots, over all processes."""
    return {
        name: jax.ShapeDtypeStruct(
            (number, *x.shape[1:]) if name in _SLOT_ARRAYS else x.shape,
            x.dtype,
            sharding=x.sharding,
        )
        for name, x in arrays.items()
    }
