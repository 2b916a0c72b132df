"""What is said about one frame of a video while it is taken."""

import dataclasses
from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from jaxtyping import Bool, Float

from htt_jax import camera
from htt_jax.prediction.found_hands import unless_trained
from htt_jax.prediction.smoothing import Poses, Smoother, Smoothing
from htt_jax.runs.opening import TrainedRun


@dataclasses.dataclass(frozen=True)
class FrameResult:
    """What a model says about one frame.

    Pixels are those of the frame as it was pushed, undistorted where a lens bent its lines.

    Attributes:
        frame: its number, from 0.
        joints_2d: pixels.
        depth: metres.
        joints_3d: metres, camera space.
        object_probabilities: by class; None: the model says nothing of objects.
        hand_seen: whether each hand was found in the frame, where that is looked for; a pose of one
            that was not is a guess.
        object_box_3d: centre and eight corners of the box of the object in hand, metres, camera
            space; None: the model does not tell it.
        is_final: whether it is what the whole video gives; else what the frames up to this one do.
    """

    frame: int
    joints_2d: Float[np.ndarray, "joints 2"]
    depth: Float[np.ndarray, " joints"]
    joints_3d: Float[np.ndarray, "joints 3"]
    object_probabilities: Float[np.ndarray, " objects"] | None
    hand_seen: Bool[np.ndarray, " hands"] | None = None
    object_box_3d: Float[np.ndarray, "box_points 3"] | None = None
    is_final: bool = True


class FrameResults:
    """Makes results of what a model says of frames, one after the other."""

    def __init__(
        self,
        run: TrainedRun,
        pixel_factor: Float[np.ndarray, "2"],
        intrinsics: Float[np.ndarray, "3 3"],
        smoothing: Smoothing | None,
        *,
        is_final: bool,
    ):
        """Of one video.

        Args:
            run: the model.
            pixel_factor: from its pixels to those of the frames.
            intrinsics: of the frames.
            smoothing: of the poses, if they are to be.
            is_final: see `FrameResult`.
        """
        self._if_not_looked = unless_trained(run.dataset.spec)
        self._tells_objects = "object" in run.told
        self._pixel_factor = pixel_factor
        self._intrinsics = intrinsics
        self._smooth: Smoother | None = None
        if smoothing is not None:
            self._smooth = Smoother(smoothing, run.dataset.spec, intrinsics)
        self._is_final = is_final

    def __call__(
        self,
        numbers: Sequence[int],
        seconds: Sequence[float],
        outputs: Mapping[str, np.ndarray],
        hand_seen: Sequence[np.ndarray | None],
    ) -> list[FrameResult]:
        """Of the next frames, in their order.

        Args:
            numbers: of the frames.
            seconds: when they were taken.
            outputs: (frames, ..), at the model's size.
            hand_seen: of each frame, if that is looked for.
        """
        joints_2d, depth = outputs["joints_2d"] * self._pixel_factor, outputs["depth"]
        poses: Iterator[Poses]
        if self._smooth is None:
            joints_3d = camera.unproject(joints_2d, depth, self._intrinsics).astype(np.float32)
            poses = map(Poses, joints_2d.astype(np.float32), depth, joints_3d)
        else:
            poses = map(self._smooth, seconds, joints_2d, depth, hand_seen)
        nothing = [None] * len(numbers)
        objects = outputs["object_probabilities"] if self._tells_objects else nothing
        boxes = outputs.get("object_box_3d", nothing)
        rows = zip(numbers, poses, objects, hand_seen, boxes, strict=True)
        return [
            FrameResult(
                number,
                *pose,
                of_object,
                self._if_not_looked if seen is None else seen,
                box,
                is_final=self._is_final,
            )
            for number, pose, of_object, seen, box in rows
        ]
