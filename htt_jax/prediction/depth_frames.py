"""Frames that are depth maps: files, or a video without loss."""

import functools
from collections.abc import Iterator

import av

from htt_jax.data import image_decoding
from htt_jax.prediction.frames import DepthMap, Frame, IsBefore, Resize, Size, in_threads, wanted
from htt_jax.prediction.image_files import read_file
from htt_jax.prediction.numbering import Ordered
from htt_jax.prediction.video_file import Look, VideoFile
from htt_jax.prediction.video_stream import Stream

PIXEL_FORMATS = ("gray16le", "gray16be")
"""FFmpeg's names of one channel of 16 bits."""


class DepthFiles:
    """PNG files of one channel of 16 bits, millimetres; see `frames.Frames`."""

    camera = "depth"

    def __init__(self, ordered: Ordered):
        """Reads the first file for the size of all."""
        self._files = ordered.files
        self._seconds = ordered.seconds
        self.count = len(ordered.files)
        self.rate = ordered.rate
        self.says_rate = ordered.says_rate
        self.notes = list(ordered.notes)
        self.size: Size = read_file(ordered.files[0], image_decoding.decode_depth_map).shape[::-1]

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`."""
        places = list(wanted(enumerate(self._seconds), is_before))
        maps = in_threads(
            functools.partial(read_file, self._files[number], self._decode) for number, _ in places
        )
        for (number, seconds), depth in zip(places, maps, strict=True):
            seen = resizer(depth) if resizer else depth
            yield Frame(self._files[number].name, seen, seconds)

    def _decode(self, encoded: bytes) -> DepthMap:
        depth = image_decoding.decode_depth_map(encoded)
        if depth.shape[::-1] != self.size:
            height, width = depth.shape
            raise ValueError(f"{width}x{height} pixels instead of {self.size[0]}x{self.size[1]}")
        return depth


class DepthVideo(VideoFile):
    """A video of depth maps, millimetres, of a codec without loss; see `frames.Frames`."""

    camera = "depth"

    def _look_at(self, stream: Stream) -> Look:
        """Pixels stay where they are stored, which is what the camera's matrix is of."""
        return Look(None, None)

    def _pixels(self, frame: av.VideoFrame) -> DepthMap:
        return frame.to_ndarray()
