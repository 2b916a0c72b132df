"""The box of the object in hand, as labels of a reader whose system takes it."""

import dataclasses

import numpy as np
from jaxtyping import Int

from htt_jax.data.decode import FrameReader
from htt_jax.data.records import RecordSource, Video
from htt_jax.datasets.spec import BOX_POINTS


def with_boxes(reader: FrameReader) -> FrameReader:
    """The reader, with what `_labels` adds; of no labels of its own."""
    return dataclasses.replace(reader, labels=_labels)


def _labels(
    source: RecordSource, video: Video, frames: Int[np.ndarray, " frames"]
) -> dict[str, np.ndarray]:
    """`object_box` (frames, 9, 3), metres, camera space, and `object_box_known` (frames,).

    What is not known is zero; in a dataset without boxes, all of them.
    """
    if video.object_boxes is None:
        boxes = np.full((len(frames), BOX_POINTS, 3), np.nan, np.float32)
    else:
        boxes = video.object_boxes[frames]
    known = np.asarray(np.isfinite(boxes).all(axis=(1, 2)))
    return {
        "object_box": np.where(known[:, None, None], boxes, np.float32(0)),
        "object_box_known": known,
    }
