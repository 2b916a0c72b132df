"""One clip of a split: its real frames, and what is known of them."""

import dataclasses
from typing import TypeAlias

import numpy as np
from jaxtyping import Int

from htt_jax import camera
from htt_jax.data.cache import Cache
from htt_jax.data.clips import ClipSpec, clip_frames
from htt_jax.data.decode import FrameReader
from htt_jax.data.records import RecordSource, Video

Clip: TypeAlias = dict[str, np.ndarray]

PADDING = -1


@dataclasses.dataclass(frozen=True)
class ClipReader:
    """Loads the clip in a row of the table: its real frames only, padding would only be copied.

    Attributes:
        source: the split.
        table: its clips, see `clip_table`; `PADDING` makes one that is never valid.
        clips: how they were cut.
        image_size: (width, height) of the images.
        reader: of the frames in a record.
        cache: of `source` at `image_size`, to read from instead; None to read records.
    """

    source: RecordSource
    table: Int[np.ndarray, "clips 3"]
    clips: ClipSpec
    image_size: tuple[int, int]
    reader: FrameReader
    cache: Cache | None = None

    def __call__(self, row: int) -> Clip:
        """The clip's arrays, ragged; `count` is that of its real frames.

        Raises:
            InputError: its record is damaged, or a frame in it.
        """
        video, start, count = (int(x) for x in self.table[row])
        if video == PADDING:
            # One real frame, so that all numbers are sound; nothing of it is valid.
            nothing = np.array(PADDING, np.int32)
            labels = {"action": nothing, "object": nothing, "video": nothing, "start": nothing}
            return self._read(0, np.zeros(1, np.int64)) | labels | {"count": np.array(0)}
        indices, valid = clip_frames(start, count, self.clips)
        place = {"start": np.array(start, np.int32), "count": np.array(count)}
        return self._read(video, indices[valid]) | place

    def _read(self, index: int, frames: Int[np.ndarray, " real"]) -> Clip:
        if self.cache:
            return self._labels(index, self.cache.videos[index], frames) | self.cache.frames(
                index, frames
            )
        video = self.source[index]
        image = np.empty((len(frames), *self.reader.shape(self.image_size)), self.reader.dtype)
        self.reader.read(self.source, video, frames, image)
        return self._labels(index, video, frames) | {"image": image}

    def _labels(self, index: int, video: Video, frames: Int[np.ndarray, " real"]) -> Clip:
        intrinsics = camera.scale_intrinsics(
            video.intrinsics, self.source.image_size, self.image_size
        )
        labels = {
            "intrinsics": np.broadcast_to(intrinsics, (len(frames), 3, 3)),
            "joints_3d": video.joints_3d[frames],
            "hand_annotated": video.hand_annotated[frames],
            "action": np.array(video.action, np.int32),
            "object": np.array(video.object, np.int32),
            "video": np.array(index, np.int32),
        }
        if video.joints_known is not None:
            labels["joints_known"] = video.joints_known[frames]
        return labels | dict(self.reader.labels(self.source, video, frames))
