"""Encoded frames to pixels, at the stored size or smaller."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, Int, Shaped, UInt8

from htt_jax.data.records import RecordSource, Video
from htt_jax.support.errors import InputError

# Frames are decoded in parallel already; OpenCV's own threads would only contend with them.
cv2.setNumThreads(1)

Pixels: TypeAlias = Shaped[np.ndarray, "frames height width channels"]
Look: TypeAlias = Callable[[np.ndarray], dict[str, np.ndarray]]
"""Arrays of the frames of one video, given one after the other."""

REDUCED_FLAGS = {
    8: cv2.IMREAD_REDUCED_COLOR_8,
    4: cv2.IMREAD_REDUCED_COLOR_4,
    2: cv2.IMREAD_REDUCED_COLOR_2,
}
JPEG_START = b"\xff\xd8"


def decode_frames(
    source: RecordSource,
    video: Video,
    frames: Int[np.ndarray, " frames"],
    out: UInt8[np.ndarray, "frames height width 3"],
) -> None:
    """Decodes the frames of a video of `source` into `out`, see `decode_frame`.

    Raises:
        InputError: one cannot be decoded; names it.
    """
    for image, frame in zip(out, frames, strict=True):
        try:
            decode_frame(video.frames[frame], source.image_size, image)
        except ValueError as error:
            raise InputError(
                f"cannot decode frame {frame} (number {video.frame_numbers[frame]}) of video "
                f"{video.video_id} in split {source.split}: {error}; "
                "prepare the dataset again"
            ) from None


def _no_labels(
    source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"]
) -> dict[str, np.ndarray]:
    return {}


def _as_they_are(intrinsics: Float[np.ndarray, "3 3"]) -> Look:
    return lambda frame: {"image": frame}


@dataclasses.dataclass(frozen=True)
class FrameReader:
    """How the frames of a record become arrays: the part of it that a system looks at.

    It runs in worker processes, so it is NumPy only.

    Attributes:
        channels: of a frame's array.
        read: fills an array (frames, height, width, channels) with frames of a video of a source,
            given as `decode_frames` is.
        dtype: of that array.
        size: (width, height) of a frame's array; None: that of the images.
        labels: what else of each frame the system takes, by name: arrays whose first axis is the
            frames, from a source, a video, whose encoded frames may be gone, and frames of it.
        look: the same arrays, `image` and labels, of decoded frames that are no record's: a look
            at one video, by the intrinsics of its camera; None: there is none. Frames come at
            their own size where `size` is given, else at that of the images.
        caution: what to know of such a look.
    """

    channels: int
    read: Callable[[RecordSource, Video, Int[np.ndarray, " frames"], Pixels], None]
    dtype: type[np.generic] = np.uint8
    size: tuple[int, int] | None = None
    labels: Callable[
        [RecordSource, Video, Int[np.ndarray, " frames"]], Mapping[str, np.ndarray]
    ] = _no_labels
    look: Callable[[Float[np.ndarray, "3 3"]], Look] | None = None
    caution: str = ""

    def shape(self, image_size: tuple[int, int]) -> tuple[int, int, int]:
        """Of the array of a frame at `image_size`, (width, height)."""
        width, height = self.size or image_size
        return height, width, self.channels


RGB = FrameReader(3, decode_frames, look=_as_they_are)


def decode_frame(
    encoded: bytes, stored_size: tuple[int, int], out: UInt8[np.ndarray, "height width 3"]
) -> None:
    """Decodes a JPEG or PNG into `out`, RGB, shrunk by area averaging where `out` is smaller.

    Args:
        encoded: the file's content.
        stored_size: (width, height) the frame should have.
        out: where the pixels go; its size is the size wanted.

    Raises:
        ValueError: not a readable image, or of another size.
    """
    height, width = out.shape[:2]
    factor = reduction(encoded, stored_size, (width, height))
    flag = REDUCED_FLAGS.get(factor, cv2.IMREAD_COLOR)
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flag) if encoded else None
    if image is None:
        raise ValueError("not a readable image")
    cv2.cvtColor(fitted(image, factor, stored_size, (width, height)), cv2.COLOR_BGR2RGB, dst=out)


def fitted(
    image: UInt8[np.ndarray, "height width 3"],
    factor: int,
    stored_size: tuple[int, int],
    wanted: tuple[int, int],
) -> UInt8[np.ndarray, "height_out width_out 3"]:
    """What a decoder has shrunk by `factor`, at the size wanted; see `decode_frame`.

    Raises:
        ValueError: it was of another size than `stored_size`.
    """
    found = (image.shape[1] * factor, image.shape[0] * factor)
    if found != stored_size:
        raise ValueError(
            f"{found[0]}x{found[1]} pixels instead of {stored_size[0]}x{stored_size[1]}"
        )
    if image.shape[1::-1] == wanted:
        return image
    return cv2.resize(image, wanted, interpolation=cv2.INTER_AREA)


def reduction(encoded: bytes, stored_size: tuple[int, int], wanted: tuple[int, int]) -> int:
    """By how much the JPEG decoder may shrink: at least the wanted size is left, no pixel split.

    It then keeps the low frequencies of each block, which is near to averaging areas, and faster.
    """
    if encoded.startswith(JPEG_START):
        for factor in REDUCED_FLAGS:
            if all(
                full % factor == 0 and full // factor >= needed
                for full, needed in zip(stored_size, wanted, strict=True)
            ):
                return factor
    return 1
