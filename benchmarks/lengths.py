"""How long videos and clips are: as FPHA's and H2O's, or all full.

The datasets may not be redistributed, so lengths are drawn: log-normal between the published
shortest and longest, with the published mean.
"""

import numpy as np
from jaxtyping import Int

from htt_jax.data.clips import ClipSpec, clip_table

# Raw frames of a video, or of an action segment: mean, shortest, longest; videos for training.
_DATASETS = {"fpha": (94, 16, 341, 600), "h2o": (98, 22, 683, 569)}
_SPREAD = 0.55  # deviation of the logarithm
LENGTHS = (*_DATASETS, "full")

WINDOW, FRAMES, SPACING = 16, 128, 2
"""The paper's t, T and spacing (Sec. 3.4)."""


def video_lengths(dataset: str, videos: int | None = None) -> Int[np.ndarray, " videos"]:
    """Raw frames of each video; `full`: such that every clip has all its frames.

    Args:
        dataset: one of `LENGTHS`.
        videos: how many; None for as many as the training split has.
    """
    if dataset == "full":
        # A training clip may start as late as at the last frame of the first window.
        return np.full(videos or 600, (FRAMES + WINDOW) * SPACING)
    mean, shortest, longest, count = _DATASETS[dataset]
    drawn = np.random.default_rng(0).lognormal(0.0, _SPREAD, videos or count)
    # Clipping moves the mean; a few rounds bring it back.
    scale = mean / drawn.mean()
    for _ in range(20):
        scale *= mean / np.clip(scale * drawn, shortest, longest).mean()
    return np.clip(scale * drawn, shortest, longest).round().astype(np.int64)


def clip_lengths(
    dataset: str, *, training: bool, frames: int = FRAMES
) -> Int[np.ndarray, " clips"]:
    """Real frames of every clip of a split of that dataset, in an order of their own.

    Args:
        dataset: one of `LENGTHS`.
        training: clips as in training, which overlap; else as at test time.
        frames: T, of a clip.
    """
    if dataset == "full":
        return np.full(1000, frames)
    spec = ClipSpec(WINDOW, frames, SPACING)
    table = clip_table(video_lengths(dataset), spec, training=training)
    return np.random.default_rng(1).permutation(table[:, 2])
