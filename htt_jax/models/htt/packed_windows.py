"""The pose block on the windows of packed clips, without those of padding alone."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def encoded_frames(
    block: Callable[[jax.Array, jax.Array], jax.Array],
    features: Float[Array, "clips frames features"],
    valid: Bool[Array, "clips frames"],
    window: int,
    slots: int | None,
) -> Float[Array, "clips frames features"]:
    """What the pose block makes of each frame within its window.

    Of packed frames, windows of padding alone are passed over, as far as the number of `slots`
    tells how many there must be; their tokens are zeros.

    Args:
        block: see `encoded`.
        features: of each frame.
        valid: whether a frame is real.
        window: frames that are seen together.
        slots: how many frames are real, at most; None: as many as there are places.

    Raises:
        ValueError: the number of frames is not a multiple of `window`.
    """
    clips, frames, width = features.shape
    if frames % window:
        raise ValueError(f"{frames} frames are not a multiple of the window, {window}")
    windows = features.reshape(clips, -1, window, width)
    # A window of padding alone would otherwise have nothing to attend to.
    visible = valid.reshape(windows.shape[:3]) | (jnp.arange(window) == 0)
    if slots is None or slots // window + clips >= clips * (frames // window):
        return block(windows, visible).reshape(clips, frames, width)
    tokens = encoded(
        block,
        windows.reshape(-1, window, width),
        visible.reshape(-1, window),
        valid.reshape(-1, window).any(axis=1),
        most=slots // window + clips,  # a clip has at most one window that is not full
    )
    return tokens.reshape(clips, frames, width)


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
