"""Depth maps: 16-bit PNG in millimetres, 0 where the sensor has no reading."""

import cv2
import numpy as np
from jaxtyping import Float, Int, UInt8, UInt16

from htt_jax.data.decode import FrameReader, Look, Pixels
from htt_jax.data.records import RecordSource, Video
from htt_jax.support.errors import InputError

_PICTURE_PERCENTILES = (1, 99)  # of the readings: the ends of the colours


def decode_map(encoded: bytes, size: tuple[int, int]) -> UInt16[np.ndarray, "height width"]:
    """Millimetres; a map that is not there, of no bytes, has no reading anywhere.

    Args:
        encoded: the file's content.
        size: (width, height) the map should have.

    Raises:
        ValueError: not a depth map, or of another size.
    """
    width, height = size
    if not encoded:
        return np.zeros((height, width), np.uint16)
    depth = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_UNCHANGED)
    if depth is None:
        raise ValueError("not a readable image")
    if depth.dtype != np.uint16 or depth.ndim != 2:
        raise ValueError("no depth map, which has one channel of 16 bits")
    if depth.shape != (height, width):
        raise ValueError(f"{depth.shape[1]}x{depth.shape[0]} pixels instead of {width}x{height}")
    return depth


def map_of(source: RecordSource, video: Video, frame: int) -> UInt16[np.ndarray, "height width"]:
    """The depth map of a frame, millimetres, of a video as the depth camera saw it.

    Raises:
        InputError: it cannot be decoded; names it.
    """
    try:
        return decode_map(video.frames[frame], source.image_size)
    except ValueError as error:
        raise InputError(
            f"cannot decode the depth map of frame {frame} (number {video.frame_numbers[frame]}) "
            f"of video {video.video_id} in split {source.split}: {error}; "
            "prepare the dataset again"
        ) from None


def _read(
    source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"], out: Pixels
) -> None:
    height, width = out.shape[1:3]
    for image, frame in zip(out, frames.tolist(), strict=True):
        image[..., 0] = resized(map_of(source, video, frame), (width, height))


def resized(
    depth: UInt16[np.ndarray, "height width"], size: tuple[int, int]
) -> UInt16[np.ndarray, "height_out width_out"]:
    """A map at (width, height) `size`, by the nearest pixel: between two readings may be none."""
    if depth.shape[::-1] == size:
        return depth
    return cv2.resize(depth, size, interpolation=cv2.INTER_NEAREST)


def _look(intrinsics: Float[np.ndarray, "3 3"]) -> Look:
    return lambda depth: {"image": depth[..., None]}


DEPTH = FrameReader(1, _read, dtype=np.uint16, look=_look)
"""Whole maps, uint16, millimetres."""


def picture(depth: UInt16[np.ndarray, "height width"]) -> UInt8[np.ndarray, "height width 3"]:
    """A map as people look at it, RGB: near is bright, black has no reading."""
    known = depth > 0
    if not known.any():
        return np.zeros((*depth.shape, 3), np.uint8)
    near, far = np.percentile(depth[known], _PICTURE_PERCENTILES)
    grey = 255 * (far - np.clip(depth, near, far)) / max(far - near, 1)
    colours = cv2.applyColorMap(grey.astype(np.uint8), cv2.COLORMAP_VIRIDIS)
    return np.where(known[..., None], colours[..., ::-1], 0)
