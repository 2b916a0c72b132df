"""Which frames of a clip the action block sees when it answers before the clip's end."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


def after_windows(
    valid: Bool[Array, "clips frames"], window: int
) -> Bool[Array, "clips windows frames"]:
    """The real frames up to the end of each window."""
    frames = valid.shape[1]
    seen = jnp.arange(frames) // window <= jnp.arange(frames // window)[:, None]
    return valid[:, None] & seen


def up_to_each_window(
    frame_tokens: Float[Array, "clips frames features"],
    valid: Bool[Array, "clips frames"],
    window: int,
) -> tuple[Float[Array, "clips_windows frames features"], Bool[Array, "clips_windows frames"]]:
    """Each clip once for each of its windows, and which frames are seen: none after that."""
    clips, frames, width = frame_tokens.shape
    windows = frames // window
    tokens = jnp.broadcast_to(frame_tokens[:, None], (clips, windows, frames, width))
    return (
        tokens.reshape(clips * windows, frames, width),
        after_windows(valid, window).reshape(clips * windows, frames),
    )


def before(
    valid: Bool[Array, "clips frames"], cut: Int[Array, " clips"]
) -> Bool[Array, "clips frames"]:
    """The real frames before the one where each clip is cut."""
    return valid & (jnp.arange(valid.shape[1]) < cut[:, None])
