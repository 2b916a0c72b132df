"""The first convolution of the pose network and the max-pool behind it, in one."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from htt_jax.models.processor import convolve, larger, pointwise

KERNEL_SIZE = 5
_SHIFTS = 3  # of blocks of 2x2 pixels, over what the places under a window see: 6x6 pixels


@jax.custom_vjp
def convolve_and_pool(
    x: Float[Array, "frames height width channels"],
    kernel: Float[Array, "size size channels channels_out"],
) -> Float[Array, "frames height_out width_out channels_out"]:
    """A 5x5 convolution padded by 2, and the maximum over windows of 2x2 at stride 2.

    For gradients it is computed as matrix products: on processors those of a convolution with
    one channel take several times as long.
    """
    y = convolve(x, kernel, 1)
    rows, columns = (2 * (size // 2) for size in x.shape[1:3])
    y = jnp.maximum(y[:, 0:rows:2, :columns], y[:, 1:rows:2, :columns])
    return jnp.maximum(y[:, :, ::2], y[:, :, 1::2])


def _as_products(
    x: Float[Array, "frames height width channels"],
    kernel: Float[Array, "size size channels channels_out"],
) -> Float[Array, "frames height_out width_out channels_out"]:
    """The four places of each window, each with its own shift of the kernel.

    Four products, and not one with all shifts side by side: that one's gradient would be put
    together of four first, which takes longer than they do.
    """
    patches = _patches(x)
    upper_left, upper_right, lower_left, lower_right = (
        pointwise(
            patches,
            _in_blocks(jnp.pad(kernel, ((row, 1 - row), (column, 1 - column), (0, 0), (0, 0)))),
        )
        for row in range(2)
        for column in range(2)
    )
    return larger(larger(upper_left, upper_right), larger(lower_left, lower_right))


def _in_blocks(
    kernel: Float[Array, "6 6 channels channels_out"],
) -> Float[Array, "patch channels_out"]:
    """In the order of `_patches`."""
    channels, features = kernel.shape[2:]
    blocks = kernel.reshape(_SHIFTS, 2, _SHIFTS, 2, channels, features)
    return blocks.swapaxes(1, 2).reshape(-1, features)


def _patches(
    x: Float[Array, "frames height width channels"],
) -> Float[Array, "frames height_out width_out patch"]:
    """The 6x6 pixels around each window of the pool, blocks of 2x2 in reading order."""
    frames, height, width, channels = x.shape
    rows, columns = height // 2, width // 2
    x = jnp.pad(x, ((0, 0), (2, 2), (2, 2), (0, 0)))[:, : 2 * rows + 4, : 2 * columns + 4]
    blocks = x.reshape(frames, rows + 2, 2, columns + 2, 2, channels).swapaxes(2, 3)
    blocks = blocks.reshape(frames, rows + 2, columns + 2, -1)
    # Columns before rows, which copies more at a time.
    beside = [blocks[:, :, shift : shift + columns] for shift in range(_SHIFTS)]
    blocks = jnp.concatenate(beside, axis=-1)
    below = [blocks[:, shift : shift + rows] for shift in range(_SHIFTS)]
    return jnp.concatenate(below, axis=-1)


def _forward(x: jax.Array, kernel: jax.Array) -> tuple[jax.Array, Callable[..., Any]]:
    return jax.vjp(_as_products, x, kernel)


def _backward(saved: Callable[..., Any], gradient: jax.Array) -> tuple[jax.Array, jax.Array]:
    return saved(gradient)


convolve_and_pool.defvjp(_forward, _backward)
