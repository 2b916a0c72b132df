"""The type of computation that suits the devices at hand."""

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike

DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
AUTO = "auto"


def fast_dtype() -> str:
    """The fastest that is exact enough."""
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def resolve(name: str) -> DTypeLike:
    """The type that an option names; of `AUTO` the fast one."""
    return DTYPES[fast_dtype() if name == AUTO else name]
