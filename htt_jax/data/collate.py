"""Clips to a batch, as `htt_jax.data.loader` describes it."""

from collections.abc import Sequence

import numpy as np

from htt_jax.data.clip_reader import Clip

_PIXELS = ("image", "row")  # one of them


def collate(
    clips: Sequence[Clip], slots: int, frames: int, process_index: int
) -> dict[str, np.ndarray]:
    """Puts clips into one array each: images packed, the rest padded to `frames`.

    Args:
        clips: of this process, ragged.
        slots: of each process.
        frames: of a clip.
        process_index: how many processes' slots and clips come before.
    """
    batch = {}
    for name, first in clips[0].items():
        if name in _PIXELS:
            continue
        if not first.ndim:  # of the clip
            batch[name] = np.stack([clip[name] for clip in clips])
            continue
        batch[name] = np.empty((len(clips), frames, *first.shape[1:]), first.dtype)
        for padded, clip in zip(batch[name], clips, strict=True):
            padded[: len(clip[name])] = clip[name]
            padded[len(clip[name]) :] = clip[name][-1]
    batch["valid"] = np.arange(frames) < batch.pop("count")[:, None]
    return batch | _pack(clips, slots, frames, process_index)


def _pack(
    clips: Sequence[Clip], slots: int, frames: int, process_index: int
) -> dict[str, np.ndarray]:
    """The frames of all clips in one row of slots, and where each is."""
    (name,) = clips[0].keys() & set(_PIXELS)
    parts = [clip[name] for clip in clips]
    lengths = np.array([len(part) for part in parts])
    first = np.cumsum(lengths) - lengths
    packed = np.empty((slots, *parts[0].shape[1:]), parts[0].dtype)
    np.concatenate(parts, out=packed[: lengths.sum()])
    packed[lengths.sum() :] = parts[-1][-1]
    clip = np.repeat(np.arange(len(parts)), lengths)
    clip = np.append(clip, np.full(slots - len(clip), len(parts) - 1))
    place = np.minimum(np.arange(slots) - first[clip], lengths[clip] - 1)
    slot = first[:, None] + np.minimum(np.arange(frames), lengths[:, None] - 1)
    return {
        name: packed,
        "slot_clip": (clip + process_index * len(parts)).astype(np.int32),
        "slot_frame": place.astype(np.int32),
        "slot": (slot + process_index * slots).astype(np.int32),
    }
