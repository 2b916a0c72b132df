"""A prepared dataset: one record per video, in TFRecord shards with TFDS metadata beside them.

`tfds.builder_from_directory` opens such a directory, but nothing here needs TensorFlow.
"""

import functools
import hashlib
import json
import os
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from etils import epath

from htt_jax.data import tfrecord
from htt_jax.data.metadata import VERSION, Metadata, read_metadata, shard_path, write_metadata
from htt_jax.data.tfrecord import ShardIndex, ShardWriter
from htt_jax.data.video import Depth, Video, decode, encode, features
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.support.ranges import OpenedFiles

__all__ = [
    "VERSION",
    "Depth",
    "Metadata",
    "RecordSource",
    "ShardIndex",
    "ShardWriter",
    "Video",
    "decode",
    "encode",
    "features",
    "read_metadata",
    "shard_path",
    "write_metadata",
]


class RecordSource:
    """Random access to the videos of one split; a Grain `RandomAccessDataSource`.

    Every read checks the record's checksums. Pickling carries no file handles. Safe to use from
    several threads.

    Attributes:
        directory: the prepared dataset.
        split: the split's name.
        spec: what the dataset is.
        action_names: class names in the order of their ids.
        object_names: the same for objects.
        video_ids: of each video.
        frame_counts: int64 (videos,), raw frames of each video.
        frame_rates: of each video, as it was recorded, frames a second; none where the spec has
            none.
        image_size: (width, height) of the stored frames.
        fingerprint: changes when any record or the schema changes.
    """

    def __init__(self, directory: str | os.PathLike[str], split: str) -> None:
        """Opens `split` of the prepared dataset in `directory`.

        Raises:
            InputError: not a prepared dataset, no such split, an empty one, or a damaged shard.
        """
        self.directory = place(directory)
        self.split = split
        metadata = read_metadata(self.directory)
        self.spec = metadata.spec
        self.action_names = metadata.action_names
        self.object_names = metadata.object_names
        self._shards = self._all_shards(metadata)
        self._indexes = [self._index(shard) for shard in self._shards]
        self._records = [(s, r) for s, index in enumerate(self._indexes) for r in range(len(index))]
        if not self._records:
            raise InputError(
                f"split {split!r} of {self.directory} is empty, its report.json says why; choose "
                "another split"
            )
        self.video_ids = [video for index in self._indexes for video in index.video_ids]
        self.frame_counts = np.array([n for index in self._indexes for n in index.frames], np.int64)
        self.frame_rates = [rate for index in self._indexes for rate in index.rates]
        self.fingerprint = self._fingerprint()
        self._files = OpenedFiles(self._shards)
        self.image_size = self._size()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def camera(self) -> str:
        """Whose frames its videos have: 'color', or 'depth' in a view of them."""
        return "color"

    @property
    def shown_at(self) -> float | None:
        """Frames a second at which a view shows its videos; None: those they were recorded at."""
        return None

    def __getitem__(self, record_key: int) -> Video:
        """The video at `record_key`.

        Raises:
            InputError: the record is damaged; names shard, record and offset.
        """
        return self._stored(record_key)

    def _stored(self, record_key: int) -> Video:
        shard, number = self._records[record_key]
        path, index = self._shards[shard], self._indexes[shard]
        data = tfrecord.read_one(self._files[shard], index, number)
        try:
            return decode(data, self._features)
        except InputError as error:
            where = f"{path}: record {number} at byte {index.offsets[number]}"
            raise InputError(f"{where}: {error}") from error

    @functools.cached_property
    def depth_size(self) -> tuple[int, int] | None:
        """(width, height) of the stored depth maps; None where there are none.

        Reads records up to the first that has one.

        Raises:
            InputError: a record is damaged, or that map.
        """
        if not self.spec.depth:
            return None
        videos = map(self._stored, range(len(self)))
        return next(filter(None, map(_depth_size, videos)), None)

    def __repr__(self) -> str:
        return f"RecordSource({str(self.directory)!r}, {self.split!r})"

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name != "_features"}

    @functools.cached_property
    def _features(self) -> tfds.features.FeaturesDict:
        return features(self.spec, self.action_names, self.object_names)

    def _all_shards(self, metadata: Metadata) -> list[epath.Path]:
        """The shards of the split, in order."""
        if self.split not in metadata.shard_lengths:
            known = ", ".join(metadata.shard_lengths) or "none"
            raise InputError(f"{self.directory} has no split {self.split!r}; it has {known}")
        return metadata.shards(self.directory, self.split)

    def _size(self) -> tuple[int, int]:
        return _image_size(self._stored(0))

    def _index(self, shard: epath.Path) -> ShardIndex:
        return tfrecord.stored_index(shard) or tfrecord.scan(shard, self._describe)

    def _describe(self, data: bytes) -> tuple[int, str, float | None]:
        video = decode(data, self._features)
        return len(video.frames), video.video_id, video.frame_rate

    def _fingerprint(self) -> str:
        crcs = [index.crcs for index in self._indexes]
        content = [VERSION, self.spec.name, self.action_names, self.object_names, crcs]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _image_size(video: Video) -> tuple[int, int]:
    image = cv2.imdecode(np.frombuffer(video.frames[0], np.uint8), cv2.IMREAD_COLOR)
    if image is None:
        raise InputError(f"video {video.video_id!r}: its first frame cannot be decoded")
    return image.shape[1], image.shape[0]


def _depth_size(video: Video) -> tuple[int, int] | None:
    maps = video.depth.frames if video.depth is not None else []
    encoded = next(filter(None, maps), None)
    if encoded is None:
        return None
    values = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if values is None:
        raise InputError(f"video {video.video_id!r}: its first depth map cannot be decoded")
    return values.shape[1], values.shape[0]
