"""Frames of a video file, as it is to be seen: upright, with square pixels, in ordinary colours."""

import functools
import itertools
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from typing import Any, NamedTuple

import av
import numpy as np
from av.sidedata.sidedata import Type
from jaxtyping import Int

from htt_jax.prediction import high_dynamic_range
from htt_jax.prediction.frames import (
    DEFAULT_RATE,
    DepthMap,
    Frame,
    IsBefore,
    Pixels,
    Resize,
    Resized,
    Size,
    in_threads,
)
from htt_jax.prediction.video_stream import Decoding, Stream, shortfall, videos
from htt_jax.prediction.video_times import VideoTimes
from htt_jax.support.errors import InputError

_SQUARE = 0.01  # from 1, that the aspect of pixels may be for the sake of even sizes


class Look(NamedTuple):
    """How the frames of a stream become what is seen."""

    aspect: Fraction | None  # of the pixels: width to height; None where it is not said
    transfer: high_dynamic_range.Transfer | None


class VideoFile:
    """A video file in colour, decoded by PyAV; see `frames.Frames`.

    Attributes:
        pixel_format: of the first frame, as FFmpeg names it.
    """

    camera = "color"
    says_rate = True

    def __init__(self, path: pathlib.Path):
        """Decodes the first frame for the size of all."""
        self._path = path
        self.count = 0
        self.rate = DEFAULT_RATE
        self.notes: list[str] = []
        first = next(self._decoded(), None)
        if first is None:
            raise InputError(f"no frame in the video {path}; it is empty or cut short")
        self.pixel_format: str = first[0].format.name
        self.size: Size = _size(self._pixels(first[0]))

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`; frames that lie before are decoded, and no more."""
        load = functools.partial(self._load, resizer=resizer)
        frames: Iterator[tuple[int, tuple[av.VideoFrame, float]]] = enumerate(self._decoded())
        if is_before is not None:
            frames = itertools.dropwhile(lambda each: is_before(each[0], each[1][1]), frames)
        return in_threads(
            functools.partial(load, number, frame, seconds) for number, (frame, seconds) in frames
        )

    def _load(
        self, number: int, frame: av.VideoFrame, seconds: float, resizer: Resize | None
    ) -> Frame:
        image = self._pixels(frame)
        size = _size(image)
        if size != self.size:
            raise InputError(
                f"frame {number} of {self._path} is {size[0]}x{size[1]} pixels, the first "
                f"{self.size[0]}x{self.size[1]}; cut the video where its size changes"
            )
        return Frame(f"frame {number}", resizer(image) if resizer else image, seconds)

    def _decoded(self) -> Iterator[tuple[av.VideoFrame, float]]:
        """Frames as the codec has them, and seconds since the first frame."""
        try:
            with av.open(str(self._path)) as container:
                stream = self._open_stream(container)
                decoding = Decoding(self._path, container, stream)
                times = VideoTimes(self.rate)
                for frame in decoding:
                    yield frame, times(frame.time)
                missing = shortfall(decoding, self._path, self.count)
                self.notes += missing or times.notes(self._path)
        except av.error.FFmpegError as error:
            reason = error.strerror or type(error).__name__
            if isinstance(error, av.error.InvalidDataError):
                reason = "it is none, or damaged or cut short"
            raise self._unreadable(reason) from None

    def _unreadable(self, reason: str) -> InputError:
        return InputError(
            f"{self._path} is not a video that can be read: {reason}; give a video file or a "
            "folder of frames"
        )

    def _open_stream(self, container: Any) -> Stream:
        streams = videos(container)
        if not streams:
            what = "a cover picture and no video" if container.streams.video else "no video"
            raise InputError(f"{self._path} holds {what}; give a video file")
        stream = streams[0]
        if not stream.codec_context:
            raise self._unreadable("it is cut short, or of a codec that is not known here")
        self.count = _frame_count(container, stream)
        self.rate = _fraction(stream.average_rate) or DEFAULT_RATE
        stored = (stream.width, stream.height)
        self.notes = []
        if len(streams) > 1:
            self.notes.append(
                f"of the {len(streams)} videos in {self._path} the one of {stored[0]}x{stored[1]} "
                "is read"
            )
        self._look = self._look_at(stream)
        return stream

    def _look_at(self, stream: Stream) -> Look:
        """How frames become what is seen; notes what is to be known of it."""
        stored = (stream.width, stream.height)
        transfer = high_dynamic_range.TRANSFERS.get(stream.codec_context.color_trc)
        look = Look(_fraction(stream.sample_aspect_ratio), transfer)
        width, height = _square(stored, look.aspect)
        if (width, height) != stored:
            self.notes.append(
                f"the video's {stored[0]}x{stored[1]} pixels are not square: frames are stretched "
                f"to {width}x{height}, as players show them, and in these pixels are the camera "
                "and what is found"
            )
        if transfer:
            self.notes.append(
                f"the video is HDR ({transfer.title}): its colours are brought to those of "
                "ordinary video"
            )
        return look

    def _pixels(self, frame: av.VideoFrame) -> Pixels | DepthMap:
        """Of a frame, as it is to be seen: RGB."""
        look = self._look
        width, height = _square((frame.width, frame.height), look.aspect)
        image = frame.to_ndarray(format="rgb24", width=width, height=height)
        if look.transfer:
            image = high_dynamic_range.to_ordinary(image, look.transfer)
        side_data: Any = frame.side_data  # whose keys PyAV's versions declare as different types
        matrix = side_data.get(Type.DISPLAYMATRIX)
        return image if matrix is None else _turned(image, np.frombuffer(matrix, np.int32))


def _size(image: Pixels | DepthMap) -> Size:
    return image.shape[1], image.shape[0]


def _turned(image: Pixels, matrix: Int[np.ndarray, "9"]) -> Resized:
    """Turned and mirrored by the nearest of the eight ways; phones store them in this matrix.

    Args:
        image: as it is stored.
        matrix: a, b, u, c, d, v, x, y, w: a point (x, y) is seen at (a x + c y, b x + d y).
    """
    a, b, _, c, d = (int(value) for value in matrix[:5])
    if abs(b) + abs(c) > abs(a) + abs(d):
        image, to_right, down = image.transpose(1, 0, 2), c, b
    else:
        to_right, down = a, d
    image = image[:: -1 if down < 0 else 1, :: -1 if to_right < 0 else 1]
    return np.ascontiguousarray(image)


def _square(stored: Size, aspect: Fraction | None) -> Size:
    """The (width, height) with square pixels, of which none is lost."""
    if not aspect or abs(aspect - 1) < _SQUARE:
        return stored
    width, height = stored
    return (round(width * aspect), height) if aspect > 1 else (width, round(height / aspect))


def _fraction(rational: Any) -> Fraction | None:
    """Of FFmpeg's rational numbers, which are fractions in some versions of PyAV; None of 0."""
    return Fraction(rational.numerator, rational.denominator) if rational else None


def _frame_count(container: Any, stream: Stream) -> int:
    """What the file says, or what its duration and rate amount to, or 0."""
    if stream.frames:
        return stream.frames
    rate = _fraction(stream.average_rate)
    if not rate:
        return 0
    if stream.duration:
        return round(stream.duration * stream.time_base * rate)
    return round((container.duration or 0) / av.time_base * rate)
