"""Image files to pixels: the one place that opens what people have, and refuses what is damaged.

Frames of a prepared dataset have checksums and are decoded by `htt_jax.data.decode`, to the same
pixels.
"""

import io

import cv2
import numpy as np
import simplejpeg
from jaxtyping import UInt8, UInt16
from PIL import Image, UnidentifiedImageError

from htt_jax.data.decode import JPEG_START, REDUCED_FLAGS, fitted, reduction

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp")
"""Of the names of image files, in lower case."""

FULL_DEPTH = 16
"""Bits of a PNG file's values, if not 8."""

_PNG_START = b"\x89PNG"
_PNG_DEPTH = 24  # where the file says how many bits its values have
_PNG_KIND = 25  # where it says what they are
_PNG_KINDS = {0: "grey", 2: "colour", 3: "palette", 4: "grey and alpha", 6: "colour and alpha"}
_JPEG_END = b"\xff\xd9"
_TAIL_BYTES = 1024  # some cameras write a little after the end
_EXIF = b"Exif\0\0"
_HEAD_BYTES = 1 << 16
_ORIENTATION = 0x0112  # EXIF's number for how a picture is turned; 1: not at all
_CAMERA_DEPTHS = (8, 10, 12, 14)  # bits that cameras fill

Pixels = UInt8[np.ndarray, "height width 3"]
Fitted = UInt8[np.ndarray, "height_out width_out 3"]


def decode(encoded: bytes, *, factor: int = 1, depth: int | None = None) -> Pixels:
    """The pixels, RGB, of a whole JPEG, PNG or WebP file, upright as its EXIF data says.

    Args:
        encoded: the file's content.
        factor: by which the JPEG decoder may shrink it, see `data.decode.reduction`.
        depth: bits that the values of a 16-bit PNG file fill; None: all, and one whose values
            fill fewer is refused.

    Raises:
        ValueError: it is damaged, cut short or no such file; or its values fill another depth.
    """
    if not encoded:
        raise ValueError("the file is empty")
    if encoded.startswith(JPEG_START):
        return _jpeg(encoded, factor)
    if encoded.startswith(_PNG_START):
        _check_png(encoded)
        if _is_deep(encoded):
            return _to_8_bits(encoded, depth)
    return _by_opencv(encoded, factor)


def decode_fitted(
    encoded: bytes, size: tuple[int, int], wanted: tuple[int, int], depth: int | None = None
) -> Fitted:
    """The pixels of a file of (width, height) `size` at a `wanted` one, not larger; see `decode`.

    Raises:
        ValueError: as `decode` does, or it is of another size.
    """
    factor = reduction(encoded, size, wanted)
    return fitted(decode(encoded, factor=factor, depth=depth), factor, size, wanted)


def filled_depth(encoded: bytes) -> int | None:
    """Bits that the values of a 16-bit PNG file fill: 8, 10, 12, 14 or 16; None of other files.

    Raises:
        ValueError: it is damaged.
    """
    if not _is_deep(encoded):
        return None
    _check_png(encoded)
    return _depth_of(int(_deep_values(encoded).max()))


def is_depth_map(encoded: bytes) -> bool:
    """Whether a file says that it is one: a PNG file of one channel of 16 bits."""
    return _is_deep(encoded) and _PNG_KINDS.get(encoded[_PNG_KIND]) == "grey"


def decode_depth_map(encoded: bytes) -> UInt16[np.ndarray, "height width"]:
    """The values of a whole depth map: a PNG file of one channel of 16 bits.

    Raises:
        ValueError: it is damaged, cut short or no such file; says what it is.
    """
    if not encoded:
        raise ValueError("the file is empty")
    if not encoded.startswith(_PNG_START):
        raise ValueError("it is no PNG file")
    _check_png(encoded)
    bits, kind = encoded[_PNG_DEPTH], _PNG_KINDS.get(encoded[_PNG_KIND])
    if bits != FULL_DEPTH or kind != "grey":
        raise ValueError(f"its values are {kind} of {bits} bits")
    try:
        return np.asarray(Image.open(io.BytesIO(encoded))).astype(np.uint16, copy=False)
    except (OSError, SyntaxError) as error:
        raise ValueError(str(error)) from None


def _depth_of(largest: int) -> int:
    fitting = (depth for depth in _CAMERA_DEPTHS if largest < 1 << depth)
    return next(fitting, FULL_DEPTH)


def _jpeg(encoded: bytes, factor: int) -> Pixels:
    """By libjpeg-turbo, as OpenCV does it, but what it warns of is an error.

    Phones write more behind a picture's end: its gain map, or the seconds of video around it.
    """
    try:
        height, width, kind, _ = simplejpeg.decode_jpeg_header(encoded)
        colours = "CMYK" if kind in ("CMYK", "YCCK") else "RGB"
        smaller = {"min_height": -(-height // factor), "min_width": -(-width // factor)}
        image = simplejpeg.decode_jpeg(encoded, colours, **smaller, min_factor=1)
    except ValueError as error:
        is_cut = _JPEG_END not in encoded[-_TAIL_BYTES:]
        raise ValueError("the file is cut short" if is_cut else str(error)) from None
    is_seen_so = colours == "RGB" and _is_upright(encoded)
    return image if is_seen_so else _by_opencv(encoded, factor)


def _is_upright(encoded: bytes) -> bool:
    if _EXIF not in encoded[:_HEAD_BYTES]:
        return True
    return Image.open(io.BytesIO(encoded)).getexif().get(_ORIENTATION, 1) == 1


def _check_png(encoded: bytes) -> None:
    """Checks the checksums and the end."""
    try:
        Image.open(io.BytesIO(encoded)).verify()
    except (OSError, SyntaxError, UnidentifiedImageError) as error:
        is_cut = b"IEND" not in encoded[-_TAIL_BYTES:]
        raise ValueError("the file is cut short" if is_cut else str(error)) from None


def _is_deep(encoded: bytes) -> bool:
    return encoded.startswith(_PNG_START) and encoded[_PNG_DEPTH : _PNG_DEPTH + 1] == b"\x10"


def _deep_values(encoded: bytes) -> np.ndarray:
    return _imdecode(encoded, cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)


def _to_8_bits(encoded: bytes, depth: int | None) -> Pixels:
    values = _deep_values(encoded)
    filled = _depth_of(int(values.max()))
    if depth is None and filled < FULL_DEPTH:
        raise ValueError(
            f"it has 16 bits a value, of which {filled} are used: one image does not tell which "
            "value is white; convert all of them to 8 bits"
        )
    values >>= (depth or FULL_DEPTH) - 8
    return cv2.cvtColor(values.astype(np.uint8), cv2.COLOR_BGR2RGB)


def _by_opencv(encoded: bytes, factor: int) -> Pixels:
    image = _imdecode(encoded, REDUCED_FLAGS.get(factor, cv2.IMREAD_COLOR))
    return cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def _imdecode(encoded: bytes, flags: int) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(encoded, np.uint8), flags)
    if image is None:
        raise ValueError("it is damaged, or no image of a kind known here")
    return image
