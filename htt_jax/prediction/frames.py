"""Frames of a folder, a video file or an array, one after another, brought to a model's size."""

import collections
import dataclasses
import functools
import os
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from fractions import Fraction
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import av
import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from htt_jax.data.decode import check_whole, decode_frame
from htt_jax.datasets.spec import STORED_SIZE, DatasetSpec
from htt_jax.support.errors import InputError
from htt_jax.support.machine import usable_cores

Pixels: TypeAlias = UInt8[np.ndarray, "height width 3"]
Resized: TypeAlias = UInt8[np.ndarray, "height_out width_out 3"]
Size: TypeAlias = tuple[int, int]
FrameSource: TypeAlias = str | os.PathLike[str] | np.ndarray

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")

DEFAULT_RATE = Fraction(30)
"""Frames a second where nothing says how many there are; what FPHA and H2O were taken at."""

_MAX_THREADS = 16
_JITTER = 0.002  # seconds, by which container formats round the times of even steps


class Frame(NamedTuple):
    """A frame of a video: its name, its pixels (RGB), and seconds since the first."""

    name: str
    image: Pixels
    seconds: float


@dataclasses.dataclass(frozen=True)
class Resizer:
    """Brings frames to the model's size the way its training data came to it.

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

    def decode(self, encoded: bytes) -> Pixels:
        """The frame of a JPEG or PNG file at the model's size.

        Raises:
            ValueError: it is not a whole image, or of another size than `from_size`.
        """
        # A file as it is stored in a prepared dataset is decoded exactly as it is from there.
        if _fits(self.to_size, self.from_size) and _fits(self.from_size, STORED_SIZE):
            return _decode(encoded, self.from_size, self.to_size)
        return self(_decode(encoded, self.from_size, self.from_size))

    def _dataset_filter(self, image: Pixels, size: Size) -> Resized:
        if self.spec.antialiased:
            return np.asarray(Image.fromarray(image).resize(size, Image.Resampling.BILINEAR))
        return cv2.resize(image, size, interpolation=cv2.INTER_LINEAR)


@runtime_checkable
class Frames(Protocol):
    """Frames of one size, in order.

    Attributes:
        size: (width, height).
        count: how many, as far as the file says; 0 where it does not.
        rate: frames a second, as the file says, else `DEFAULT_RATE`; the mean where they vary.
    """

    size: Size
    count: int
    rate: Fraction

    def read(self, resizer: Resizer | None = None) -> Iterator[Frame]:
        """Each frame, from the first; few are in memory at a time.

        Args:
            resizer: brings them to a model's size; None leaves them at their own.

        Raises:
            InputError: while iterating, a frame cannot be read or is of another size.
        """


def open_frames(source: FrameSource | Any, rate: Fraction | None = None) -> Frames:
    """The frames of a folder of images in natural order, of one image, a video file or an array.

    Args:
        source: of the frames; an array is RGB.
        rate: frames a second of a folder; None for `DEFAULT_RATE`. A video says itself.

    Raises:
        InputError: no such file or folder, no frame in it, not a video, or the array is not
            uint8 (frames, height, width, 3); or a rate is given for a video.
    """
    if isinstance(source, np.ndarray):
        return FrameArray(source)
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"{type(source).__name__} is no source of frames; give the path of a video file or of "
            "a folder of frames, or a NumPy array, uint8 (frames, height, width, 3)"
        )
    path = pathlib.Path(source)
    if path.is_dir():
        files = [file for file in path.iterdir() if file.suffix.lower() in IMAGE_SUFFIXES]
        if not files:
            raise InputError(
                f"no frame in {path}: it holds no file ending in {', '.join(IMAGE_SUFFIXES)}"
            )
        return ImageFiles(sorted(files, key=_natural_order), rate or DEFAULT_RATE)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; give a folder of frames or a video file")
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return ImageFiles([path], rate or DEFAULT_RATE)
    video = VideoFile(path)
    if rate is not None:
        raise InputError(
            f"{path} says itself how many frames a second it has, {float(video.rate):g}; leave "
            "--fps away"
        )
    return video


class FrameArray:
    """Frames in memory; see `Frames`."""

    def __init__(self, images: np.ndarray):
        """Takes RGB frames as they are."""
        if images.dtype != np.uint8 or images.ndim != 4 or images.shape[-1] != 3 or not images.size:
            raise InputError(
                f"an array of {images.dtype} {images.shape} is no video; expected RGB frames, "
                "uint8 (frames, height, width, 3)"
            )
        self._images = images
        self.count = len(images)
        self.rate = DEFAULT_RATE
        self.size: Size = (images.shape[2], images.shape[1])

    def read(self, resizer: Resizer | None = None) -> Iterator[Frame]:
        """See `Frames.read`."""
        for number, image in enumerate(self._images):
            pixels = resizer(image) if resizer else image
            yield Frame(f"frame {number}", pixels, number / float(self.rate))


class ImageFiles:
    """Image files; see `Frames`."""

    def __init__(self, files: list[pathlib.Path], rate: Fraction):
        """Reads the first of `files` for the size of all."""
        self._files = files
        self.count = len(files)
        self.rate = rate
        encoded = _read_bytes(files[0])
        image = (
            cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR) if encoded else None
        )
        if image is None:
            raise _unreadable(files[0], "not a readable image")
        self.size: Size = (image.shape[1], image.shape[0])

    def read(self, resizer: Resizer | None = None) -> Iterator[Frame]:
        """See `Frames.read`."""
        load = functools.partial(self._load, resizer=resizer)
        return _in_threads(functools.partial(load, number) for number in range(self.count))

    def _load(self, number: int, resizer: Resizer | None) -> Frame:
        path = self._files[number]
        try:
            encoded = _read_bytes(path)
            image = resizer.decode(encoded) if resizer else _decode(encoded, self.size, self.size)
            return Frame(path.name, image, number / float(self.rate))
        except InputError:
            raise
        except ValueError as error:
            raise _unreadable(path, str(error)) from None


class VideoFile:
    """A video file, decoded by PyAV; see `Frames`."""

    def __init__(self, path: pathlib.Path):
        """Decodes the first frame for the size of all."""
        self._path = path
        self.count = 0
        self.rate = DEFAULT_RATE
        first = next(self._decoded(), None)
        if first is None:
            raise InputError(f"no frame in the video {path}; it is empty or cut short")
        self.size: Size = _pixels(first[0]).shape[1::-1]

    def read(self, resizer: Resizer | None = None) -> Iterator[Frame]:
        """See `Frames.read`."""
        load = functools.partial(self._load, resizer=resizer)
        return _in_threads(
            functools.partial(load, number, frame, seconds)
            for number, (frame, seconds) in enumerate(self._decoded())
        )

    def _load(
        self, number: int, frame: av.VideoFrame, seconds: float, resizer: Resizer | None
    ) -> Frame:
        image = _pixels(frame)
        size = image.shape[1::-1]
        if size != self.size:
            raise InputError(
                f"frame {number} of {self._path} is {size[0]}x{size[1]} pixels, the first "
                f"{self.size[0]}x{self.size[1]}; cut the video where its size changes"
            )
        return Frame(f"frame {number}", resizer(image) if resizer else image, seconds)

    def _decoded(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Frames as the codec has them, and seconds since the first frame."""
        number, start = 0, 0.0
        try:
            with av.open(str(self._path)) as container:
                if not container.streams.video:
                    raise InputError(f"{self._path} holds no video; give a video file")
                stream = container.streams.video[0]
                stream.thread_type = "AUTO"
                self.count = _frame_count(stream)
                rate = stream.average_rate or DEFAULT_RATE
                self.rate = Fraction(rate.numerator, rate.denominator)
                for frame in container.decode(stream):
                    seconds = even = number / float(self.rate)
                    if frame.time is not None:
                        start = start if number else frame.time
                        away = frame.time - start - even
                        seconds += away if abs(away) > _JITTER else 0.0
                    yield frame, seconds
                    number += 1
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            if number:
                message = f"frame {number} of {self._path} cannot be decoded: {reason}"
            else:
                message = f"{self._path} is not a video that can be read: {reason}"
                if isinstance(error, av.error.DecoderNotFoundError):
                    message += " (it is cut short, or of a codec that is not known here)"
            raise InputError(f"{message}; give a video file or a folder of frames") from None


def _in_threads(loads: Iterable[Callable[[], Frame]]) -> Iterator[Frame]:
    """What `loads` return, in order; threads are a few frames ahead."""
    threads = min(usable_cores(), _MAX_THREADS)
    ahead: collections.deque[Future[Frame]] = collections.deque()
    with ThreadPoolExecutor(threads) as pool:
        for load in loads:
            ahead.append(pool.submit(load))
            if len(ahead) > 2 * threads:
                yield ahead.popleft().result()
        for frame in ahead:
            yield frame.result()


def _pixels(frame: av.VideoFrame) -> Pixels:
    """Of a video's frame, turned as it is to be seen: phones store that instead of turning it."""
    turns = round(frame.rotation / 90)
    return np.ascontiguousarray(np.rot90(frame.to_ndarray(format="rgb24"), turns))


def _fits(inner: tuple[int, ...], outer: tuple[int, ...]) -> bool:
    return inner[0] <= outer[0] and inner[1] <= outer[1]


def _natural_order(path: pathlib.Path) -> list[tuple[int, str]]:
    """Sorts frame_2 before frame_10."""
    parts = re.split(r"(\d+)", path.name)
    return [(int(part), "") if part.isdecimal() else (-1, part) for part in parts]


def _read_bytes(path: pathlib.Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise _unreadable(path, error.strerror or str(error)) from error


def _decode(encoded: bytes, from_size: Size, to_size: Size) -> Pixels:
    """The image of a JPEG or PNG file of `from_size` at `to_size`, not larger."""
    check_whole(encoded)
    image = np.empty((to_size[1], to_size[0], 3), np.uint8)
    decode_frame(encoded, from_size, image)
    return image


def _unreadable(path: pathlib.Path, reason: str) -> InputError:
    return InputError(
        f"cannot read the frame {path}: {reason}; replace or remove it, all frames must be whole "
        "images of one size"
    )


def _frame_count(stream: Any) -> int:
    """What the file says, or what its duration and rate amount to, or 0."""
    if stream.frames:
        return stream.frames
    if stream.duration and stream.average_rate:
        return round(stream.duration * stream.time_base * stream.average_rate)
    return 0
