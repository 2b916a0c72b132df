"""A recording as it is prepared, with the few of its frames that are shown."""

import bisect
import collections
import dataclasses
import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from data_prep import images
from data_prep.images import FrameEncoder
from data_prep.own.footage import Footage
from data_prep.own.labels import Label, Span
from data_prep.own.segments import Segment
from data_prep.raw import Note, Pixels, RawPath
from htt_jax import camera
from htt_jax.datasets.spec import STORED_SIZE, DatasetSpec

EVENLY = 240
"""Frames of a recording that are shown, evenly spaced; all of one with no more."""
TILES = 6
"""Frames of a segment that are shown besides, its first and last among them."""
ROWS = 12
"""Segments of which these are."""

_QUALITY = 80
_ALL = Span(0, math.inf, False)


class Part(NamedTuple):
    """What a row of labels.csv labels.

    Attributes:
        label: the row.
        start: place of its first frame in the recording.
        end: place behind its last one; `start` where no frame lies in it.
    """

    label: Label
    start: int
    end: int

    @property
    def tiles(self) -> tuple[int, ...]:
        """Places of the frames that stand for it, evenly spaced from the first to the last."""
        return spaced(self.start, self.end, TILES)


@dataclasses.dataclass(frozen=True)
class Shown:
    """A recording; places are those of its frames, from 0.

    Attributes:
        name: of its folder.
        spec: of the dataset.
        numbers: of all frames, as labels.csv has them.
        seconds: of all frames, since the first.
        rate: frames a second.
        parts: what is labelled, by start.
        frames: JPEG files of the frames that are shown, 480x270, by place, rising.
        joints_2d: where they are in the frames that are shown, pixels; NaN of those that are not
            known, or not ahead of the camera.
        known: which are.
        notes: what there is to say about it.
    """

    name: str
    spec: DatasetSpec
    numbers: Sequence[int]
    seconds: Sequence[float]
    rate: float
    parts: Sequence[Part]
    frames: dict[int, bytes]
    joints_2d: Float[np.ndarray, "shown joints 2"]
    known: Bool[np.ndarray, "shown joints"]
    notes: Sequence[Note]

    def until(self, end: int) -> float:
        """Seconds at which the frame before the place `end` ends."""
        if end < len(self.seconds):
            return self.seconds[end]
        return self.seconds[-1] + 1 / self.rate

    @property
    def duration(self) -> float:
        """Seconds from the first frame to the end of the last."""
        return self.until(len(self.seconds))

    @property
    def drawn(self) -> tuple[Part, ...]:
        """The parts of which frames are shown besides: all, or evenly spaced ones."""
        there = [part for part in self.parts if part.end > part.start]
        return tuple(there[i] for i in spaced(0, len(there), ROWS))


def spaced(start: int, end: int, most: int) -> tuple[int, ...]:
    """At most so many whole numbers from `start` to before `end`, evenly, with both ends."""
    count = min(most, end - start)
    return tuple(dict.fromkeys(np.linspace(start, end - 1, count).round().astype(int).tolist()))


def read(segments: Sequence[Segment]) -> Shown:
    """Reads a recording from its first frame to its last, as preparing reads a part of it.

    The frames that are shown are in memory, and the joints of all.

    Args:
        segments: those of the recording.

    Raises:
        InputError: a bad file.
    """
    one = segments[0]
    source = Footage(one.recording.frames, one.description.rate)
    seconds = _seconds(source)
    numbers = source.numbers() if source.path.is_dir() else range(len(seconds))
    labels = sorted((segment.label for segment in segments), key=lambda label: label.span)
    parts = [_part(label, numbers, seconds) for label in labels]
    shown = Shown(
        name=one.recording.name,
        spec=one.spec,
        numbers=numbers,
        seconds=seconds,
        rate=float(source.frames.rate),
        parts=parts,
        frames={},
        joints_2d=np.zeros((0, one.spec.num_joints, 2)),
        known=np.zeros((0, one.spec.num_joints), bool),
        notes=(),
    )
    evenly = spaced(0, len(seconds), EVENLY)
    kept = _Kept({*evenly, *(place for part in shown.drawn for place in part.tiles)})
    whole = dataclasses.replace(one, label=dataclasses.replace(one.label, span=_ALL))
    video, notes = whole.read(kept)
    places = list(kept.frames)
    known = video.joints_known
    if known is None:
        joints = len(one.spec.skeleton.joints)
        known = np.repeat(video.hand_annotated, joints, axis=1)[..., None]
    known = np.asarray(known[places, :, 0])
    points = np.where(known[..., None], video.joints_3d[places], np.nan)
    return dataclasses.replace(
        shown,
        frames=kept.frames,
        joints_2d=camera.project_ahead(points, video.intrinsics),
        known=known,
        notes=notes,
    )


class _Kept:
    """Takes the frames of a recording one after another, and encodes those at some places."""

    def __init__(self, places: set[int]):
        self.frames: dict[int, bytes] = {}
        self._places = places
        self._next = 0
        self._encode = FrameEncoder(STORED_SIZE, images.resize_antialiased, quality=_QUALITY)

    def __call__(self, image: RawPath | Pixels) -> bytes:
        """Nothing, so that the frames of a long recording are not all in memory."""
        if self._next in self._places:
            self.frames[self._next] = self._encode(image)
        self._next += 1
        return b""


def _seconds(source: Footage) -> list[float]:
    """Of each frame; none is converted for it."""
    found: list[float] = []

    def is_before(place: int, seconds: float) -> bool:
        found.append(seconds)
        return True

    collections.deque(source.frames.read(None, is_before), maxlen=0)
    return found


def _part(label: Label, numbers: Sequence[int], seconds: Sequence[float]) -> Part:
    places, span = range(len(seconds)), label.span
    start = bisect.bisect_left(
        places, True, key=lambda i: not span.is_before(numbers[i], seconds[i])
    )
    end = bisect.bisect_left(
        places, True, lo=start, key=lambda i: span.is_after(numbers[i], seconds[i])
    )
    return Part(label, start, end)
