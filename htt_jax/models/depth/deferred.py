"""The gradient of a kernel that a loop uses, computed once after the loop.

Otherwise it is added up step after step, which takes long where a kernel is large and steps are
small. Zeros that each step is given carry what the gradient is made of out of the loop: by their
own gradients, which are a step's inputs and the gradient of its outputs.
"""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.processor import over_places


class Taps(NamedTuple):
    """Zeros; an axis for the steps comes first, or they are those of one."""

    inputs: Float[Array, "*steps rows channels"]
    outputs: Float[Array, "*steps rows channels_out"]


@functools.partial(jax.custom_vjp, nondiff_argnums=(1, 2))
def taps(
    kernel: Float[Array, "channels channels_out"], places: tuple[int, int], dtype: DTypeLike
) -> Taps:
    """Of a loop of (steps, rows) whose products with `kernel` are `dot_general`'s, in `dtype`."""
    return Taps(*(jnp.zeros((*places, size), dtype) for size in kernel.shape))


def _taps_backward(
    places: tuple[int, int], dtype: DTypeLike, kernel_type: Array, gradient: Taps
) -> tuple[Float[Array, "channels channels_out"]]:
    return (over_places(*gradient).astype(kernel_type.dtype),)


taps.defvjp(
    lambda kernel, places, dtype: (taps(kernel, places, dtype), jnp.zeros((), kernel.dtype)),
    _taps_backward,
)


def dot_general(of_step: Taps) -> Callable[..., Any]:
    """For a layer in the loop; its kernel has no gradient there."""
    return lambda x, kernel, *_, **__: _product(x, jax.lax.stop_gradient(kernel), of_step)


@jax.custom_vjp
def _product(
    x: Float[Array, "rows channels"], kernel: Float[Array, "channels channels_out"], of_step: Taps
) -> Float[Array, "rows channels_out"]:
    return x @ kernel


def _product_backward(
    saved: tuple[jax.Array, jax.Array], gradient: Float[Array, "rows channels_out"]
) -> tuple[Float[Array, "rows channels"], None, Taps]:
    x, kernel = saved
    return gradient @ kernel.T, None, Taps(x, gradient)


_product.defvjp(lambda x, kernel, of_step: (x @ kernel, (x, kernel)), _product_backward)
