"""The pose block on the windows of packed clips, without those of padding alone."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def encoded(
    block: Callable[[jax.Array, jax.Array], jax.Array],
    windows: Float[Array, "windows frames features"],
    visible: Bool[Array, "windows frames"],
    has_frame: Bool[Array, " windows"],
    *,
    most: int,
) -> Float[Array, "windows frames features"]:
    """What the pose block makes of the windows that have a frame; zeros of the others.

    Args:
        block: takes windows and visible frames, of (clips, windows, ..).
        windows: of all clips.
        visible: to the others of the window.
        has_frame: whether a window is not of padding alone.
        most: windows that can have one.
    """
    place = jnp.nonzero(has_frame, size=most, fill_value=len(windows))[0]
    tokens = block(
        jnp.take(windows, place, axis=0, mode="fill", fill_value=0)[None],
        jnp.take(visible, place, axis=0, mode="fill", fill_value=True)[None],
    )[0]
    return jnp.zeros(windows.shape, tokens.dtype).at[place].set(tokens, mode="drop")
