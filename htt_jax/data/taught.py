"""What a teacher says of the videos of a split, as records; a reader that tells it with the frames.

The records lie in shards as those of a dataset do, one for each video, with every raw frame's
answers; `training.answers` makes them.
"""

import dataclasses
import functools
import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from etils import epath
from jaxtyping import Float, Int
from tensorflow_datasets.proto import tf_example_pb2

from htt_jax.data import tfrecord
from htt_jax.data.decode import FrameReader
from htt_jax.data.records import RecordSource, Video
from htt_jax.data.tfrecord import DamagedShard, ShardIndex
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.support.ranges import OpenedFiles

FRAMES_OF_A_SHARD = 4096
"""A shard is written when its videos have at least so many: what a stop can lose."""


@dataclasses.dataclass(frozen=True)
class Sizes:
    """Of the answers about a frame.

    Attributes:
        joints: of all hands.
        objects: classes.
        actions: classes.
        tokens: features of a frame's token; 0: tokens are not kept.
    """

    joints: int
    objects: int
    actions: int
    tokens: int


@dataclasses.dataclass(frozen=True)
class Answers:
    """What a teacher says of a video, frame by frame.

    Attributes:
        joints_3d: metres, camera space.
        objects: probabilities.
        actions: probabilities, of the clip in which the teacher met the frame.
        tokens: what its action block is told of the frame; None: not kept.
    """

    joints_3d: Float[np.ndarray, "frames joints 3"]
    objects: Float[np.ndarray, "frames objects"]
    actions: Float[np.ndarray, "frames actions"]
    tokens: Float[np.ndarray, "frames features"] | None = None

    @property
    def arrays(self) -> dict[str, np.ndarray]:
        """Those there are, by name."""
        named = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: x for name, x in named.items() if x is not None}


def features(sizes: Sizes) -> tfds.features.FeaturesDict:
    """The schema of a record."""
    shapes = {
        "joints_3d": (None, sizes.joints, 3),
        "objects": (None, sizes.objects),
        "actions": (None, sizes.actions),
    }
    if sizes.tokens:
        shapes["tokens"] = (None, sizes.tokens)
    tensor = tfds.features.Tensor
    return tfds.features.FeaturesDict(
        {name: tensor(shape=shape, dtype=np.float32) for name, shape in shapes.items()}
    )


def encode(answers: Answers, schema: tfds.features.FeaturesDict) -> bytes:
    """The record of a video's answers; the same answers give the same bytes."""
    example = tf_example_pb2.Example.FromString(schema.serialize_example(answers.arrays))
    return example.SerializeToString(deterministic=True)


def shards(
    folder: epath.PathLike, frame_counts: Int[np.ndarray, " videos"]
) -> list[tuple[epath.Path, range]]:
    """Where the answers about a split lie: each shard with the videos that it holds, in order.

    Args:
        folder: of the answers.
        frame_counts: of the split's videos.
    """
    total = np.cumsum(frame_counts) - frame_counts  # frames before each video
    number = total // FRAMES_OF_A_SHARD
    first = np.flatnonzero(np.diff(number, prepend=-1)).tolist()
    bounds = zip(first, [*first[1:], len(frame_counts)], strict=True)
    return [
        (place(folder) / f"answers.tfrecord-{i:05d}-of-{len(first):05d}", range(start, stop))
        for i, (start, stop) in enumerate(bounds)
    ]


def is_whole(path: epath.Path, source: RecordSource, videos: range) -> bool:
    """Whether a shard holds the answers about those videos of a split, undamaged, by its index."""
    index = tfrecord.stored_index(path) if path.exists() else None
    if index is None or len(index) != len(videos):
        return False
    about = ((int(source.frame_counts[video]), source.video_ids[video], None) for video in videos)
    try:
        found = tfrecord.scan(path, lambda _: next(about, (0, "", None)))
    except InputError:
        return False
    return found == index


class AnswerRecords:
    """Random access to the answers about the videos of one split.

    Pickling carries no file handles. Safe to use from several threads.

    Attributes:
        fingerprint: of all that the records hold.
    """

    def __init__(self, paths: Sequence[epath.Path], sizes: Sizes) -> None:
        """Opens whole shards.

        Raises:
            InputError: one is not there, or damaged.
        """
        self._files, self._sizes = OpenedFiles(paths), sizes
        self._indexes = [_index(path) for path in paths]
        self._places = {
            video_id: (shard, record)
            for shard, index in enumerate(self._indexes)
            for record, video_id in enumerate(index.video_ids)
        }
        crcs = [index.crcs for index in self._indexes]
        self.fingerprint = hashlib.sha256(json.dumps(crcs).encode()).hexdigest()

    def __getitem__(self, video_id: str) -> Answers:
        """The answers about a video of the split.

        Raises:
            InputError: the record is damaged.
        """
        shard, record = self._places[video_id]
        try:
            data = tfrecord.read_one(self._files[shard], self._indexes[shard], record)
        except DamagedShard as error:
            raise InputError(
                f"{error.found}; give the same command again, and the teacher is asked again"
            ) from None
        return Answers(**self._schema.deserialize_example_np(data))

    def __getstate__(self) -> dict[str, Any]:
        return {name: x for name, x in self.__dict__.items() if name != "_schema"}

    @functools.cached_property
    def _schema(self) -> tfds.features.FeaturesDict:
        return features(self._sizes)


def _index(path: epath.Path) -> ShardIndex:
    found = tfrecord.stored_index(path)
    if found is None:
        raise InputError(f"{path} is no whole shard of a teacher's answers; remove it")
    return found


def with_answers(reader: FrameReader, records: AnswerRecords) -> FrameReader:
    """The reader, whose labels of each frame now also are `taught_NAME`, see `Answers`."""
    return dataclasses.replace(reader, labels=_Labels(reader.labels, records))


@dataclasses.dataclass(frozen=True)
class _Labels:
    """The labels of a reader and a teacher's answers; picklable, for loader processes."""

    own: Callable[[RecordSource, Video, Int[np.ndarray, " frames"]], Mapping[str, np.ndarray]]
    records: AnswerRecords

    def __call__(
        self, source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"]
    ) -> dict[str, np.ndarray]:
        answers = self.records[video.video_id].arrays
        taught = {f"taught_{name}": x[frames] for name, x in answers.items()}
        return {**self.own(source, video, frames), **taught}
