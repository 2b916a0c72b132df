"""Where a model looks: the attention in the final layers of both blocks (Fig. 6, Fig. 7)."""

import dataclasses
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Attention:
    """Weights of one video, means over the heads.

    Attributes:
        action: from each clip's action token to each of its frames, in their order; 0 after the
            clip's end. A row and what the token gives itself add up to 1.
        pose: within each window of the pose block, from each frame (rows) to each (columns), rows
            add up to 1; 0 where the window has no frame. None: the model has no pose block.
        window_frames: the raw frames of each window; -1 where it has none.
    """

    action: Float[np.ndarray, "clips frames"]
    pose: Float[np.ndarray, "windows places places"] | None
    window_frames: Int[np.ndarray, "windows places"]


def collect(
    clip_frames: Sequence[Int[np.ndarray, " _"]], outputs: Sequence[Mapping[str, np.ndarray]]
) -> Attention | None:
    """The attention of a video, from the raw frames of each clip and `System.attention` of it.

    None if that says nothing.
    """
    if "action_attention" not in outputs[0]:
        return None
    action = np.zeros((len(outputs), max(map(len, clip_frames))), np.float32)
    for row, frames, found in zip(action, clip_frames, outputs, strict=True):
        row[: len(frames)] = found["action_attention"][: len(frames)]
    if "pose_attention" not in outputs[0]:
        return Attention(action, None, np.concatenate(clip_frames)[:, None])
    pose, window_frames = [], []
    for frames, found in zip(clip_frames, outputs, strict=True):
        places = found["pose_attention"].shape[-1]
        windows = -(-len(frames) // places)
        padded = np.pad(frames, (0, windows * places - len(frames)), constant_values=-1)
        window_frames.append(padded.reshape(windows, places))
        is_real = window_frames[-1] >= 0
        pose.append(found["pose_attention"][:windows] * is_real[:, :, None])
    return Attention(action, np.concatenate(pose), np.concatenate(window_frames))
