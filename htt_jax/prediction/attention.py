"""Where a model looks: the attention in the final layers of both blocks (Fig. 6, Fig. 7)."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import jax
import numpy as np
from jaxtyping import Float, Int

from htt_jax.models.htt import HTT
from htt_jax.systems import Batch


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


def weights(model: HTT, variables: Mapping[str, Any], batch: Batch) -> dict[str, jax.Array]:
    """Attention weights of one batch of inputs, means over the heads of the final layers.

    In one program with `System.estimates` this costs next to nothing: what both compute, the
    compiler computes once.

    Returns:
        action_attention (clips, frames), from the action token; for a model with a pose block also
        pose_attention (clips, windows, frames, frames), from rows to columns.
    """
    valid = batch["valid"]
    inputs = (batch["image"], valid, batch["intrinsics"], batch.get("slot"))
    watched: dict[str, Any] = {"mutable": ["intermediates"]}
    out, in_windows = model.apply(variables, *inputs, method="per_frame", **watched)
    _, in_clip = model.apply(variables, out["frame_tokens"], valid, method="per_clip", **watched)
    action = _final(in_clip, "action_block", model.action_layers)
    found = {"action_attention": action[:, 0, 1:]}  # the token stands in front of the frames
    if model.window > 1:
        found["pose_attention"] = _final(in_windows, "pose_block", model.pose_layers)
    return found


def collect(
    clip_frames: Sequence[Int[np.ndarray, " _"]], outputs: Sequence[Mapping[str, np.ndarray]]
) -> Attention | None:
    """The attention of a video, from the raw frames of each clip and what `weights` says of it.

    None if it says nothing.
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


def _final(watched: Mapping[str, Any], block: str, layers: int) -> jax.Array:
    (found,) = watched["intermediates"][block][f"layer_{layers - 1}"]["attention"]["weights"]
    return found
