"""A split in memory: the labels of its videos, and which row of a table of pixels a frame is.

The pixels lie in the host's memory (`HostCache`), or on the devices (`devices.device_cache`).
Either way a frame is read and decoded once, before the first batch.
"""

import dataclasses
import mmap
import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Int

from htt_jax.data.decode import RGB, FrameReader, Pixels
from htt_jax.data.records import RecordSource, Video
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.machine import available_memory, usable_cores

CHUNK = 2048  # rows decoded together: 0.8 GB at 480x270, a score of videos for as many cores


@runtime_checkable
class Cache(Protocol):
    """What a loader reads clips from instead of records."""

    @property
    def videos(self) -> list[Video]:
        """Of the split, without their encoded frames."""

    def frames(self, video: int, frames: Int[np.ndarray, " frames"]) -> dict[str, np.ndarray]:
        """Of frames of a video, `image` (frames, height, width, 3), or `row` (frames,) of it."""


@dataclasses.dataclass(frozen=True)
class FrameRows:
    """The order of all frames of a split, video after video. A `Cache` of row numbers.

    Attributes:
        videos: of the split, without their encoded frames.
        first: of each video's rows, and the number of all rows after the last.
    """

    videos: list[Video]
    first: Int[np.ndarray, " bounds"]

    @staticmethod
    def read(source: RecordSource) -> "FrameRows":
        """Of a whole split, whose every record is read.

        Raises:
            InputError: a record is damaged.
        """
        with ThreadPoolExecutor(usable_cores()) as pool:
            videos = list(pool.map(lambda video: _labels(source[video]), range(len(source))))
        return FrameRows(videos, np.concatenate([[0], np.cumsum(source.frame_counts)]))

    @property
    def count(self) -> int:
        """Of all rows."""
        return int(self.first[-1])

    def frames(self, video: int, frames: Int[np.ndarray, " frames"]) -> dict[str, np.ndarray]:
        """See `Cache`."""
        return {"row": (self.first[video] + frames).astype(np.int32)}

    def parts(self, start: int, stop: int) -> list[tuple[int, int, int]]:
        """The videos of the rows from `start` to `stop`, each with its first frame and the end."""
        begin = int(np.searchsorted(self.first, start, side="right")) - 1
        end = int(np.searchsorted(self.first, stop, side="left"))
        return [
            (
                video,
                max(start, int(self.first[video])) - int(self.first[video]),
                min(stop, int(self.first[video + 1])) - int(self.first[video]),
            )
            for video in range(begin, end)
        ]


@dataclasses.dataclass(frozen=True)
class HostCache:
    """Pixels in memory that the loader's processes share."""

    rows: FrameRows
    pixels: "SharedPixels"

    @staticmethod
    def fill(
        source: RecordSource, image_size: tuple[int, int], reader: FrameReader = RGB
    ) -> "HostCache":
        """Decodes every frame of `source` at `image_size`, (width, height).

        Raises:
            InputError: it does not fit in memory, a record is damaged, or a frame in it.
        """
        rows = FrameRows.read(source)
        shape = (rows.count, *reader.shape(image_size))
        check_fits("host", source, shape, reader.dtype, available_memory())
        pixels = SharedPixels(shape, reader.dtype)
        fill(rows, source, reader, 0, rows.count, lambda start, stop: pixels.array[start:stop])
        return HostCache(rows, pixels)

    @property
    def videos(self) -> list[Video]:
        """See `Cache`."""
        return self.rows.videos

    def frames(self, video: int, frames: Int[np.ndarray, " frames"]) -> dict[str, np.ndarray]:
        """See `Cache`."""
        return {"image": self.pixels.array[self.rows.frames(video, frames)["row"]]}


class SharedPixels:
    """An array that processes started later see too, without a copy, while this one lives.

    It has no name in any file system, so that nothing is left of it, however the process ends.

    Attributes:
        array: of the pixels.
    """

    def __init__(self, shape: tuple[int, ...], dtype: type[np.generic] = np.uint8):
        """Of zeros, which take no memory before they are written."""
        descriptor = os.memfd_create("htt_jax frames")
        os.ftruncate(descriptor, _bytes(shape, dtype))
        self._attach(f"/proc/{os.getpid()}/fd/{descriptor}", descriptor, shape, dtype)

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self._path, "shape": self.array.shape, "dtype": self.array.dtype.type}

    def __setstate__(self, state: dict[str, Any]) -> None:
        descriptor = os.open(state["path"], os.O_RDWR)
        self._attach(state["path"], descriptor, state["shape"], state["dtype"])

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        if "_descriptor" in self.__dict__:
            close(self._descriptor)

    def _attach(
        self, path: str, descriptor: int, shape: tuple[int, ...], dtype: type[np.generic]
    ) -> None:
        self._path, self._descriptor = path, descriptor
        memory = mmap.mmap(descriptor, _bytes(shape, dtype))
        if hasattr(mmap, "MADV_HUGEPAGE"):
            memory.madvise(mmap.MADV_HUGEPAGE)
        self.array: Pixels
        self.array = np.frombuffer(memory, dtype).reshape(shape)


def _bytes(shape: tuple[int, ...], dtype: type[np.generic]) -> int:
    return int(np.prod(shape, dtype=np.int64)) * np.dtype(dtype).itemsize


def fill(
    rows: FrameRows,
    source: RecordSource,
    reader: FrameReader,
    start: int,
    stop: int,
    place: Callable[[int, int], Pixels],
) -> None:
    """Decodes the rows from `start` to `stop`, a chunk at a time, with a progress bar.

    Args:
        rows: of `source`.
        source: the split.
        reader: of the frames in a record.
        start: the first row.
        stop: the row after the last.
        place: where the pixels of a chunk go, given its first row and its end; called when the
            chunk before is complete.

    Raises:
        InputError: a record is damaged, or a frame in it.
    """
    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        progress.bar(total=stop - start, unit="frame", label="decoding") as bar,
    ):
        for begin in range(start, stop, CHUNK):
            end = min(begin + CHUNK, stop)
            out = place(begin, end)

            def decode(part: tuple[int, int, int], begin: int = begin, out: Any = out) -> None:
                video, first, last = part
                row = int(rows.first[video]) - begin
                frames = np.arange(first, last)
                reader.read(source, source[video], frames, out[row + first : row + last])

            list(pool.map(decode, rows.parts(begin, end)))
            bar.update(end - begin)


def check_fits(
    cache: str,
    source: RecordSource,
    shape: tuple[int, ...],
    dtype: type[np.generic],
    available: int,
) -> None:
    """Checks that pixels of `shape` fit in `available` bytes of the memory that `cache` names.

    Raises:
        InputError: they do not.
    """
    needed = _bytes(shape, dtype)
    if needed > available:
        raise InputError(
            f"config.data.cache={cache} needs {needed / 1e9:.1f} GB for the {shape[0]} frames of "
            f"split {source.split!r}, and {available / 1e9:.1f} GB are free; take "
            "--config.data.cache=none or a smaller --config.data.image_size"
        )


def _labels(video: Video) -> Video:
    depth = video.depth and dataclasses.replace(video.depth, frames=[])
    return dataclasses.replace(video, frames=[], depth=depth)
