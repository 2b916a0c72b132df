"""A split as a run looks at it: camera, frames a second, some of its videos, their first frames."""

import dataclasses
import hashlib
import os
from typing import Any

import numpy as np
from etils import epath
from jaxtyping import Bool, Float, Int

from htt_jax.data.depth_maps import map_of
from htt_jax.data.folds import Fold, divide
from htt_jax.data.hand_tracking import HandTracker
from htt_jax.data.pace import Pace, pace
from htt_jax.data.records import Metadata, RecordSource, Video, read_metadata
from htt_jax.support.errors import InputError

CAMERAS = ("color", "depth")
HELD_OUT = "held_out"
"""The split of the training videos that a view keeps from training."""

_ROUNDING = 1e-9  # 0.3 of 10 frames are 3, though the product is a little more
_SEED = 0  # of the choice of those videos: the same ones in every run


@dataclasses.dataclass(frozen=True)
class View:
    """What of a prepared dataset is looked at.

    Attributes:
        camera: 'color' or 'depth': whose frames, in whose space the joints are.
        first_frames: of each video; None: all.
        held_out: training videos that are no part of the split 'train' but of 'held_out'.
        fold: of a cross-validation: 'held_out' are its videos, 'train' all others, of all splits;
            no other split can be opened. None: splits are as they were prepared.
        observed: the share of its frames that each video consists of, from the first; one frame at
            least.
        frame_rate: frames a second at which videos are shown, see `Pace`, where records tell at how
            many they were recorded; their numbers are then those of such frames, too. None: as they
            are.
    """

    camera: str = "color"
    first_frames: int | None = None
    held_out: int = 0
    observed: float = 1.0
    frame_rate: float | None = None
    fold: Fold | None = None


def open_view(directory: str | os.PathLike[str], split: str, view: View) -> RecordSource:
    """A split of the prepared dataset in `directory`, as `view` has it.

    Raises:
        InputError: as `RecordSource`; the dataset has no depth maps; there are not as many training
            videos to hold out.
    """
    is_whole = view in (View(), View(frame_rate=view.frame_rate))
    if is_whole and not (view.frame_rate and read_metadata(directory).spec.frame_rates):
        return RecordSource(directory, split)
    return ViewedSource(directory, split, view)


class ViewedSource(RecordSource):
    """A `RecordSource` of what a view shows: with all attributes and videos as that has them."""

    @property
    def camera(self) -> str:
        """See `View`."""
        return self.view.camera

    @property
    def shown_at(self) -> float | None:
        """See `RecordSource`."""
        return self.view.frame_rate if self._paces else None

    def __init__(self, directory: str | os.PathLike[str], split: str, view: View) -> None:
        """See `open_view`."""
        if view.camera == "depth" and not read_metadata(directory).spec.depth:
            raise InputError(
                f"{directory} has no depth maps; prepare the dataset again with --depth, or take "
                "--config.data.camera=color"
            )
        self.view = view
        self._paces: list[Pace] = []
        self._hand_centres: dict[str, Float[np.ndarray, "frames 3"]] = {}
        is_held_out = split == HELD_OUT and view.held_out > 0
        super().__init__(directory, "train" if is_held_out else split)
        if view.fold:
            self._keep_fold(view.fold)
        elif view.held_out and self.split == "train":
            self._divide(is_held_out)
        if view.frame_rate:
            self._paces = [pace(rate, view.frame_rate) for rate in self.frame_rates]
            for video, paced in enumerate(self._paces):
                self.frame_counts[video] = paced.places(int(self.frame_counts[video]))
        if view.first_frames:
            self.frame_counts = np.minimum(self.frame_counts, view.first_frames)
        if view.observed < 1:
            seen = np.ceil(view.observed * self.frame_counts - _ROUNDING).astype(np.int64)
            self.frame_counts = np.maximum(seen, 1)

    def __getitem__(self, record_key: int) -> Video:
        """See `RecordSource`."""
        video = self._stored(record_key)
        if self.view.camera == "depth":
            video = seen_by_depth_camera(video)
        if self._paces:
            paced = self._paces[record_key]
            video = _with_frames(video, paced.shown(len(video.frames)))
            video.frame_numbers = paced.first_places(video.frame_numbers)
        return _shortened(video, int(self.frame_counts[record_key]))

    def hand_centres(self, video: Video) -> Float[np.ndarray, "frames 3"]:
        """Where the hand is tracked in the depth maps of a video: metres, depth space.

        Tracked once and kept, in this process and in those that get this source from then on.

        Args:
            video: of this source, whose encoded maps may be gone.

        Raises:
            InputError: the record is damaged, or a map cannot be decoded.
        """
        name = video.video_id
        if name not in self._hand_centres:
            whole = video if video.frames else self[self.video_ids.index(name)]
            tracker = HandTracker(whole.intrinsics)
            maps = (map_of(self, whole, frame) for frame in range(len(whole.frames)))
            self._hand_centres[name] = np.stack([tracker(depth) for depth in maps])
        return self._hand_centres[name]

    def _size(self) -> tuple[int, int]:
        if self.view.camera == "color":
            return super()._size()
        if self.depth_size is None:
            raise InputError(
                f"no video in split {self.split!r} of {self.directory} has a depth map"
            )
        return self.depth_size

    def _divide(self, is_held_out: bool) -> None:
        """Keeps the training videos that are held out, or the others."""
        count, wanted = len(self), self.view.held_out
        if wanted >= count:
            raise InputError(
                f"config.data.held_out={wanted} leaves none of the {count} training videos of "
                f"{self.directory} to train on; take fewer"
            )
        chosen = np.random.Generator(np.random.PCG64(_SEED)).permutation(count)[:wanted]
        self._keep(np.isin(np.arange(count), chosen) == is_held_out)
        if is_held_out:
            self.split = HELD_OUT

    def _keep_fold(self, fold: Fold) -> None:
        """Keeps the videos of the fold, or those of all others."""
        of_video = divide(self.directory, fold.of).fold
        is_held_out = of_video == fold.number
        self._keep(is_held_out if self.split == HELD_OUT else (of_video >= 0) & ~is_held_out)
        # Else what is measured on one fold would be compared with what is measured on another.
        whole = f"{self.fingerprint} {fold}"
        self.fingerprint = hashlib.sha256(whole.encode()).hexdigest()

    def _keep(self, kept: Bool[np.ndarray, " videos"]) -> None:
        chosen = np.flatnonzero(kept)
        self._records = [self._records[video] for video in chosen]
        self.video_ids = [self.video_ids[video] for video in chosen]
        self.frame_counts = self.frame_counts[chosen]
        self.frame_rates = [self.frame_rates[video] for video in chosen if self.frame_rates]

    def _all_shards(self, metadata: Metadata) -> list[epath.Path]:
        if self.view.fold is None:
            return super()._all_shards(metadata)
        if self.split not in ("train", HELD_OUT):
            raise InputError(
                f"the run is of {self.view.fold}, and folds are made of videos of all splits, "
                f"{self.split!r} too; take the split {HELD_OUT!r}"
            )
        splits = metadata.shard_lengths
        return [shard for split in splits for shard in metadata.shards(self.directory, split)]


def seen_by_depth_camera(video: Video) -> Video:
    """A video whose frames are its depth maps, joints and intrinsics those of the depth camera.

    Its `depth` keeps the transform between the cameras.
    """
    depth = video.depth
    assert depth is not None, "the dataset's spec says that there is"
    rotation, shift = depth.from_color[:3, :3], depth.from_color[:3, 3]
    poses, boxes, known = video.camera_poses, video.object_boxes, video.joints_known
    return dataclasses.replace(
        video,
        frames=depth.frames,
        joints_3d=video.joints_3d @ rotation.T + shift,
        intrinsics=depth.intrinsics,
        depth=dataclasses.replace(depth, frames=[]),
        camera_poses=None if poses is None else poses @ np.linalg.inv(depth.from_color),
        object_boxes=None if boxes is None else boxes @ rotation.T + shift,
        # Without a depth nobody knows where in its image the other camera sees a joint.
        joints_known=None if known is None else known & known[..., 1:],
    )


def _shortened(video: Video, count: int) -> Video:
    return video if len(video.frames) <= count else _with_frames(video, np.arange(count))


def _with_frames(video: Video, chosen: Int[np.ndarray, " chosen"]) -> Video:
    """The frames that are chosen, with all that belongs to them."""
    kept: dict[str, Any] = {name: array[chosen] for name, array in video.of_frames.items()}
    kept["frames"] = [video.frames[frame] for frame in chosen]
    if video.depth and video.depth.frames:
        maps = [video.depth.frames[frame] for frame in chosen]
        kept["depth"] = dataclasses.replace(video.depth, frames=maps)
    return dataclasses.replace(video, **kept)
