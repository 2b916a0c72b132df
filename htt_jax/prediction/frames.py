"""Frames of a video, whatever it is, and how they are brought to a model's size."""

import collections
import dataclasses
import itertools
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import NamedTuple, Protocol, TypeAlias, TypeVar, runtime_checkable

import cv2
import numpy as np
from jaxtyping import UInt8, UInt16
from PIL import Image

from htt_jax.data import depth_maps, image_decoding
from htt_jax.datasets.spec import STORED_SIZE, DatasetSpec
from htt_jax.support.errors import InputError
from htt_jax.support.machine import usable_cores

Pixels: TypeAlias = UInt8[np.ndarray, "height width 3"]
Resized: TypeAlias = UInt8[np.ndarray, "height_out width_out 3"]
DepthMap: TypeAlias = UInt16[np.ndarray, "height width"]
Size: TypeAlias = tuple[int, int]

DEFAULT_RATE = Fraction(30)
"""Frames a second where nothing says how many there are; what FPHA and H2O were taken at."""

FASTEST = 1000
"""Frames a second, at most."""

_MAX_THREADS = 16
_Result = TypeVar("_Result")


class Frame(NamedTuple):
    """A frame of a video: its name, its pixels (RGB, or millimetres), seconds since the first."""

    name: str
    image: Pixels | DepthMap
    seconds: float


@dataclasses.dataclass(frozen=True)
class Resizer:
    """Brings frames in colour to the model's size the way its training data came to it.

    Frames larger than a prepared dataset's go through that size with the dataset's own filter;
    from there on areas are averaged.

    Attributes:
        spec: the dataset the model was trained on.
        from_size: (width, height) of the frames.
        to_size: (width, height) the model sees.
    """

    spec: DatasetSpec
    from_size: Size
    to_size: Size

    def __call__(self, image: Pixels) -> Resized:
        """The frame at the model's size."""
        if not _fits(self.from_size, STORED_SIZE):
            stored = self.to_size if not _fits(self.to_size, STORED_SIZE) else STORED_SIZE
            image = self._dataset_filter(image, stored)
        if image.shape[1::-1] == self.to_size:
            return image
        shrinks = _fits(self.to_size, image.shape[1::-1])
        filter_ = cv2.INTER_AREA if shrinks else cv2.INTER_LINEAR
        return cv2.resize(image, self.to_size, interpolation=filter_)

    def decode(self, encoded: bytes, depth: int | None) -> Pixels:
        """The frame of an image file at the model's size.

        Args:
            encoded: the file's content.
            depth: bits that its values fill, see `image_decoding.decode`.

        Raises:
            ValueError: it is not a whole image, or of another size than `from_size`.
        """
        # A file as it is stored in a prepared dataset is decoded exactly as it is from there.
        if _fits(self.to_size, self.from_size) and _fits(self.from_size, STORED_SIZE):
            return image_decoding.decode_fitted(encoded, self.from_size, self.to_size, depth)
        return self(image_decoding.decode_fitted(encoded, self.from_size, self.from_size, depth))

    def _dataset_filter(self, image: Pixels, size: Size) -> Resized:
        if self.spec.antialiased:
            return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


@dataclasses.dataclass(frozen=True)
class MapResizer:
    """Brings depth maps to the (width, height) `to_size` a model sees."""

    to_size: Size

    def __call__(self, depth: DepthMap) -> UInt16[np.ndarray, "height_out width_out"]:
        """The map at the model's size."""
        return depth_maps.resized(depth, self.to_size)


Resize: TypeAlias = Callable[[np.ndarray], np.ndarray]
"""What is made of each frame where it is read, such as a `Resizer`."""

IsBefore: TypeAlias = Callable[[int, float], bool]
"""Whether a frame, by its place from 0 and its seconds, lies before what is wanted of a video."""


@runtime_checkable
class Frames(Protocol):
    """Frames of one size, in order.

    Attributes:
        camera: 'color' or 'depth'.
        size: (width, height).
        count: how many, as far as the file says; 0 where it does not.
        rate: frames a second, the mean where they vary.
        says_rate: whether that is told; else it is `DEFAULT_RATE`.
    """

    camera: str
    size: Size
    count: int
    rate: Fraction
    says_rate: bool

    @property
    def notes(self) -> list[str]:
        """What their user should know of them, a line each; complete once all were read."""

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """Each frame, from the first; few are in memory at a time.

        Args:
            resizer: takes frames of the camera's kind, and brings them to a model's size; None
                leaves them at their own.
            is_before: of frames at the beginning that nobody wants, which costs less than to leave
                them aside.

        Raises:
            InputError: while iterating, a frame cannot be read or is of another size.
        """


class FrameArray:
    """Frames in memory; see `Frames`."""

    def __init__(self, images: np.ndarray, rate: Fraction = DEFAULT_RATE):
        """Takes RGB frames or depth maps as they are, so many a second."""
        is_rgb = images.dtype == np.uint8 and images.ndim == 4 and images.shape[-1] == 3
        is_depth = images.dtype == np.uint16 and images.ndim == 3
        if not (is_rgb or is_depth) or not images.size:
            raise InputError(
                f"an array of {images.dtype} {images.shape} is no video; expected RGB frames, "
                "uint8 (frames, height, width, 3), or depth maps in millimetres, uint16 (frames, "
                "height, width)"
            )
        self._images = images
        self.camera = "color" if is_rgb else "depth"
        self.count = len(images)
        self.rate = rate
        self.says_rate = True
        self.notes: list[str] = []
        self.size: Size = (images.shape[2], images.shape[1])

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`."""
        seconds = [number / float(self.rate) for number in range(self.count)]
        for number, time in wanted(enumerate(seconds), is_before):
            image = self._images[number]
            yield Frame(f"frame {number}", resizer(image) if resizer else image, time)


def frame_rate(value: str | float, name: str) -> Fraction:
    """Frames a second as they are given, such as '30000/1001'.

    Args:
        value: what is given.
        name: what gives it.

    Raises:
        InputError: it is no such number.
    """
    try:
        rate = Fraction(value)
    except (ValueError, ZeroDivisionError, OverflowError):
        rate = Fraction(0)
    if not 0 < rate <= FASTEST:
        raise InputError(f"{name}={value} is no number of frames a second from 0 to {FASTEST}")
    return rate


def wanted(
    places: Iterable[tuple[int, float]], is_before: IsBefore | None
) -> Iterator[tuple[int, float]]:
    """The places and seconds of frames, without those at the beginning that lie before."""
    if is_before is None:
        return iter(places)
    return itertools.dropwhile(lambda place: is_before(*place), places)


def in_threads(loads: Iterable[Callable[[], _Result]]) -> Iterator[_Result]:
    """What `loads` return, in order; threads are a few frames ahead."""
    threads = min(usable_cores(), _MAX_THREADS)
    ahead: collections.deque[Future[_Result]] = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        for load in loads:
            ahead.append(pool.submit(load))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        for result in ahead:
            yield result.result()


def _fits(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    return inner[0] <= outer[0] and inner[1] <= outer[1]
