"""Writes H.264 videos that browsers play."""

import contextlib
import os
import pathlib
from collections.abc import Iterator
from fractions import Fraction
from types import TracebackType
from typing import Any

import av

from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.visual.drawing import Canvas

_ENCODER = "libx264"
# Without B-frames, since the MP4 muxer takes a video of uneven steps with them for too short.
_OPTIONS = {"preset": "veryfast", "crf": "20", "bf": "0"}
_TICKS = 90_000  # a second, at least: how finely times are told apart
_KEY_FRAME_SECONDS = 2  # apart: how precisely players jump
_BT709 = 1  # FFmpeg's number for the primaries, transfer curve and matrix of HD video
_LIMITED_RANGE = 1  # FFmpeg's number for luma from 16 to 235


class VideoWriter:
    """Writes frames of one size to an .mp4 file, one at a time.

        with VideoWriter(path, (1280, 720), Fraction(30000, 1001)) as video:
            video.write(frame)  # at the rate given; or at any time, with its seconds

    The video (H.264, 4:2:0, BT.709, index in front so that it plays while it loads) appears under
    its name when the block ends without an error, and not at all otherwise. Memory does not grow
    with its length.
    """

    def __init__(self, path: str | os.PathLike[str], size: tuple[int, int], rate: Fraction):
        """Writes nothing yet.

        Args:
            path: ends in .mp4.
            size: (width, height) of the frames, both even.
            rate: frames a second, the mean where they vary.

        Raises:
            ValueError: a side of `size` is odd or the rate is not positive.
            InputError: the PyAV installed cannot write H.264.
        """
        if size[0] % 2 or size[1] % 2 or rate <= 0:
            raise ValueError(f"a video needs even sides and a positive rate, not {size} at {rate}")
        self._path = pathlib.Path(path)
        if _ENCODER not in av.codecs_available:
            raise InputError(
                f"writing the video {path} needs a PyAV with H.264, and the one installed has "
                "none: pip install --force-reinstall av"
            )
        self._size = size
        self._rate = rate
        # A multiple of the rate, so that the times of even steps are exact.
        ticks = rate.numerator * -(-_TICKS // rate.numerator)
        self._time_base = Fraction(1, ticks)
        self._written = 0
        self._last = -1  # time of the last frame, in ticks
        self._file = self._open()

    def __enter__(self) -> "VideoWriter":
        """Opens the file.

        Raises:
            InputError: the file cannot be written.
        """
        with self._reporting():
            self._file.__enter__()
        return self

    def write(self, image: Canvas, seconds: float | None = None) -> None:
        """Adds a frame.

        Args:
            image: RGB, of the video's size.
            seconds: since the first frame, when it is to be shown; None for the rate's next step.
                Never before the frame written last.

        Raises:
            ValueError: it is of another size.
            InputError: the file cannot be written.
        """
        if image.shape[1::-1] != self._size:
            raise ValueError(f"a frame of {image.shape[1::-1]} for a video of {self._size}")
        frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        frame = frame.reformat(format="yuv420p", dst_colorspace="ITU709")
        time = self._written / self._rate if seconds is None else seconds
        frame.pts = self._last = max(round(time / self._time_base), self._last + 1)
        frame.time_base = self._time_base
        self._written += 1
        with self._reporting():
            self._container.mux(self._stream.encode(frame))

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Finishes the video; after an error, removes what there is of it.

        Raises:
            ValueError: it has no frame.
            InputError: the file cannot be written.
        """
        if error is None:
            with self._reporting():
                self._file.__exit__(None, None, None)
        else:
            # Closing the file may fail for the same reason as what came before.
            with contextlib.suppress(av.error.FFmpegError):
                self._file.__exit__(kind, error, traceback)

    @contextlib.contextmanager
    def _open(self) -> Iterator[None]:
        """The file under a temporary name; finished and renamed when the block ends."""
        with atomic_write(self._path) as file:
            # FFmpeg writes by name: to put the index in front it opens the file once more.
            options = {"movflags": "+faststart"}
            with av.open(file.name, "w", format="mp4", container_options=options) as container:
                self._container = container
                self._stream = self._add_stream(container)
                yield
                if not self._written:
                    raise ValueError(f"no frame was written to {self._path}")
                container.mux(self._stream.encode(None))

    def _add_stream(self, container: Any) -> Any:
        stream = container.add_stream(_ENCODER, rate=self._rate, options=_OPTIONS)
        stream.width, stream.height = self._size
        stream.pix_fmt = "yuv420p"
        context = stream.codec_context
        context.time_base = self._time_base
        context.gop_size = max(1, round(_KEY_FRAME_SECONDS * self._rate))
        context.color_primaries = context.color_trc = context.colorspace = _BT709
        context.color_range = _LIMITED_RANGE
        return stream

    @contextlib.contextmanager
    def _reporting(self) -> Iterator[None]:
        """Turns what FFmpeg and the file system say into an error in one line."""
        try:
            yield
        except (OSError, av.error.FFmpegError) as error:
            raise InputError(
                f"cannot write the video {self._path}: {error.strerror}; choose a folder that "
                "exists and has room"
            ) from error
