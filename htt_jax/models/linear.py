"""Linear layers that start as PyTorch's do."""

import functools
from typing import Any

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

from htt_jax.models.parameters import Dense


def linear(inputs: int, features: int, **options: Any) -> Dense:
    """A layer whose bias, and unless `kernel_init` says otherwise its kernel, start as PyTorch's.

    That is uniform within 1 / sqrt(inputs) of zero. `options` are those of `Dense`.
    """
    start = functools.partial(uniform, inputs**-0.5)
    return Dense(features, bias_init=start, **{"kernel_init": start, **options})


@functools.partial(jax.jit, static_argnums=(0, 2, 3))  # traced once for all layers of a size
def uniform(
    limit: float, key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike = jnp.float32
) -> jax.Array:
    """An initializer, once its `limit` is given: within that of zero."""
    return jax.random.uniform(key, shape, dtype, -limit, limit)
