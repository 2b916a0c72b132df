"""Frames of a split as people look at them."""

import numpy as np
from jaxtyping import UInt8

from htt_jax.data import depth_maps
from htt_jax.data.decode import decode_frames
from htt_jax.data.records import RecordSource, Video


def picture_of(
    source: RecordSource, video: Video, frame: int
) -> UInt8[np.ndarray, "height width 3"]:
    """A frame of a video of `source`, RGB; a depth map in colours.

    Raises:
        InputError: it cannot be decoded; names it.
    """
    if source.camera == "depth":
        return depth_maps.picture(depth_maps.map_of(source, video, frame))
    width, height = source.image_size
    images = np.empty((1, height, width, 3), np.uint8)
    decode_frames(source, video, np.array([frame]), images)
    return images[0]
