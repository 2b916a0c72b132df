"""Where a model expects hands to go, after each full window of a video's clips.

Of a whole video, and while it is taken; and the path that is drawn of it.
"""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int

from htt_jax import camera
from htt_jax.data.clips import ClipSpec
from htt_jax.data.pace import Pace
from htt_jax.datasets.spec import DatasetSpec


@dataclasses.dataclass(frozen=True)
class Ahead:
    """What is expected after each past.

    Attributes:
        last: the last raw frame of each past, ascending.
        joints_3d: of the frames after it, `spacing` apart; metres, camera space of each.
        spacing: raw frames, on the mean.
    """

    last: Int[np.ndarray, " pasts"]
    joints_3d: Float[np.ndarray, "pasts steps joints 3"]
    spacing: float

    def after(self, frame: int) -> Float[np.ndarray, "points joints 3"]:
        """The joints expected after a raw frame, nearest first, by the newest past that has ended.

        None before the first has ended, and where the newest looked less far.
        """
        past = int(np.searchsorted(self.last, frame, side="right")) - 1
        if past < 0:
            return self.joints_3d[:0, 0]
        ahead = self.last[past] + self.spacing * np.arange(1, self.joints_3d.shape[1] + 1)
        return self.joints_3d[past][ahead > frame]

    def paced(self, pace: Pace) -> "Ahead":
        """The same of raw frames, where it is of the places that show them."""
        spacing = self.spacing * pace.advance
        whole = int(spacing) == spacing
        return Ahead(
            pace.frames(self.last), self.joints_3d, int(spacing) if whole else float(spacing)
        )

    def then(self, later: "Ahead") -> "Ahead":
        """The newest past of these, and those of `later`: all that counts from there on."""
        return Ahead(
            np.concatenate([self.last[-1:], later.last]),
            np.concatenate([self.joints_3d[-1:], later.joints_3d]),
            self.spacing,
        )

    def palm_paths(
        self,
        frame: int,
        joints_2d: Float[np.ndarray, "joints 2"],
        spec: DatasetSpec,
        intrinsics: Float[np.ndarray, "3 3"],
    ) -> tuple[Float[np.ndarray, "points 2"], ...]:
        """Of each hand's palm, from where it is to where it is expected to go.

        Args:
            frame: raw one, from which on.
            joints_2d: where the hands are in it, pixels.
            spec: of the hands.
            intrinsics: of the frames, pixels.

        Returns:
            Pixels; not finite behind the camera.
        """
        points = self.after(frame)
        ahead = camera.project_ahead(points, intrinsics)
        palms = [spec.joints_of(hand).start + spec.skeleton.palm for hand in spec.hands]
        return tuple(np.concatenate([joints_2d[None, palm], ahead[:, palm]]) for palm in palms)


def collect(
    frames: Sequence[Int[np.ndarray, " _"]],
    outputs: Sequence[Mapping[str, np.ndarray]],
    clips: ClipSpec,
) -> Ahead | None:
    """Of a video's clips; None if nothing is expected, as the model does not tell it.

    Args:
        frames: the raw frames of each clip.
        outputs: what was said of each.
        clips: how they were cut.
    """
    if "forecast_joints_3d" not in outputs[0]:
        return None
    full = [len(real) // clips.window for real in frames]
    last = np.concatenate([real[clips.window - 1 :: clips.window] for real in frames])
    joints = np.concatenate(
        [found["forecast_joints_3d"][:n] for found, n in zip(outputs, full, strict=True)]
    )
    order = np.argsort(last)
    return Ahead(last[order], joints[order], clips.spacing)
