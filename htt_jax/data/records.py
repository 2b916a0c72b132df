"""A prepared dataset: one record per video, in TFRecord shards with TFDS metadata beside them.

`tfds.builder_from_directory` opens such a directory, but nothing here needs TensorFlow.
"""

import dataclasses
import functools
import hashlib
import json
import os
import pathlib
import threading
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import cv2
import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float, Int
from tensorflow_datasets.proto import tf_example_pb2

from htt_jax.data import tfrecord
from htt_jax.data.tfrecord import ShardIndex, ShardWriter
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

__all__ = [
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

VERSION = "1.0.0"  # of the record schema
_SPEC_FILE = "spec.json"  # what the dataset is


@dataclasses.dataclass
class Depth:
    """What the depth camera saw of a video.

    A point X of the colour camera's space is `from_color` X, homogeneous, in the depth camera's.
    """

    frames: list[bytes]  # one-channel 16-bit PNG, millimetres along z, 0 = unknown; b"" = no map
    intrinsics: Float[np.ndarray, "3 3"]  # pixels, for the size of `frames`
    from_color: Float[np.ndarray, "4 4"]  # metres


@dataclasses.dataclass
class Video:
    """One record: an FPHA sequence or an H2O action segment."""

    video_id: str  # 'Subject_1/open_juice_bottle/2', 'subject1/h1/0/0000-0061'; unique
    segment_id: int  # H2O: id in the label file; FPHA: -1
    subject: str
    action: int  # class from 0; -1 = hidden
    object: int  # class from 0; -1 = unknown
    frames: list[bytes]  # encoded JPEG or PNG, all of one size
    frame_numbers: Int[np.ndarray, " frames"]  # as in the raw file names
    joints_3d: Float[np.ndarray, "frames joints 3"]  # metres, camera space
    hand_annotated: Bool[np.ndarray, "frames hands"]
    intrinsics: Float[np.ndarray, "3 3"]  # pixels, for the size of `frames`
    depth: Depth | None = None  # as many maps as frames; None where the dataset's spec has none


def features(
    spec: DatasetSpec, action_names: Sequence[str], object_names: Sequence[str]
) -> tfds.features.FeaturesDict:
    """The schema of a record of `spec`."""
    feature = tfds.features
    depth = {
        "depth_frames": feature.Tensor(shape=(None,), dtype=np.object_),
        "depth_intrinsics": feature.Tensor(shape=(3, 3), dtype=np.float32),
        "depth_from_color": feature.Tensor(shape=(4, 4), dtype=np.float32),
    }
    return feature.FeaturesDict(
        {
            "video_id": feature.Text(),
            "segment_id": feature.Scalar(np.int64),
            "subject": feature.Text(),
            "action": feature.ClassLabel(names=action_names),
            "object": feature.ClassLabel(names=object_names),
            # Encoded images as byte strings: the image feature of TFDS needs TensorFlow.
            "frames": feature.Tensor(shape=(None,), dtype=np.object_),
            "frame_numbers": feature.Tensor(shape=(None,), dtype=np.int64),
            "joints_3d": feature.Tensor(shape=(None, spec.num_joints, 3), dtype=np.float32),
            "hand_annotated": feature.Tensor(shape=(None, len(spec.hands)), dtype=np.bool_),
            "intrinsics": feature.Tensor(shape=(3, 3), dtype=np.float32),
        }
        | (depth if spec.depth else {})
    )


def encode(video: Video, features: tfds.features.FeaturesDict) -> bytes:
    """The record of `video`; the same video gives the same bytes in every process.

    Raises:
        InputError: it has depth maps and the schema has none, or the other way round.
    """
    values = {field.name: getattr(video, field.name) for field in dataclasses.fields(Video)}
    values["frames"] = np.array(video.frames, np.object_)
    depth = values.pop("depth")
    if (depth is not None) != ("depth_frames" in features):
        has = "no depth maps" if depth is None else "depth maps"
        raise InputError(
            f"video {video.video_id!r} has {has}, unlike its dataset's spec; `depth` of the "
            "DatasetSpec must say whether records have them"
        )
    if depth is not None:
        values["depth_frames"] = np.array(depth.frames, np.object_)
        values["depth_intrinsics"] = depth.intrinsics
        values["depth_from_color"] = depth.from_color
    example = tf_example_pb2.Example.FromString(features.serialize_example(values))
    # An example is a protobuf map, whose order would otherwise differ from process to process.
    return example.SerializeToString(deterministic=True)


def decode(data: bytes, features: tfds.features.FeaturesDict) -> Video:
    """The video of a record.

    Raises:
        InputError: `data` does not follow the schema.
    """
    try:
        values = features.deserialize_example_np(data)
        values["video_id"] = values["video_id"].decode()
        values["subject"] = values["subject"].decode()
        values["frames"] = values["frames"].tolist()
        if "depth_frames" in values:
            values["depth"] = Depth(
                frames=values.pop("depth_frames").tolist(),
                intrinsics=values.pop("depth_intrinsics"),
                from_color=values.pop("depth_from_color"),
            )
        video = Video(**values)
    except Exception as error:  # TFDS and protobuf raise many kinds, all meaning the same
        reason = str(error).splitlines()[0][:200] if str(error) else type(error).__name__
        raise InputError(f"not a record of this dataset's schema: {reason}") from error
    counts = {
        len(video.frames),
        len(video.frame_numbers),
        len(video.joints_3d),
        len(video.hand_annotated),
    }
    if len(counts) != 1 or not video.frames:
        raise InputError(
            f"video {video.video_id!r} has {len(video.frames)} frames, "
            f"{len(video.frame_numbers)} frame numbers, {len(video.joints_3d)} poses and "
            f"{len(video.hand_annotated)} hand flags; expected as many of each, at least one"
        )
    if video.depth is not None and len(video.depth.frames) != len(video.frames):
        raise InputError(
            f"video {video.video_id!r} has {len(video.frames)} frames and "
            f"{len(video.depth.frames)} depth maps; expected as many of each"
        )
    return video


def shard_path(
    directory: str | os.PathLike[str], spec: DatasetSpec, split: str, number: int, count: int
) -> pathlib.Path:
    """Where shard `number` (from 0) of the `count` shards of `split` lies."""
    return pathlib.Path(directory) / f"{spec.name}-{split}.tfrecord-{number:05d}-of-{count:05d}"


def write_metadata(
    directory: str | os.PathLike[str],
    spec: DatasetSpec,
    action_names: Sequence[str],
    object_names: Sequence[str],
    splits: Mapping[str, Sequence[ShardIndex]],
) -> None:
    """Writes what describes a dataset beside finished shards, `dataset_info.json` last.

    Args:
        directory: where the shards lie.
        spec: the dataset.
        action_names: class names in the order of their ids.
        object_names: the same for objects.
        splits: for each split the indexes of its shards, in order.
    """
    with atomic_write(pathlib.Path(directory) / _SPEC_FILE, "w") as file:
        json.dump(datasets.description(spec), file, indent=1)
    template = tfds.core.ShardedFileTemplate(
        data_dir=pathlib.Path(directory), dataset_name=spec.name, filetype_suffix="tfrecord"
    )
    tfds.folder_dataset.write_metadata(
        data_dir=directory,
        features=features(spec, action_names, object_names),
        split_infos=[
            tfds.core.SplitInfo(
                name=split,
                shard_lengths=[len(index) for index in indexes],
                num_bytes=sum(sum(index.lengths) for index in indexes),
                filename_template=template.replace(split=split),
            )
            for split, indexes in splits.items()
        ],
        version=VERSION,
        filename_template=template,
        check_data=False,  # the check reads with TensorFlow
        description=f"{spec.title}: one record per video, prepared for training.",
    )


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What a prepared dataset says about itself."""

    spec: DatasetSpec
    action_names: list[str]
    object_names: list[str]
    shard_lengths: dict[str, list[int]]  # for each split the videos of each shard

    def shards(self, directory: pathlib.Path, split: str) -> list[pathlib.Path]:
        """The shards of `split`, in order."""
        count = len(self.shard_lengths[split])
        return [shard_path(directory, self.spec, split, i, count) for i in range(count)]


def read_metadata(directory: str | os.PathLike[str]) -> Metadata:
    """The metadata of the prepared dataset in `directory`.

    Raises:
        InputError: there is none, or it is not of this version.
    """
    directory = pathlib.Path(directory)
    info = _read_info(directory)
    return Metadata(
        spec=_read_spec(directory, info["name"]),
        action_names=_read_names(directory, "action"),
        object_names=_read_names(directory, "object"),
        shard_lengths={
            split["name"]: [int(length) for length in split["shardLengths"]]
            for split in info.get("splits", [])
        },
    )


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
        image_size: (width, height) of the stored frames.
        fingerprint: changes when any record or the schema changes.
    """

    def __init__(self, directory: str | os.PathLike[str], split: str) -> None:
        """Opens `split` of the prepared dataset in `directory`.

        Raises:
            InputError: not a prepared dataset, no such split, an empty one, or a damaged shard.
        """
        self.directory = pathlib.Path(directory)
        self.split = split
        metadata = read_metadata(self.directory)
        self.spec = metadata.spec
        self.action_names = metadata.action_names
        self.object_names = metadata.object_names
        if split not in metadata.shard_lengths:
            known = ", ".join(metadata.shard_lengths) or "none"
            raise InputError(f"{self.directory} has no split {split!r}; it has {known}")
        self._shards = metadata.shards(self.directory, split)
        self._indexes = [self._index(shard) for shard in self._shards]
        self._records = [(s, r) for s, index in enumerate(self._indexes) for r in range(len(index))]
        if not self._records:
            raise InputError(
                f"split {split!r} of {self.directory} is empty, its report.json says why; choose "
                "another split"
            )
        self.video_ids = [video for index in self._indexes for video in index.video_ids]
        self.frame_counts = np.array([n for index in self._indexes for n in index.frames], np.int64)
        self.fingerprint = self._fingerprint()
        self._reset()
        self.image_size = self._size()

    def __len__(self) -> int:
        return len(self._records)

    @property
    def camera(self) -> str:
        """Whose frames its videos have: 'color', or 'depth' in a view of them."""
        return "color"

    def __getitem__(self, record_key: int) -> Video:
        """The video at `record_key`.

        Raises:
            InputError: the record is damaged; names shard, record and offset.
        """
        return self._stored(record_key)

    def _stored(self, record_key: int) -> Video:
        shard, number = self._records[record_key]
        path, index = self._shards[shard], self._indexes[shard]
        data = tfrecord.read_one(self._descriptor(shard), path, index, number)
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
        state = dict(self.__dict__)
        for name in ("_descriptors", "_lock", "_features"):
            state.pop(name, None)
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._reset()

    def __del__(self, close: Callable[[int], None] = os.close) -> None:
        # `close` is bound early: at the interpreter's end the module is gone before the object.
        for descriptor in self.__dict__.get("_descriptors", {}).values():
            close(descriptor)

    @functools.cached_property
    def _features(self) -> tfds.features.FeaturesDict:
        return features(self.spec, self.action_names, self.object_names)

    def _size(self) -> tuple[int, int]:
        return _image_size(self._stored(0))

    def _reset(self) -> None:
        self._descriptors: dict[int, int] = {}
        self._lock = threading.Lock()

    def _descriptor(self, shard: int) -> int:
        with self._lock:
            if shard not in self._descriptors:
                try:
                    self._descriptors[shard] = os.open(self._shards[shard], os.O_RDONLY)
                except OSError as error:
                    raise InputError(
                        f"cannot open the shard {self._shards[shard]}: {error.strerror}"
                    ) from error
            return self._descriptors[shard]

    def _index(self, shard: pathlib.Path) -> ShardIndex:
        return tfrecord.stored_index(shard) or tfrecord.scan(shard, self._describe)

    def _describe(self, data: bytes) -> tuple[int, str]:
        video = decode(data, self._features)
        return len(video.frames), video.video_id

    def _fingerprint(self) -> str:
        crcs = [index.crcs for index in self._indexes]
        content = [VERSION, self.spec.name, self.action_names, self.object_names, crcs]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


def _read_info(directory: pathlib.Path) -> dict[str, Any]:
    if not directory.is_dir():
        raise InputError(
            f"no directory {directory}; prepare a dataset with `python -m data_prep.fpha` or `.h2o`"
        )
    path = directory / "dataset_info.json"
    try:
        info = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{directory} is not a prepared dataset: it has no dataset_info.json; finish preparing "
            "it with `python -m data_prep.fpha` or `.h2o`"
        ) from error
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; prepare the dataset again") from error
    if info.get("version") != VERSION:
        raise InputError(
            f"{path}: version is {info.get('version')!r}, expected {VERSION!r}; "
            "prepare the dataset again"
        )
    return info


def _read_spec(directory: pathlib.Path, name: str) -> DatasetSpec:
    """What the dataset says it is; one prepared before datasets said so is known by its name."""
    path = directory / _SPEC_FILE
    try:
        spec = datasets.described(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return datasets.spec(name)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; prepare the dataset again") from error
    if spec.name != name:
        raise InputError(
            f"{path} describes {spec.name!r}, dataset_info.json {name!r}; prepare the dataset again"
        )
    return spec


def _read_names(directory: pathlib.Path, feature: str) -> list[str]:
    path = directory / f"{feature}.labels.txt"
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; prepare the dataset again"
        ) from error


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
