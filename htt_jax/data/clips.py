"""Which frames make which clip (Sec. 3.4, Fig. 3): index arithmetic, no pixels."""

import dataclasses
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Int

from htt_jax.support.errors import InputError


@dataclasses.dataclass(frozen=True)
class ClipSpec:
    """How a video is cut into clips.

    Attributes:
        window: t, frames that the pose block sees together.
        frames: T, frames of a clip; a multiple of `window`.
        spacing: raw frames between two neighbours in a clip.
        starts: in training clips begin at each raw frame of the first so many places of a clip;
            None: of the first window.

    Raises:
        InputError: a length is not positive, or `frames` is not a multiple of `window`.
    """

    window: int
    frames: int
    spacing: int
    starts: int | None = None

    def __post_init__(self) -> None:
        for name, value in dataclasses.asdict(self).items():
            if value is not None and value < 1:
                raise InputError(f"{name} is {value}; it must be at least 1")
        if self.frames % self.window:
            raise InputError(
                f"frames = {self.frames} is not a multiple of window = {self.window}; "
                "the pose block sees a clip as whole windows, so choose frames = n * window"
            )

    @property
    def span(self) -> int:
        """Raw frames over which a clip extends, and which `spacing` clips meet together."""
        return self.frames * self.spacing

    @property
    def window_span(self) -> int:
        """Raw frames over which a window extends."""
        return self.window * self.spacing

    @property
    def training_span(self) -> int:
        """Raw frames, of `span`, at each of which a clip begins in training."""
        return (self.window if self.starts is None else self.starts) * self.spacing


def clip_table(
    frame_counts: Int[np.ndarray, " videos"], clips: ClipSpec, *, training: bool
) -> Int[np.ndarray, "clips 3"]:
    """Every clip of a split: video index, first raw frame, number of real frames.

    A clip takes every `spacing`-th raw frame of its video, `frames` (T) at most. At test time the
    clips of a video meet every raw frame exactly once; in training a clip also starts at each raw
    frame of the first `window` (t), or of the first `starts` places, so that the clips overlap.
    Ordered by video, then start.

    >>> clip_table(np.array([5]), ClipSpec(2, 4, 2), training=False).tolist()
    [[0, 0, 3], [0, 1, 2]]
    """
    counts = np.asarray(frame_counts, np.int64)
    video = np.repeat(np.arange(len(counts)), counts)
    first_of_video = np.cumsum(counts) - counts
    frame = np.arange(len(video)) - first_of_video[video]
    starts_clip = frame % clips.span < (clips.training_span if training else clips.spacing)
    video, frame = video[starts_clip], frame[starts_clip]
    real = np.minimum(clips.frames, -((frame - counts[video]) // clips.spacing))
    return np.stack([video, frame, real], axis=1)


def clip_frames(
    start: int, count: int, clips: ClipSpec
) -> tuple[Int[np.ndarray, " frames"], Bool[np.ndarray, " frames"]]:
    """Raw frame of each place in a clip, and whether it is real; padding repeats the last one."""
    place = np.arange(clips.frames)
    return start + clips.spacing * np.minimum(place, count - 1), place < count


def in_frame_order(
    frames: Sequence[Int[np.ndarray, " _"]], of_clips: Sequence[np.ndarray]
) -> np.ndarray:
    """Puts what is known of the frames of clips back into the order of the raw frames.

    >>> in_frame_order([np.array([0, 2]), np.array([1])], [np.array([5, 7]), np.array([6, -1])])
    array([5, 6, 7])

    Args:
        frames: the raw frames of each clip; all clips together meet each from 0 on once.
        of_clips: of each clip an array whose first axis is its frames; padding comes last.
    """
    places = np.concatenate(frames)
    assert (np.bincount(places) == 1).all(), "every frame must be met exactly once"
    pairs = zip(frames, of_clips, strict=True)
    clip_by_clip = np.concatenate([array[: len(real)] for real, array in pairs])
    ordered = np.empty_like(clip_by_clip)
    ordered[places] = clip_by_clip
    return ordered
