"""Frames that are image files."""

import functools
import pathlib
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from htt_jax.data import image_decoding
from htt_jax.prediction.frames import Frame, IsBefore, Resize, Resizer, Size, in_threads, wanted
from htt_jax.prediction.numbering import Ordered
from htt_jax.support.errors import InputError

_Result = TypeVar("_Result")


class ImageFiles:
    """Image files in colour; see `frames.Frames`."""

    camera = "color"

    def __init__(self, ordered: Ordered):
        """Reads the first file for the size of all, and all of them where they have 16 bits."""
        self._files = ordered.files
        self._seconds = ordered.seconds
        self.count = len(ordered.files)
        self.rate = ordered.rate
        self.says_rate = ordered.says_rate
        self.notes = list(ordered.notes)
        first = ordered.files[0]
        self._depth = (
            self._filled_depth() if read_file(first, image_decoding.filled_depth) else None
        )
        height, width, _ = read_file(
            first, functools.partial(image_decoding.decode, depth=self._depth)
        ).shape
        self.size: Size = (width, height)

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`."""
        if isinstance(resizer, Resizer):
            decode = functools.partial(resizer.decode, depth=self._depth)
        else:
            decode = functools.partial(self._decode, resizer=resizer)
        places = list(wanted(enumerate(self._seconds), is_before))
        images = in_threads(
            functools.partial(read_file, self._files[number], decode) for number, _ in places
        )
        for (number, seconds), image in zip(places, images, strict=True):
            yield Frame(self._files[number].name, image, seconds)

    def _decode(self, encoded: bytes, resizer: Resize | None) -> np.ndarray:
        image = image_decoding.decode_fitted(encoded, self.size, self.size, self._depth)
        return resizer(image) if resizer else image

    def _filled_depth(self) -> int:
        """Bits that the values of the files fill: one scale for all, or they would flicker."""
        depths = in_threads(
            functools.partial(read_file, file, image_decoding.filled_depth) for file in self._files
        )
        deepest = 0
        for depth in depths:
            deepest = max(deepest, depth or 0)
            if deepest == image_decoding.FULL_DEPTH:
                return deepest
        self.notes.append(
            f"the images have 16 bits a value, of which {deepest} are used: {2**deepest - 1} is "
            "taken for white"
        )
        return deepest


def read_file(path: pathlib.Path, decode: Callable[[bytes], _Result]) -> _Result:
    """What a frame's file holds.

    Raises:
        InputError: it cannot be read or decoded.
    """
    try:
        return decode(path.read_bytes())
    except (OSError, ValueError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or str(error)
        raise InputError(
            f"cannot read the frame {path}: {reason}; replace or remove it, all frames must be "
            "whole images of one size"
        ) from None
