"""All frames of a split in the devices' memory, each on one device; batches pick theirs there.

The host then decodes and sends nothing but labels. A batch is the same as without the cache.
"""

import functools
from collections.abc import Iterable, Iterator

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.sharding import Mesh, PartitionSpec, SingleDeviceSharding
from jaxtyping import Array, Int, Shaped

from htt_jax.data import cache
from htt_jax.data.cache import FrameRows
from htt_jax.data.decode import RGB, FrameReader, Pixels
from htt_jax.data.records import RecordSource
from htt_jax.devices import sharding
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.support.machine import available_memory

_RESERVED = 0.5
"""Share of a device's memory that is left to the state and the step."""


class DeviceCache:
    """The pixels of a split, split over all devices of a mesh.

    Attributes:
        rows: the order of the frames, which is what the loader reads.
    """

    def __init__(
        self,
        mesh: Mesh,
        source: RecordSource,
        image_size: tuple[int, int],
        reader: FrameReader = RGB,
    ):
        """Decodes every frame of `source` at `image_size`, (width, height), once over all hosts.

        Raises:
            InputError: it does not fit in memory, a record is damaged, or a frame in it.
        """
        self.rows = FrameRows.read(source)
        self._mesh = mesh
        share = -(-self.rows.count // mesh.size)  # of a device
        shape = (share * mesh.size, *reader.shape(image_size))
        cache.check_fits("device", source, shape, reader.dtype, _available(mesh))
        placed = sharding.batch_sharding(mesh)
        parts = [
            _fill(self.rows, source, reader, place * share, (share, *shape[1:]), device)
            for place, device in enumerate(mesh.devices.flat)
            if device.process_index == jax.process_index()
        ]
        self._pixels = jax.make_array_from_single_device_arrays(shape, placed, parts)

    def with_images(self, batches: Iterable[DeviceBatch]) -> Iterator[DeviceBatch]:
        """Batches with `image` in place of `row`."""
        for batch in batches:
            arrays = dict(batch.arrays)
            image = _pick(self._mesh, self._pixels, arrays.pop("row"))
            yield batch._replace(arrays=arrays | {"image": image})


@functools.partial(jax.jit, static_argnums=0)
def _pick(
    mesh: Mesh,
    pixels: Shaped[Array, "rows height width channels"],
    row: Int[Array, " slots"],
) -> Shaped[Array, "slots height width channels"]:
    """Each device looks for the frames of all slots among its own, and they are added up."""
    if mesh.size == 1:
        return pixels[row]
    axes = tuple(mesh.axis_names)

    def own(
        pixels: Shaped[Array, "own_rows height width channels"], row: Int[Array, " own_slots"]
    ) -> Shaped[Array, "own_slots height width channels"]:
        place = lax.all_gather(row, axes, tiled=True) - lax.axis_index(axes) * len(pixels)
        here = (place >= 0) & (place < len(pixels))
        found = jnp.where(here[:, None, None, None], pixels[jnp.where(here, place, 0)], 0)
        # Byte by byte, since GPUs cannot add up numbers of 16 bits over devices.
        found = lax.bitcast_convert_type(found, jnp.uint8)
        return lax.bitcast_convert_type(lax.psum_scatter(found, axes, tiled=True), pixels.dtype)

    split = PartitionSpec(axes)
    return jax.shard_map(own, mesh=mesh, in_specs=(split, split), out_specs=split)(pixels, row)


@functools.partial(jax.jit, donate_argnums=0)
def _write(
    pixels: Shaped[Array, "rows height width channels"],
    chunk: Shaped[Array, "chunk height width channels"],
    start: Int[Array, ""],
) -> Shaped[Array, "rows height width channels"]:
    return lax.dynamic_update_slice_in_dim(pixels, chunk, start, axis=0)


def _fill(
    rows: FrameRows,
    source: RecordSource,
    reader: FrameReader,
    start: int,
    shape: tuple[int, ...],
    device: jax.Device,
) -> Shaped[Array, "own_rows height width channels"]:
    """A device's own rows, from `start`, sent to it chunk by chunk."""
    placed = SingleDeviceSharding(device)
    pixels = jax.jit(lambda: jnp.zeros(shape, reader.dtype), out_shardings=placed)()
    pending: list[tuple[int, np.ndarray]] = []

    def send() -> None:
        nonlocal pixels
        for begin, chunk in pending:
            pixels = _write(pixels, *jax.device_put((chunk, np.int32(begin - start)), device))
        pending.clear()

    def place(begin: int, end: int) -> Pixels:
        send()
        # A new array each time, since the device may still read from the last one.
        pending.append((begin, np.empty((end - begin, *shape[1:]), reader.dtype)))
        return pending[-1][1]

    stop = max(start, min(start + shape[0], rows.count))
    cache.fill(rows, source, reader, start, stop, place)
    send()
    return pixels


def _available(mesh: Mesh) -> int:
    """Bytes for the cache on all devices; those of the host where devices have none of their own.

    Devices that do not tell are taken to have enough.
    """
    device = mesh.local_devices[0]
    if device.platform == "cpu":
        return available_memory()
    limit = (device.memory_stats() or {}).get("bytes_limit")
    return int(limit * (1 - _RESERVED)) * mesh.size if limit else 2**62
