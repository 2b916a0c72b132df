"""Classes that cannot be both learned and evaluated."""

import collections
from collections.abc import Mapping, Sequence
from typing import Protocol, runtime_checkable

from data_prep.raw import Note
from htt_jax.support.words import counted

_SHOWN = 5


@runtime_checkable
class Labelled(Protocol):
    """A video with an action: a class from 0, or less where it is not known."""

    @property
    def action(self) -> int:
        """Its class."""


def notes(splits: Mapping[str, Sequence[Labelled]], names: Sequence[str]) -> list[Note]:
    """A note on the classes that have one video in all splits together."""
    counts = collections.Counter(
        video.action for videos in splits.values() for video in videos if video.action >= 0
    )
    alone = [names[action] for action, count in sorted(counts.items()) if count == 1]
    if not alone:
        return []
    shown = ", ".join(alone[:_SHOWN])
    if len(alone) > _SHOWN:
        shown += f" and {len(alone) - _SHOWN} more"
    what = f"{counted(len(alone), 'action')} cannot be both learned and evaluated"
    return [Note("one video", shown, what)]
