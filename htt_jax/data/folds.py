"""Which videos of a dataset are kept from training in which fold of a cross-validation."""

import collections
import dataclasses
import functools
import os
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Int

from htt_jax.data.records import RecordSource, Video, read_metadata
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_NONE = -1
"""The fold of videos without a label, which belong to none and are not trained on either."""


@dataclasses.dataclass(frozen=True)
class Fold:
    """One of the parts into which all videos of a dataset are divided, whatever their split.

    Attributes:
        number: which one, from 0.
        of: how many there are.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"fold {self.number} of {self.of}"


@dataclasses.dataclass(frozen=True)
class Division:
    """How the videos of a dataset are divided.

    Attributes:
        unit: 'subject' or 'recording': what is never divided.
        groups: how many of those there are.
        fold: of each video, splits after each other in the dataset's order; -1: of none.
    """

    unit: str
    groups: int
    fold: Int[np.ndarray, " videos"]


def divide(directory: str | os.PathLike[str], folds: int) -> Division:
    """Divides the labelled videos of a prepared dataset by subject, else by recording.

    By subject where each video has one and there are as many as folds. Each action is spread over
    the folds as evenly as that allows.

    Args:
        directory: of the dataset.
        folds: how many, 2 at least.

    Raises:
        InputError: a record is damaged, or there are fewer recordings than folds.
    """
    lengths = read_metadata(directory).shard_lengths
    splits = [split for split, shards in lengths.items() if sum(shards)]
    prints = {split: RecordSource(directory, split).fingerprint for split in splits}
    return _divided(str(directory), folds, tuple(prints.items()))


@functools.lru_cache(maxsize=8)  # a run opens several splits, and every record is read for it
def _divided(directory: str, folds: int, prints: tuple[tuple[str, str], ...]) -> Division:
    """See `divide`; `prints` are the splits, each with its fingerprint."""
    sources = [RecordSource(directory, split) for split, _ in prints]
    labels = [_label(source[i]) for source in sources for i in range(len(source))]
    labelled = [label for label in labels if label.action >= 0]
    unit, groups = _groups(labelled, folds)
    count = len(set(groups))
    if count < folds:
        raise InputError(
            f"{directory} has {counted(count, 'recording')} with an action, too few for "
            f"{folds} folds; take fewer, or record more"
        )
    chosen = iter(assign(groups, [label.action for label in labelled], folds))
    fold = [next(chosen) if label.action >= 0 else _NONE for label in labels]
    return Division(unit, count, np.array(fold, np.int64))


class _Label(NamedTuple):
    """What decides the fold of a video."""

    subject: str
    recording: str
    action: int


def _label(video: Video) -> _Label:
    # A video is a recording, or a segment of one, whose name then stands before the last slash.
    is_segment = video.segment_id >= 0
    recording = video.video_id.rpartition("/")[0] if is_segment else video.video_id
    return _Label(video.subject, recording, video.action)


def _groups(labels: Sequence[_Label], folds: int) -> tuple[str, list[str]]:
    """What is never divided, and which of them each video belongs to."""
    subjects = {label.subject for label in labels}
    # Of a recording of several people parts may overlap.
    pairs = {(label.recording, label.subject) for label in labels}
    is_one_each = len(pairs) == len({label.recording for label in labels})
    if all(subjects) and len(subjects) >= folds and is_one_each:
        return "subject", [label.subject for label in labels]
    return "recording", [label.recording for label in labels]


def assign(groups: Sequence[str], actions: Sequence[int], folds: int) -> list[int]:
    """The fold of each video: groups stay whole, and folds become as alike as they can.

    The largest groups first, each goes where its actions have been seen least, so that the sum of
    squares of what each fold has of each action grows least; where that is equal, to the smallest.

    Args:
        groups: of each video.
        actions: of each video, from 0.
        folds: how many.
    """
    of_group: dict[str, collections.Counter[int]] = {}
    for group, action in zip(groups, actions, strict=True):
        of_group.setdefault(group, collections.Counter())[action] += 1
    filled = [collections.Counter[int]() for _ in range(folds)]
    chosen = {}
    for group in sorted(of_group, key=lambda name: (-of_group[name].total(), name)):
        added = of_group[group]

        def cost(fold: int, added: collections.Counter[int] = added) -> tuple[int, int]:
            same = sum(filled[fold][action] * count for action, count in added.items())
            return same, filled[fold].total()

        chosen[group] = min(range(folds), key=cost)
        filled[chosen[group]].update(added)
    return [chosen[group] for group in groups]
