"""Layers in forms that are fast on processors too; anywhere else they are XLA's plain ones.

On a processor, XLA computes the gradient of a convolution for its kernel as one more convolution
whose window is the whole image, which takes three times as long as it needs to: there it is one
matrix product here instead. The gradient for its input takes up to ten times as long inside loops
as outside: there it is a plain convolution here. A convolution of maps smaller than its kernel
takes 20 to 140 times as long as one matrix product: there it is that product here.
And the gradient of max-pooling, scattered window by window, took longer than all convolutions
together: there it is a few fused elementwise operations here.
"""

import functools
from collections.abc import Callable
from typing import TypeAlias

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jaxtyping import Array, Float

Images: TypeAlias = Float[Array, "images height width channels"]
Pooled: TypeAlias = Float[Array, "images height_out width_out channels"]
Kernel: TypeAlias = Float[Array, "size size channels channels_out"]
Maps: TypeAlias = Float[Array, "images height_out width_out channels_out"]
Padding: TypeAlias = tuple[tuple[int, int], tuple[int, int]]
"""Zeros before and after the rows, and the columns."""

FEWEST_CHANNELS = 16
"""With fewer, the matrices would be too narrow to gain anything by them."""

FEW_CHANNELS = 64
"""With more, the zeros that fill up kernels cost more than they gain outside of loops."""


def convolve(x: Images, kernel: Kernel, stride: int, padding: Padding | None = None) -> Maps:
    """The convolution of `x` with a square kernel, padded by half its size on every side.

    Padded explicitly: SAME pads strided convolutions on the other side than PyTorch does. With
    another `padding` it is XLA's plain one everywhere.
    """
    if x.shape[-1] < FEWEST_CHANNELS or padding:
        return _plain(x, kernel, stride, padding)
    return _convolve(x, kernel, stride)


@functools.partial(jax.custom_vjp, nondiff_argnums=(2,))
def _convolve(x: Images, kernel: Kernel, stride: int) -> Maps:
    plain = functools.partial(_plain, stride=stride)
    if _fits(kernel, x):
        return plain(x, kernel)
    product = functools.partial(_of_patches, stride=stride)
    return lax.platform_dependent(x, kernel, cpu=product, default=plain)


def _fits(kernel: Kernel, maps: Images | Maps) -> bool:
    """Whether the kernel is no larger than the maps, which XLA's quick convolutions ask for."""
    return min(maps.shape[1:3]) >= kernel.shape[0]


def _plain(x: Images, kernel: Kernel, stride: int, padding: Padding | None = None) -> Maps:
    half = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        window_strides=(stride, stride),
        padding=padding or ((half, half), (half, half)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def _of_patches(x: Images, kernel: Kernel, stride: int) -> Maps:
    """The convolution as one matrix product over all places of all images."""
    patches = _patches(x, kernel.shape[0], stride)
    places = patches.reshape(-1, patches.shape[-1])
    return (places @ kernel.reshape(-1, kernel.shape[-1])).reshape(*patches.shape[:3], -1)


def _forward(x: Images, kernel: Kernel, stride: int) -> tuple[Maps, tuple[Images, Kernel]]:
    return _convolve(x, kernel, stride), (x, kernel)


def _backward(stride: int, saved: tuple[Images, Kernel], gradient: Maps) -> tuple[Images, Kernel]:
    x, kernel = saved
    transposed = functools.partial(_of_input_transposed, stride=stride)
    on_processors: Callable[[Images, Kernel, Maps], Images] = transposed
    if stride == 1:
        on_processors = _of_input
    elif (
        stride == 2
        and kernel.shape[0] > 1
        and (x.shape[-1] <= FEW_CHANNELS or not _fits(kernel, gradient))
    ):
        on_processors = _of_input_at_stride_2
    of_x = lax.platform_dependent(x, kernel, gradient, cpu=on_processors, default=transposed)
    product = functools.partial(_product, stride=stride)
    plain = functools.partial(_of_kernel_transposed, stride=stride)
    return of_x, lax.platform_dependent(x, kernel, gradient, cpu=product, default=plain)


_convolve.defvjp(_forward, _backward)


def _of_input_transposed(x: Images, kernel: Kernel, gradient: Maps, *, stride: int) -> Images:
    return jax.linear_transpose(lambda x: _plain(x, kernel, stride), x)(gradient)[0]


def _of_kernel_transposed(x: Images, kernel: Kernel, gradient: Maps, *, stride: int) -> Kernel:
    return jax.linear_transpose(lambda kernel: _plain(x, kernel, stride), kernel)(gradient)[0]


def _of_input(x: Images, kernel: Kernel, gradient: Maps) -> Images:
    """The input's gradient at stride 1 as a convolution forward, fast inside loops too."""
    return _convolve(gradient, kernel[::-1, ::-1].swapaxes(2, 3), 1)


def _of_input_at_stride_2(x: Images, kernel: Kernel, gradient: Maps) -> Images:
    """The same at stride 2: a convolution gives the four inputs of each 2x2 side by side."""
    padding = kernel.shape[0] // 2
    before, after = padding // 2, (padding + 1) // 2  # gradients that an input has a part in
    taps = before + 1 + after
    front = 2 * after - padding
    back = 2 * taps - kernel.shape[0] - front
    kernel = jnp.pad(kernel, ((front, back), (front, back), (0, 0), (0, 0)))
    kernel = kernel.reshape(taps, 2, taps, 2, *kernel.shape[2:])[::-1, :, ::-1]
    kernel = kernel.transpose(0, 2, 5, 1, 3, 4).reshape(taps, taps, gradient.shape[-1], -1)
    side_by_side = lax.conv_general_dilated(
        gradient,
        kernel,
        window_strides=(1, 1),
        padding=((before, after), (before, after)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )
    images, rows, columns, _ = side_by_side.shape
    split = side_by_side.reshape(images, rows, columns, 2, 2, -1).swapaxes(2, 3)
    return split.reshape(images, 2 * rows, 2 * columns, -1)[:, : x.shape[1], : x.shape[2]]


def _product(x: Images, kernel: Kernel, gradient: Maps, *, stride: int) -> Kernel:
    """The kernel's gradient as one matrix product over all places of all images."""
    if stride == 1:
        return _shifted_product(x, gradient, kernel.shape[0])
    return over_places(_patches(x, kernel.shape[0], stride), gradient).reshape(kernel.shape)


def _patches(
    x: Images, size: int, stride: int
) -> Float[Array, "images height_out width_out patch_channels"]:
    """What the kernel sees at each of its places, in the order of its elements."""
    height, width = (-(-length // stride) for length in x.shape[1:3])
    x = _padded(x, size)
    return jnp.concatenate(
        [
            x[:, row::stride, column::stride][:, :height, :width]
            for row in range(size)
            for column in range(size)
        ],
        axis=-1,
    )


def _padded(x: Images, size: int) -> Float[Array, "images height_padded width_padded channels"]:
    """By half the kernel's size on every side."""
    half = size // 2
    return jnp.pad(x, ((0, 0), (half, half), (half, half), (0, 0)))


def _shifted_product(x: Images, gradient: Maps, size: int) -> Kernel:
    """At stride 1: a third of what patches of size 3 copy, in wider matrices.

    Rows of the kernel shift the image, columns shift the gradient the other way.
    """
    height = gradient.shape[1]
    x = _padded(x, size)
    rows = jnp.concatenate([x[:, row : row + height] for row in range(size)], axis=-1)
    columns = jnp.concatenate(
        [
            jnp.pad(gradient, ((0, 0), (0, 0), (column, size - 1 - column), (0, 0)))
            for column in range(size)
        ],
        axis=-1,
    )
    product = over_places(rows, columns)
    return product.reshape(size, x.shape[-1], size, gradient.shape[-1]).transpose(0, 2, 1, 3)


def over_places(
    a: Float[Array, "*places channels"], b: Float[Array, "*places channels_out"]
) -> Float[Array, "channels channels_out"]:
    """Sums the outer products of the channels of `a` and `b` at every place."""
    # As matrices: of more axes XLA would turn one round first, place by place.
    a, b = (x.reshape(-1, x.shape[-1]) for x in (a, b))
    wide = jnp.promote_types(a.dtype, jnp.float32)
    summed = lax.dot_general(a, b, (((0,), (0,)), ((), ())), preferred_element_type=wide)
    return summed.astype(a.dtype)


def pointwise(
    x: Float[Array, "*places channels"], kernel: Float[Array, "channels channels_out"]
) -> Float[Array, "*places channels_out"]:
    """A convolution with a kernel of 1x1 at stride 1, as one matrix product."""
    return _pointwise(x.reshape(-1, x.shape[-1]), kernel).reshape(*x.shape[:-1], kernel.shape[-1])


@jax.custom_vjp
def _pointwise(
    x: Float[Array, "places channels"], kernel: Float[Array, "channels channels_out"]
) -> Float[Array, "places channels_out"]:
    return x @ kernel


def _pointwise_backward(
    saved: tuple[jax.Array, jax.Array], gradient: Float[Array, "places channels_out"]
) -> tuple[Float[Array, "places channels"], Float[Array, "channels channels_out"]]:
    x, kernel = saved
    # JAX's own gradient for the kernel has XLA turn the other gradient round, place by place, and
    # compute it anew, along with that of every layer behind, for each layer.
    return gradient @ kernel.T, over_places(x, gradient)


_pointwise.defvjp(lambda x, kernel: (x @ kernel, (x, kernel)), _pointwise_backward)


def max_pool(x: Images) -> Pooled:
    """The maximum over windows of 3x3 at stride 2, padded by 1.

    Of equal values in a window, the first in reading order gets the gradient, as in PyTorch.
    """
    return lax.platform_dependent(x, cpu=_pool_by_axis, default=_plain_pool)


def _plain_pool(x: Images) -> Pooled:
    lowest = np.array(-np.inf, x.dtype)[()]
    padding = ((0, 0), (1, 1), (1, 1), (0, 0))
    return lax.reduce_window(x, lowest, lax.max, (1, 3, 3, 1), (1, 2, 2, 1), padding)


def _pool_by_axis(x: Images) -> Pooled:
    """Columns before rows: the first of a row, then of the first row, is first in reading order."""
    return _halve_by_maximum(_halve_by_maximum(x, axis=2), axis=1)


def _halve_by_maximum(x: Images, axis: int) -> Pooled:
    """The maximum over windows of 3 at stride 2, padded by 1, along one axis."""
    length = x.shape[axis]
    padding = [(1, 1) if i == axis else (0, 0) for i in range(x.ndim)]
    x = jnp.pad(x, padding, constant_values=-jnp.inf)
    last = 2 * ((length - 1) // 2)
    left, middle, right = (
        lax.slice_in_dim(x, offset, offset + last + 1, stride=2, axis=axis) for offset in range(3)
    )
    return larger(larger(left, middle), right)


@jax.custom_jvp
def larger(first: Array, second: Array) -> Array:
    """The maximum, whose whole gradient goes to the first where both are equal."""
    return jnp.maximum(first, second)


@larger.defjvp
def _larger_jvp(values: tuple[Array, Array], tangents: tuple[Array, Array]) -> tuple[Array, Array]:
    first, second = values
    return larger(first, second), jnp.where(second > first, tangents[1], tangents[0])
