"""TFRecord shards without TensorFlow: whole or absent, checksummed, with random access.

A record is framed as its length (8 bytes, little endian), the masked CRC-32C of those bytes, the
data, and the masked CRC-32C of the data. Beside each shard lies `<shard>.index.json`, which says
where its records are; it can be rebuilt from the shard.
"""

import contextlib
import dataclasses
import json
import os
import struct
import types
from collections.abc import Callable, Iterator
from typing import IO, Any

import google_crc32c
from etils import epath

from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, size
from htt_jax.support.paths import place
from htt_jax.support.ranges import Ranges

_HEADER = struct.Struct("<QI")
_FOOTER = struct.Struct("<I")
INDEX_SUFFIX = ".index.json"
FRAMING_BYTES = _HEADER.size + _FOOTER.size
"""Bytes that framing adds to a record's data."""


class DamagedShard(InputError):
    """A record of a shard is not as it was written.

    Attributes:
        found: what is wrong and where, without what to do.
    """

    def __init__(self, found: str) -> None:
        """Says of a dataset's shard what to do."""
        super().__init__(f"{found}; delete this shard and its index and run the preparation again")
        self.found = found


@dataclasses.dataclass
class ShardIndex:
    """Where the records of a shard are and what they hold; one entry per record in each list."""

    offsets: list[int] = dataclasses.field(default_factory=list)  # bytes, of the framed record
    lengths: list[int] = dataclasses.field(default_factory=list)  # bytes, of the data alone
    crcs: list[int] = dataclasses.field(default_factory=list)  # masked CRC-32C of the data
    frames: list[int] = dataclasses.field(default_factory=list)
    video_ids: list[str] = dataclasses.field(default_factory=list)
    rates: list[float] = dataclasses.field(default_factory=list)  # frames a second; or of no record
    notes: list[dict[str, str]] = dataclasses.field(default_factory=list)
    """What the preparation had to say about the shard's videos, those left out included."""

    def __len__(self) -> int:
        return len(self.offsets)

    @property
    def num_bytes(self) -> int:
        """Size of a whole shard file with these records."""
        return sum(self.lengths) + FRAMING_BYTES * len(self)

    def add(self, frames: int, video_id: str, frame_rate: float | None) -> None:
        """Notes what a record holds."""
        self.frames.append(frames)
        self.video_ids.append(video_id)
        if frame_rate is not None:
            self.rates.append(frame_rate)


class ShardWriter:
    """Writes one shard; it and its index appear under their final names when the block ends well.

    >>> with ShardWriter(path) as shard:  # doctest: +SKIP
    ...     shard.write(encode(video, features), len(video.frames), video.video_id)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        """Prepares to write the shard `path`; nothing appears before the block is entered."""
        self.path = place(path)
        self.index = ShardIndex()
        self._temporary = atomic_write(self.path)
        self._file: IO[Any]

    def __enter__(self) -> "ShardWriter":
        self._file = self._temporary.__enter__()
        return self

    def write(
        self, data: bytes, frames: int, video_id: str, frame_rate: float | None = None
    ) -> None:
        """Appends a record that holds `frames` frames of the video `video_id`."""
        crc = masked_crc(data)
        self.index.offsets.append(self.index.num_bytes)
        self.index.lengths.append(len(data))
        self.index.crcs.append(crc)
        self.index.add(frames, video_id, frame_rate)
        length = struct.pack("<Q", len(data))
        self._file.write(length + _FOOTER.pack(masked_crc(length)))
        self._file.write(data)
        self._file.write(_FOOTER.pack(crc))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        if kind is not None:
            self._temporary.__exit__(kind, error, traceback)
            return
        with contextlib.ExitStack() as stack:
            stack.push(self._temporary)  # which ends with what goes wrong here
            # First the index: a shard under its final name always has one.
            with atomic_write(index_path(self.path), "w") as file:
                json.dump(dataclasses.asdict(self.index), file)


def index_path(shard: str | os.PathLike[str]) -> epath.Path:
    """Where the index of `shard` lies."""
    path = place(shard)
    return path.with_name(path.name + INDEX_SUFFIX)


def stored_index(shard: epath.PathLike) -> ShardIndex | None:
    """The index beside `shard`; None when there is none or it does not fit the shard's size.

    Raises:
        InputError: a bucket gives no answer.
    """
    try:
        index = ShardIndex(**json.loads(index_path(shard).read_text("utf-8")))
        whole = index.num_bytes == size(shard)
    except InputError:
        raise
    except (OSError, ValueError, TypeError):
        return None
    columns = (index.lengths, index.crcs, index.frames, index.video_ids, index.rates or index.crcs)
    return index if whole and all(len(column) == len(index) for column in columns) else None


def scan(
    shard: epath.PathLike, describe: Callable[[bytes], tuple[int, str, float | None]]
) -> ShardIndex:
    """Rebuilds the index of `shard` by reading it through.

    Args:
        shard: the file.
        describe: frames, video id and frame rate of a record's data.

    Raises:
        InputError: the shard cannot be read or a record is damaged.
    """
    index = ShardIndex()
    for number, data in enumerate(read_all(shard)):
        try:
            said = describe(data)
        except InputError as error:
            where = f"{shard}: record {number} at byte {index.num_bytes}"
            raise InputError(f"{where}: {error}") from error
        index.offsets.append(index.num_bytes)
        index.lengths.append(len(data))
        index.crcs.append(masked_crc(data))
        index.add(*said)
    return index


def read_all(shard: epath.PathLike) -> Iterator[bytes]:
    """The data of each record in turn, checksums checked, without the index.

    Raises:
        InputError: the shard cannot be read or a record is damaged.
    """
    try:
        with place(shard).open("rb") as file:
            size_in_all = file.seek(0, os.SEEK_END)
            offset, number = file.seek(0), 0
            while header := file.read(_HEADER.size):
                length = _length(header, shard, number, offset)
                left = size_in_all - file.tell() - _FOOTER.size
                if length > left:
                    raise _damaged(shard, number, offset, f"{length - left} bytes are missing")
                data, footer = file.read(length), file.read(_FOOTER.size)
                yield _checked(data, footer, shard, number, offset)
                offset, number = file.tell(), number + 1
    except OSError as error:
        raise InputError(f"cannot read the shard {shard}: {error.strerror}") from error


def read_one(file: Ranges, index: ShardIndex, number: int) -> bytes:
    """The data of record `number` of a shard, checksums checked.

    Raises:
        InputError: the record is damaged or is not the one the index describes, or a bucket gives
            no answer.
    """
    shard, offset, length = file.path, index.offsets[number], index.lengths[number]
    header, data, footer = file.parts(offset, (_HEADER.size, length, _FOOTER.size))
    if len(footer) < _FOOTER.size:
        raise _damaged(shard, number, offset, "the file ends inside the record")
    if _length(header, shard, number, offset) != length:
        raise _damaged(shard, number, offset, "its length is not the one in the index")
    if _FOOTER.unpack(footer)[0] != index.crcs[number]:
        raise _damaged(shard, number, offset, "its checksum is not the one in the index")
    return _checked(data, footer, shard, number, offset)


def masked_crc(data: bytes) -> int:
    """CRC-32C, rotated and shifted as the TFRecord format wants it."""
    crc = google_crc32c.value(data)
    return (((crc >> 15) | (crc << 17)) + 0xA282EAD8) & 0xFFFFFFFF


def _length(header: bytes, shard: epath.PathLike, number: int, offset: int) -> int:
    if len(header) < _HEADER.size:
        raise _damaged(shard, number, offset, "the file ends inside the record's header")
    length, crc = _HEADER.unpack(header)
    if masked_crc(header[:8]) != crc:
        raise _damaged(shard, number, offset, "the checksum of its length is wrong")
    return length


def _checked(data: bytes, footer: bytes, shard: epath.PathLike, number: int, offset: int) -> bytes:
    if masked_crc(data) != _FOOTER.unpack(footer)[0]:
        raise _damaged(shard, number, offset, "the checksum of its data is wrong")
    return data


def _damaged(shard: epath.PathLike, number: int, offset: int, what: str) -> InputError:
    return DamagedShard(f"damaged shard {shard}: record {number} at byte {offset}: {what}")
