"""Batches with an image at every place of every clip, packed as the loader packs batches."""

import numpy as np


def pack(batch):
    """Puts images (clips, frames, height, width, 3) into slots, padding too."""
    clips, frames, *size = batch["image"].shape
    place = np.arange(clips * frames, dtype=np.int32)
    return {
        **batch,
        "image": batch["image"].reshape(-1, *size),
        "slot": place.reshape(clips, frames),
        "slot_clip": place // frames,
        "slot_frame": place % frames,
    }


def unpack(batch):
    """The images at their places, (clips, frames, height, width, 3)."""
    return np.asarray(batch["image"])[np.asarray(batch["slot"])]
