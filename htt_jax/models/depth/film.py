"""Feature-wise linear modulation: a scale and a shift of each channel, told by the action."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.linear import linear


class Modulation(NamedTuple):
    """What is done to each channel: `x` becomes (1 + scale) x + shift."""

    scale: Float[Array, "frames channels"]
    shift: Float[Array, "frames channels"]

    def __call__(self, x: jax.Array) -> jax.Array:
        """Modulates features (frames, ..., channels)."""
        places = (1,) * (x.ndim - 2)
        scale, shift = (
            part.reshape(x.shape[0], *places, x.shape[-1]).astype(x.dtype) for part in self
        )
        return (1 + scale) * x + shift


def generate(
    action: Float[Array, "frames actions"], channels: int, *, dtype: DTypeLike, name: str
) -> Modulation:
    """The modulation of so many channels from action probabilities: a linear layer `name`.

    To be called where Flax layers are.
    """
    both = linear(action.shape[-1], 2 * channels, dtype=dtype, name=name)(action)
    return Modulation(*jnp.split(both, 2, axis=-1))
