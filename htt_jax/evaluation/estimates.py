"""What a model says about every frame of a split, beside the truth; the file that keeps it.

The frames lie one after the other as they were recorded, whichever clips the model met them in.
"""

import dataclasses
import os
import zipfile
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.data.clips import ClipSpec, in_frame_order
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_KNOWN = "joints_known"


@dataclasses.dataclass(frozen=True)
class Estimates:
    """All raw frames of a split, video after video; each is met by the model exactly once.

    Attributes:
        joints_3d: estimated, metres, camera space.
        target_3d: true, metres, camera space.
        hand_annotated: whether the truth of each hand is known, of all its joints.
        object: the class estimated for the frame.
        object_probability: of that class.
        window_position: place of the frame in its pose window, from 0 to t - 1.
        window_length: real frames in that window; t, or less at the end of a video.
        first_frame: where each video begins, and the number of all frames.
        intrinsics: of each video, pixels at `image_size`.
        image_size: (width, height) that the model saw.
        clip_video: the video of each clip. Clips are ordered by video, then start.
        clip_start: first frame of each clip, counted within its video.
        clip_frames: real frames of each clip.
        action_over_time: class probabilities as they stand after each window of a clip, the last
            those of the whole clip. One window only, where the model cannot tell the others.
        window: t, frames that the pose block sees together.
        spacing: raw frames between two neighbours in a clip.
        joints_known: of each joint, whether its true place in the image is known, and its depth;
            None where the dataset says it of hands alone.
    """

    joints_3d: Float[np.ndarray, "frames joints 3"]
    target_3d: Float[np.ndarray, "frames joints 3"]
    hand_annotated: Bool[np.ndarray, "frames hands"]
    object: Int[np.ndarray, " frames"]
    object_probability: Float[np.ndarray, " frames"]
    window_position: Int[np.ndarray, " frames"]
    window_length: Int[np.ndarray, " frames"]
    first_frame: Int[np.ndarray, " bounds"]
    intrinsics: Float[np.ndarray, "videos 3 3"]
    image_size: tuple[int, int]
    clip_video: Int[np.ndarray, " clips"]
    clip_start: Int[np.ndarray, " clips"]
    clip_frames: Int[np.ndarray, " clips"]
    action_over_time: Float[np.ndarray, "clips windows actions"]
    window: int
    spacing: int
    joints_known: Bool[np.ndarray, "frames joints 2"] | None = None

    def counted(self, *, mask_unannotated: bool) -> Bool[np.ndarray, "frames joints"]:
        """Of which joints the true place in space counts, see `PoseMetrics`."""
        if self.joints_known is not None:
            return self.joints_known[..., 1]
        hands = self.hand_annotated | (not mask_unannotated)
        return hands.repeat(self.target_3d.shape[1] // hands.shape[1], axis=1)

    @property
    def num_videos(self) -> int:
        """Videos of the split."""
        return len(self.first_frame) - 1

    def frames_of(self, video: int) -> slice:
        """Where the frames of a video lie."""
        return slice(int(self.first_frame[video]), int(self.first_frame[video + 1]))

    @property
    def video_of_frame(self) -> Int[np.ndarray, " frames"]:
        """The video of each frame."""
        return np.repeat(np.arange(self.num_videos), np.diff(self.first_frame))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes an .npz file of one array for each attribute."""
        arrays = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        if self.joints_known is None:
            del arrays[_KNOWN]
        with atomic_write(path) as file:
            np.savez(file, **arrays)


def load(path: str | os.PathLike[str]) -> Estimates:
    """Reads what `Estimates.save` wrote.

    Raises:
        InputError: there is no such file, or it is of another kind.
    """
    try:
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            names = [field.name for field in dataclasses.fields(Estimates)]
            arrays = {name: stored[name] for name in names if name != _KNOWN or name in stored}
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(
            f"cannot read the estimates in {path}: {error}; evaluate the run again"
        ) from error
    width, height = arrays.pop("image_size").tolist()
    window, spacing = (int(arrays.pop(name)) for name in ("window", "spacing"))
    return Estimates(**arrays, image_size=(width, height), window=window, spacing=spacing)


class Collector:
    """Puts the frames of evaluation batches in their places."""

    def __init__(
        self,
        frame_counts: Int[np.ndarray, " videos"],
        clips: ClipSpec,
        image_size: tuple[int, int],
    ):
        """Estimates of a split whose videos have `frame_counts` raw frames."""
        self._first = np.concatenate([[0], np.cumsum(frame_counts, dtype=np.int64)])
        self._spec = clips
        self._image_size = image_size
        self._frames: list[Int[np.ndarray, " _"]] = []  # of each clip, in all of the split
        self._found: list[dict[str, np.ndarray]] = []  # of those frames
        self._intrinsics = np.zeros((len(frame_counts), 3, 3), np.float32)
        self._clips: list[tuple[int, int, int, np.ndarray]] = []

    def add(self, found: Mapping[str, np.ndarray]) -> None:
        """Adds what a detailed step of `htt_jax.evaluation.results` returned for a batch."""
        for clip in np.flatnonzero(found["video"] >= 0):
            self._add_clip({name: array[clip] for name, array in found.items()})

    def _add_clip(self, clip: Mapping[str, Any]) -> None:
        video, start = int(clip["video"]), int(clip["start"])
        count = int(clip["valid"].sum())
        place = np.arange(count)
        window = place // self._spec.window
        arrays = {
            "joints_3d": clip["estimated_joints_3d"],
            "target_3d": clip["joints_3d"],
            "hand_annotated": clip["hand_annotated"],
            "object": clip["estimated_object"],
            "object_probability": clip["object_probability"],
            "window_position": (place % self._spec.window).astype(np.int32),
            "window_length": np.minimum(
                self._spec.window, count - window * self._spec.window
            ).astype(np.int32),
        }
        if _KNOWN in clip:
            arrays[_KNOWN] = clip[_KNOWN]
        self._frames.append(self._first[video] + start + self._spec.spacing * place)
        self._found.append({name: array[:count] for name, array in arrays.items()})
        self._intrinsics[video] = clip["intrinsics"]
        self._clips.append((video, start, count, clip["action_over_time"]))

    def result(self) -> Estimates:
        """All estimates, when every clip has been added."""
        clips = sorted(self._clips, key=lambda clip: clip[:2])
        video, start, count = (np.array([clip[i] for clip in clips], np.int32) for i in range(3))
        return Estimates(
            **{
                name: in_frame_order(self._frames, [found[name] for found in self._found])
                for name in self._found[0]
            },
            first_frame=self._first,
            intrinsics=self._intrinsics,
            image_size=self._image_size,
            clip_video=video,
            clip_start=start,
            clip_frames=count,
            action_over_time=np.stack([clip[3] for clip in clips]),
            window=self._spec.window,
            spacing=self._spec.spacing,
        )
