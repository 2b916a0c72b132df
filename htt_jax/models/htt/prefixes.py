"""A clip as it stands after each of its windows."""

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def up_to_each_window(
    frame_tokens: Float[Array, "clips frames features"],
    valid: Bool[Array, "clips frames"],
    window: int,
) -> tuple[Float[Array, "clips_windows frames features"], Bool[Array, "clips_windows frames"]]:
    """Each clip once for each of its windows, and which frames are seen: none after that."""
    clips, frames, width = frame_tokens.shape
    windows = frames // window
    seen = jnp.arange(frames) // window <= jnp.arange(windows)[:, None]
    tokens = jnp.broadcast_to(frame_tokens[:, None], (clips, windows, frames, width))
    return (
        tokens.reshape(clips * windows, frames, width),
        (valid[:, None] & seen).reshape(clips * windows, frames),
    )
