"""Linear layers that start as PyTorch's do."""

from typing import Any

import flax.linen as nn
import jax
from jax.typing import DTypeLike


def linear(inputs: int, features: int, **options: Any) -> nn.Dense:
    """A layer whose bias, and unless `kernel_init` says otherwise its kernel, start as PyTorch's.

    That is uniform within 1 / sqrt(inputs) of zero. `options` are those of `nn.Dense`.
    """
    limit = inputs**-0.5

    def uniform(key: jax.Array, shape: tuple[int, ...], dtype: DTypeLike) -> jax.Array:
        return jax.random.uniform(key, shape, dtype, -limit, limit)

    return nn.Dense(features, bias_init=uniform, **{"kernel_init": uniform, **options})
