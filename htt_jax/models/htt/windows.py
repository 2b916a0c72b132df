"""HTT on a clip whose windows come one after the other."""

from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int

from htt_jax.models.htt.frames import Outputs
from htt_jax.models.htt.network import HTT


def tokens(
    model: HTT, variables: Any, frames: int, window: Mapping[str, jax.Array]
) -> Float[Array, "frames features"]:
    """What is kept of a clip of so many frames, before the first."""
    one = _per_frame(model, variables, window)["frame_tokens"]
    return jnp.zeros((frames, one.shape[-1]), one.dtype)


def step(
    model: HTT,
    variables: Any,
    tokens: Float[Array, "frames features"],
    place: Int[Array, ""],
    window: Mapping[str, jax.Array],
) -> tuple[Float[Array, "frames features"], Outputs]:
    """Takes one more window of a clip.

    Args:
        model: the network.
        variables: of `model`.
        tokens: of the clip so far; what else is in them stays unseen.
        place: of the window's first frame in the clip.
        window: its `image` and `valid`, see `HTT.__call__`, without an axis of clips, and
            `intrinsics` (3, 3).

    Returns:
        The tokens behind it; joints_2d, depth and object_probabilities of the window's frames, the
        action_probabilities of the clip so far, and of a model that forecasts forecast_joints_3d
        (1, steps, joints, 3) after the window.
    """
    out = _per_frame(model, variables, window)
    tokens = jax.lax.dynamic_update_slice(tokens, out["frame_tokens"][0], (place, 0))
    seen = jnp.arange(len(tokens)) < place + window["valid"].sum()
    logits = model.apply(variables, tokens[None], seen[None], method="per_clip")
    assert isinstance(logits, jax.Array)
    ahead = _ahead(model, variables, window, out, (tokens[None], seen[None]))
    return tokens, {
        "joints_2d": out["joints_2d"][0],
        "depth": out["depth"][0],
        "object_probabilities": jax.nn.softmax(out["object_logits"][0]),
        "action_probabilities": jax.nn.softmax(logits[0]),
        **ahead,
    }


def _ahead(
    model: HTT,
    variables: Any,
    window: Mapping[str, jax.Array],
    out: Outputs,
    told: tuple[jax.Array, jax.Array],
) -> Outputs:
    """What comes after the window, if the model tells it; see `HTT.ahead`."""
    if not model.forecast:
        return {}
    size = window["image"].shape[-3:-1]
    arrays = window["valid"][None], _everywhere(model, window)
    found = model.apply(variables, out, *arrays, size, told, method="ahead")
    assert isinstance(found, dict)
    return {"forecast_joints_3d": found["forecast_joints_3d"][0]}


def _everywhere(model: HTT, window: Mapping[str, jax.Array]) -> jax.Array:
    """The one camera, of each frame."""
    return jnp.broadcast_to(window["intrinsics"], (1, model.window, 3, 3))


def _per_frame(model: HTT, variables: Any, window: Mapping[str, jax.Array]) -> Outputs:
    arrays = window["image"][None], window["valid"][None], _everywhere(model, window)
    return model.apply(variables, *arrays, method="per_frame")  # type: ignore[return-value]
