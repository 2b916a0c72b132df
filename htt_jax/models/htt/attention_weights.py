"""Where HTT looks: the attention in the final layers of both blocks (Fig. 6, 7) and queries."""

from collections.abc import Mapping
from typing import Any

import jax

from htt_jax.models import backbones
from htt_jax.models.htt.cells import as_picture, first_of
from htt_jax.models.htt.network import HTT


def weights(
    model: HTT, variables: Mapping[str, Any], batch: Mapping[str, jax.Array]
) -> dict[str, jax.Array]:
    """Attention weights of one batch of inputs, means over the heads of the final layers.

    In one program with `System.estimates` this costs next to nothing: what both compute, the
    compiler computes once.

    Returns:
        action_attention (clips, frames), from the action token; for a model with a pose block also
        pose_attention (clips, windows, frames, frames), from rows to columns, and for one with
        queries joint_attention (clips, frames, tokens, rows, columns), from each joint and the
        object to places in the frame, see `cells.as_picture`.
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
    if model.spatial == "queries":
        layer = f"layer_{model.spatial_layers - 1}"
        (of_slots,) = in_windows["intermediates"]["queries"][layer]["cross"]["weights"]
        *_, height, width, _ = batch["image"].shape
        backbone = backbones.make(model.backbone_name, model.backbone_width)
        maps = as_picture(of_slots, (height, width), first_of(backbone, (height, width)))
        slot = batch.get("slot")
        of_frames = maps.reshape(*valid.shape, *maps.shape[1:]) if slot is None else maps[slot]
        found["joint_attention"] = of_frames
    return found


def _final(watched: Mapping[str, Any], block: str, layers: int) -> jax.Array:
    (found,) = watched["intermediates"][block][f"layer_{layers - 1}"]["attention"]["weights"]
    return found
