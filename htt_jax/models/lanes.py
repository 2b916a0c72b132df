"""Convolutions on columns side by side, for devices that keep channels in 128 lanes.

A TPU fills up the channels of an image to 128: those of the backbone's first stage, 64, take twice
their size there. With two neighbouring columns next to each other in the channels, (height, width,
64) becomes (height, width / 2, 128). A convolution is then one with a wider kernel, which holds the
kernel once for each of the columns, and zeros: the same sums, more multiplications by zero, half
the memory.
"""

import functools
from typing import TypeAlias

import jax
import jax.numpy as jnp
from jax import lax
from jaxtyping import Array, Float

from htt_jax.models.processor import Images, Kernel

Folded: TypeAlias = Float[Array, "images height groups side_by_side"]
FoldedMaps: TypeAlias = Float[Array, "images height_out groups_out side_by_side_out"]

COLUMNS = 2
"""Side by side in the backbone's first stage."""


# Neither is simply reshaped, which a TPU does by way of another layout, there and back.
@functools.partial(jax.custom_vjp, nondiff_argnums=(1,))
def fold(x: Images, columns: int) -> Folded:
    """So many columns, which divide the width, next to each other in the channels."""
    return jnp.concatenate([x[:, :, place::columns] for place in range(columns)], axis=-1)


def _unfold(columns: int, _: None, folded: Folded) -> tuple[Images]:
    images, height, groups = folded.shape[:3]
    apart = jnp.stack(jnp.split(folded, columns, axis=-1), axis=3)
    return (apart.reshape(images, height, groups * columns, -1),)


fold.defvjp(lambda x, columns: (fold(x, columns), None), _unfold)


def convolve(x: Folded, kernel: Kernel, stride: int, *, columns: int) -> FoldedMaps:
    """As `processor.convolve`, on folded images.

    Args:
        x: images with `stride * columns` columns side by side.
        kernel: as it is for images that are not folded.
        stride: of the convolution.
        columns: side by side in the result.
    """
    padding = kernel.shape[0] // 2
    kernel, groups = _side_by_side(kernel, stride, columns)
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, 1),
        padding=((padding, padding), groups),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _side_by_side(
    kernel: Kernel, stride: int, columns: int
) -> tuple[Float[Array, "size groups side_by_side side_by_side_out"], tuple[int, int]]:
    """The kernel for groups of columns, and how many groups it reaches before and after."""
    size, _, channels, features = kernel.shape
    padding, group = size // 2, stride * columns
    before = -(-padding // group)
    after = (stride * (columns - 1) + size - 1 - padding) // group
    groups = before + 1 + after
    copies = []
    for column in range(columns):
        front = stride * column - padding + group * before
        filler = ((0, 0), (front, group * groups - front - size), (0, 0), (0, 0))
        copies.append(jnp.pad(kernel, filler))
    beside = jnp.concatenate(copies, axis=-1)
    return beside.reshape(size, groups, group * channels, columns * features), (before, after)
