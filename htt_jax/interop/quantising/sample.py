"""Windows of a training split: to find the ranges of activations on, and to measure layers on."""

import dataclasses
from collections.abc import Iterator

import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from htt_jax import augment
from htt_jax.data.clip_reader import Clip, ClipReader
from htt_jax.data.clips import clip_table
from htt_jax.data.loader import checked_size
from htt_jax.data.records import RecordSource
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun, view_difference
from htt_jax.support.errors import InputError

FRAMES = 128
"""Of each half, or as many as there are."""


@dataclasses.dataclass(frozen=True)
class Sample:
    """Windows of frames; those of each half are spread over all of the split.

    Attributes:
        clips: one a window, as the loader reads them: real frames alone.
        window: frames of a whole one.
    """

    clips: tuple[Clip, ...]
    window: int

    @property
    def frames(self) -> int:
        """Real ones."""
        return sum(int(clip["count"]) for clip in self.clips)

    def inputs(self) -> Iterator[dict[str, np.ndarray]]:
        """What a program takes of each window; padding repeats the last real frame."""
        for clip in self.clips:
            place = np.minimum(np.arange(self.window), clip["count"] - 1)
            yield {
                "image": _seen(clip["image"][place])[None],
                "valid": (np.arange(self.window) < clip["count"])[None],
                "intrinsics": clip["intrinsics"][place].astype(np.float32)[None],
            }

    def truth(
        self,
    ) -> tuple[Float[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames hands"]]:
        """Joints of the real frames, metres, and which hands are annotated."""
        joints, known = (
            np.concatenate([clip[name] for clip in self.clips])
            for name in ("joints_3d", "hand_annotated")
        )
        return joints, known


def draw(run: TrainedRun, source: RecordSource) -> tuple[Sample, Sample]:
    """Two samples that share no window, unless the split has just one; the second knows poses.

    Args:
        run: that they are for.
        source: a training split.

    Raises:
        InputError: its frames are smaller than the run's or of another shape, one is damaged, or
            no hand is annotated.
    """
    size = run.dataset.image_size
    if difference := view_difference(run.dataset, source):
        raise InputError(
            f"{source.directory} is not to calibrate on: {difference}; name frames of that shape "
            "with --data"
        )
    clips = clip_spec(run.config)
    clips = dataclasses.replace(clips, frames=clips.window, starts=None)
    table = clip_table(source.frame_counts, clips, training=False)
    wanted = min(len(table), 2 * -(-FRAMES // clips.window))
    table = table[np.linspace(0, len(table) - 1, wanted).round().astype(int)]
    reader = ClipReader(source, table, clips, checked_size(source, size), run.system.reader)
    found = [reader(row) for row in range(len(table))]
    if not found:
        raise InputError(f"split {source.split} of {source.directory} has no frame to calibrate on")
    halves = found[::2], found[1::2] or found
    if not any(clip["hand_annotated"].any() for clip in halves[1]):
        raise InputError(
            f"split {source.split} of {source.directory} has no annotated hand in the "
            f"{len(halves[1])} windows that layers would be measured on; name a dataset with poses "
            "with --data, or take --quantize=float16"
        )
    first, second = (Sample(tuple(half), clips.window) for half in halves)
    return first, second


def _seen(frames: np.ndarray) -> np.ndarray:
    return np.asarray(augment.to_pixel_range(jnp.asarray(frames)))
