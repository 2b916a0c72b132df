"""Which frames of a clip the action block sees when it answers before the clip's end."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Int


def after_windows(
    valid: Bool[Array, "clips frames"], window: int
) -> Bool[Array, "clips windows frames"]:
    """The real frames up to the end of each window."""
    frames = valid.shape[1]
    seen = jnp.arange(frames) // window <= jnp.arange(frames // window)[:, None]
    return valid[:, None] & seen


def before(
    valid: Bool[Array, "clips frames"], cut: Int[Array, " clips"]
) -> Bool[Array, "clips frames"]:
    """The real frames before the one where each clip is cut."""
    return valid & (jnp.arange(valid.shape[1]) < cut[:, None])
