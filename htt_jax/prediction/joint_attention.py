"""Where the queries of joints and object looked, in a few frames of a video."""

import dataclasses
from collections.abc import Mapping, Sequence

import jax
import numpy as np
from jaxtyping import Float, Int

_SHOWN = 2  # frames
_KEPT = 16  # while the video goes on, whose length is not always known; all would be too many


@dataclasses.dataclass(frozen=True)
class JointAttention:
    """Of a few frames, evenly spaced.

    Attributes:
        frames: their numbers in the video.
        maps: from each joint and, the last one, from the object to places in the frame, means over
            the heads of the final layer. Each adds up to 1; see `models.htt.cells.as_picture`.
    """

    frames: Int[np.ndarray, " shown"]
    maps: Float[np.ndarray, "shown tokens rows columns"]


class Collected:
    """Takes maps of evenly spaced frames out of what a model says of one block after another."""

    def __init__(self) -> None:
        """Of a video of any length."""
        self._every = 1
        self._found: dict[int, np.ndarray] = {}

    def take(
        self, outputs: Mapping[str, jax.Array], frames: Sequence[Int[np.ndarray, " _"]]
    ) -> dict[str, jax.Array]:
        """What is left of a block's outputs; `frames` are those of each clip."""
        left = dict(outputs)
        maps = left.pop("joint_attention", None)
        if maps is None:
            return left
        self._thin_out(max(int(of_clip.max()) for of_clip in frames) + 1)
        for clip, of_clip in enumerate(frames):
            for place in np.flatnonzero(of_clip % self._every == 0).tolist():
                self._found[int(of_clip[place])] = np.asarray(maps[clip, place])
        return left

    def result(self) -> JointAttention | None:
        """None of a model without queries."""
        if not self._found:
            return None
        kept = np.array(sorted(self._found))
        shown = np.unique(((np.arange(_SHOWN) + 0.5) * len(kept) / _SHOWN).astype(int))
        frames = kept[shown]
        return JointAttention(frames, np.stack([self._found[frame] for frame in frames.tolist()]))

    def _thin_out(self, length: int) -> None:
        while -(-length // self._every) > _KEPT:
            self._every *= 2
        self._found = {n: maps for n, maps in self._found.items() if n % self._every == 0}
