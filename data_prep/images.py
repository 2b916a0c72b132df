"""From a raw frame to the encoded 480x270 frame that is stored."""

import dataclasses
from collections.abc import Callable

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from data_prep.raw import Pixels, RawPath
from htt_jax.data import image_decoding
from htt_jax.data.decode import JPEG_START
from htt_jax.datasets.spec import STORED_SIZE as SIZE
from htt_jax.support.errors import InputError

DEFAULT_QUALITY = 95

Resized = UInt8[np.ndarray, "height_out width_out 3"]


def resize_antialiased(image: Pixels) -> Resized:
    """Pillow's bilinear resize, which averages over the source pixels (FPHA)."""
    return np.asarray(Image.fromarray(image).resize(SIZE, Image.Resampling.BILINEAR))


def resize_bilinear(image: Pixels) -> Resized:
    """OpenCV's bilinear resize, which does not average (H2O)."""
    return cv2.resize(image, SIZE, interpolation=cv2.INTER_LINEAR)


@dataclasses.dataclass(frozen=True)
class FrameEncoder:
    """Reads an image file, resizes it and encodes it; a frame of the right size and kind is kept.

    Re-encoding a 480x270 JPEG could only lose quality, so its bytes are stored as they are, unless
    a quality is asked for. With `lossless`, 480x270 PNG files are kept too.
    """

    native_size: tuple[int, int]  # (width, height) of the original frames
    resize: Callable[[Pixels], Resized]
    quality: int | None = None  # of JPEG; None: DEFAULT_QUALITY, and 480x270 JPEG files are kept
    lossless: bool = False  # PNG instead of JPEG
    quarter_decode: bool = False  # let the JPEG decoder do the resizing, for four times the size

    def __call__(self, image: RawPath | Pixels) -> bytes:
        """The frame to store for an image file, or for an image of the stored size.

        Raises:
            InputError: the file is missing, not a whole image, or of an unexpected size.
        """
        return self._encode(image) if isinstance(image, np.ndarray) else self._of_file(image)

    def _of_file(self, path: RawPath) -> bytes:
        try:
            data = path.read_bytes()
        except OSError as error:
            raise InputError(f"cannot read the image {path}: {error.strerror}") from error
        try:
            image = self._quarter(data) if self.quarter_decode else None
            is_resized = image is not None
            if image is None:
                image = decode(data)
        except InputError as error:
            raise InputError(
                f"unreadable image {path}: {error}; expected a whole JPEG or PNG; replace it, or "
                "leave its video out with --skip-bad"
            ) from error
        size = (image.shape[1], image.shape[0])
        if size not in (SIZE, self.native_size):
            expected = " or ".join(
                f"{width}x{height}" for width, height in (self.native_size, SIZE)
            )
            raise InputError(
                f"unexpected image size: {path} is {size[0]}x{size[1]}, expected {expected}; "
                "replace it, or leave its video out with --skip-bad"
            )
        if size != SIZE:
            return self._encode(self.resize(image))
        if not is_resized and self._is_kept(data):
            return data
        return self._encode(image)

    def _is_kept(self, data: bytes) -> bool:
        if data.startswith(JPEG_START):
            return self.quality is None
        return self.lossless

    def _quarter(self, data: bytes) -> Pixels | None:
        """What the decoder makes of a JPEG file of four times the stored size; None of others."""
        if not data.startswith(JPEG_START):
            return None
        image = decode(data, quarter=True)
        return image if (image.shape[1], image.shape[0]) == SIZE else None

    def _encode(self, image: Pixels) -> bytes:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2BGR)
        if self.lossless:
            return cv2.imencode(".png", image)[1].tobytes()
        quality = DEFAULT_QUALITY if self.quality is None else self.quality
        return cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


def decode(data: bytes, *, quarter: bool = False) -> Pixels:
    """The pixels of an image file, RGB, of a quarter the size if asked.

    Raises:
        InputError: `data` is not a whole image.
    """
    try:
        return image_decoding.decode(data, factor=4 if quarter else 1)
    except ValueError as error:
        raise InputError(str(error)) from None
