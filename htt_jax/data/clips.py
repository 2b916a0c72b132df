"""Which frames make which clip (Sec. 3.4, Fig. 3): index arithmetic, no pixels."""

import numpy as np
from jaxtyping import Bool, Int

from htt_jax.support.errors import InputError


def clip_table(
    frame_counts: Int[np.ndarray, " videos"],
    *,
    window: int,
    frames: int,
    spacing: int,
    training: bool,
) -> Int[np.ndarray, "clips 3"]:
    """Every clip of a split: video index, first raw frame, number of real frames.

    A clip takes every `spacing`-th raw frame of its video, `frames` (T) at most. At test time the
    clips of a video meet every raw frame exactly once; in training a clip also starts at each raw
    frame of the first `window` (t), so that the clips overlap. Ordered by video, then start.

    >>> clip_table(np.array([5]), window=2, frames=4, spacing=2, training=False).tolist()
    [[0, 0, 3], [0, 1, 2]]

    Raises:
        InputError: a length is not positive, or `frames` is not a multiple of `window`.
    """
    _check_lengths(window=window, frames=frames, spacing=spacing)
    counts = np.asarray(frame_counts, np.int64)
    video = np.repeat(np.arange(len(counts)), counts)
    first_of_video = np.cumsum(counts) - counts
    frame = np.arange(len(video)) - first_of_video[video]
    starts_clip = frame % (frames * spacing) < (window if training else 1) * spacing
    video, frame = video[starts_clip], frame[starts_clip]
    real = np.minimum(frames, -((frame - counts[video]) // spacing))
    return np.stack([video, frame, real], axis=1)


def clip_frames(
    start: int, count: int, *, frames: int, spacing: int
) -> tuple[Int[np.ndarray, " frames"], Bool[np.ndarray, " frames"]]:
    """Raw frame of each place in a clip, and whether it is real; padding repeats the last one."""
    place = np.arange(frames)
    return start + spacing * np.minimum(place, count - 1), place < count


def _check_lengths(**lengths: int) -> None:
    for name, value in lengths.items():
        if value < 1:
            raise InputError(f"{name} is {value}; it must be at least 1")
    if lengths["frames"] % lengths["window"]:
        raise InputError(
            f"frames = {lengths['frames']} is not a multiple of window = {lengths['window']}; "
            "the pose block sees a clip as whole windows, so choose frames = n * window"
        )
