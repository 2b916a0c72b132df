"""What a prepared dataset says about itself in the files beside its shards."""

import dataclasses
import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import tensorflow_datasets as tfds
from etils import epath

from htt_jax.data.tfrecord import ShardIndex
from htt_jax.data.video import features
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import place

VERSION = "1.0.0"  # of the record schema
INFO_FILE = "dataset_info.json"  # written last
_SPEC_FILE = "spec.json"  # what the dataset is


def shard_path(
    directory: str | os.PathLike[str], spec: DatasetSpec, split: str, number: int, count: int
) -> epath.Path:
    """Where shard `number` (from 0) of the `count` shards of `split` lies."""
    return place(directory) / f"{spec.name}-{split}.tfrecord-{number:05d}-of-{count:05d}"


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
    with atomic_write(place(directory) / _SPEC_FILE, "w") as file:
        json.dump(datasets.description(spec), file, indent=1)
    template = tfds.core.ShardedFileTemplate(
        data_dir=place(directory), dataset_name=spec.name, filetype_suffix="tfrecord"
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

    def shards(self, directory: epath.Path, split: str) -> list[epath.Path]:
        """The shards of `split`, in order."""
        count = len(self.shard_lengths[split])
        return [shard_path(directory, self.spec, split, i, count) for i in range(count)]


def read_metadata(directory: str | os.PathLike[str]) -> Metadata:
    """The metadata of the prepared dataset in `directory`.

    Raises:
        InputError: there is none, or it is not of this version.
    """
    directory = place(directory)
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


def _read_info(directory: epath.Path) -> dict[str, Any]:
    if not directory.is_dir():
        raise InputError(
            f"no directory {directory}; prepare a dataset with `python -m data_prep.fpha`, `.h2o` "
            "or `.own`"
        )
    path = directory / INFO_FILE
    try:
        info = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise InputError(
            f"{directory} is not a prepared dataset: it has no dataset_info.json; finish preparing "
            "it with `python -m data_prep.fpha`, `.h2o` or `.own`"
        ) from error
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; prepare the dataset again") from error
    if info.get("version") != VERSION:
        raise InputError(
            f"{path}: version is {info.get('version')!r}, expected {VERSION!r}; "
            "prepare the dataset again"
        )
    return info


def _read_spec(directory: epath.Path, name: str) -> DatasetSpec:
    """What the dataset says it is; one prepared before datasets said so is known by its name."""
    path = directory / _SPEC_FILE
    try:
        spec = datasets.described(json.loads(path.read_text("utf-8")))
    except FileNotFoundError:
        return datasets.spec(name)
    except InputError:
        raise
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {path}: {error}; prepare the dataset again") from error
    if spec.name != name:
        raise InputError(
            f"{path} describes {spec.name!r}, dataset_info.json {name!r}; prepare the dataset again"
        )
    return spec


def _read_names(directory: epath.Path, feature: str) -> list[str]:
    path = directory / f"{feature}.labels.txt"
    try:
        return [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; prepare the dataset again"
        ) from error
