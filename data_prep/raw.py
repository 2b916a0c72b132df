"""What a raw dataset looks like to the code that prepares it, whatever its layout."""

import dataclasses
import pathlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import numpy as np
from jaxtyping import UInt8

from htt_jax.data.records import Video
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.support.paths import BucketPath

RawPath: TypeAlias = pathlib.Path | BucketPath
"""A file or folder of a raw dataset, on disk or in a bucket."""

SIMULATION_MARK = ".simulation.json"
"""What the simulator leaves in a raw folder: how it was made."""


FITTED = "fitted"
"""The kind of notes on joints that a fit has put into space."""


class Note(NamedTuple):
    """One line of the report: something chosen, missing, empty, mismatched, ignored or bad."""

    kind: str
    path: str
    what: str


Pixels: TypeAlias = UInt8[np.ndarray, "height width 3"]
"""An image, RGB."""

EncodeFrame = Callable[[RawPath | Pixels], bytes]
"""From an image file, or an image of the stored size, to the encoded frame that is stored."""


@runtime_checkable
class RawVideo(Protocol):
    """One video of a raw dataset, not read yet; can be pickled."""

    @property
    def video_id(self) -> str:
        """Unique within its dataset."""

    @property
    def expected_frames(self) -> int:
        """How many frames it probably has, for the progress bar."""

    @property
    def poses(self) -> RawPath:
        """The file or folder its hand poses come from, for messages."""

    def read(self, encode_frame: EncodeFrame) -> tuple[Video | None, list[Note]]:
        """The video, or None when nothing of it can be used, and what there is to say about it.

        Raises:
            InputError: a file of the video is bad.
        """


@dataclasses.dataclass(frozen=True)
class RawDataset:
    """What was found in a raw folder before any video was read."""

    spec: DatasetSpec
    root: RawPath
    action_names: Sequence[str]
    object_names: Sequence[str]
    splits: Mapping[str, Sequence[RawVideo]]
    notes: Sequence[Note]


def with_part(raw: RawDataset, part: str) -> RawDataset:
    """`raw` with an optional part of records: of the spec and, as `with_PART`, of its videos."""
    by_split: Mapping[str, Sequence[Any]] = raw.splits
    splits = {
        split: [dataclasses.replace(video, **{f"with_{part}": True}) for video in found]
        for split, found in by_split.items()
    }
    changes: dict[str, Any] = {part: True}
    return dataclasses.replace(raw, spec=dataclasses.replace(raw.spec, **changes), splits=splits)


def as_found(spec: DatasetSpec, root: RawPath) -> DatasetSpec:
    """`spec`, called simulated where the raw folder `root` is of the simulator."""
    if not (root / SIMULATION_MARK).is_file():
        return spec
    return dataclasses.replace(spec, title=f"simulated {spec.title}", simulated=True)
