"""The pre-norm transformer encoder of both blocks (Sec. 3.4)."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from htt_jax.models.linear import linear
from htt_jax.models.parameters import Dense, LayerNorm

LAYER_NORM_EPSILON = 1e-5  # PyTorch's


def sine_positions(length: int | Any, width: int) -> Float[Array, "tokens features"]:
    """The fixed position table: sine on even channels, cosine on odd ones.

    Computed by JAX, because `length` may be symbolic (`jax.export`). Angles are counted in 2^-32
    of a turn, as integers that wrap round at whole turns: late positions in float32 radians would
    be off by 1e-5, these are exact to 4e-7 in the longest clip of the paper.
    """
    radians = np.exp(-np.log(10000.0) * np.arange(0, width, 2) / width)
    step = np.round(radians * (2**32 / (2 * np.pi))).astype(np.uint32)
    turns = jnp.arange(length, dtype=jnp.uint32)[:, None] * step
    angle = lax.bitcast_convert_type(turns, jnp.int32).astype(jnp.float32) * (2 * np.pi / 2**32)
    return jnp.stack([jnp.sin(angle), jnp.cos(angle)], axis=-1).reshape(length, width)


class SelfAttention(nn.Module):
    """Multi-head self-attention; positions are added to queries and keys, not to values."""

    heads: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "tokens features"],
        positions: Float[Array, "tokens features"],
        visible: Bool[Array, " tokens"],
    ) -> Float[Array, "tokens features"]:
        """Returns what each token gathers from the visible tokens.

        Applied with `mutable=["intermediates"]`, it also leaves `weights` (tokens, tokens): how
        much of each token (columns) goes into each (rows), the mean over the heads.
        """
        tokens, width = x.shape
        # Xavier over the stacked (3 width, width) matrix that PyTorch initialises.
        init = nn.initializers.variance_scaling(0.5, "fan_in", "uniform")
        query_key = Dense(2 * width, dtype=self.dtype, kernel_init=init, name="query_key")(
            x + positions
        )
        value = Dense(width, dtype=self.dtype, kernel_init=init, name="value")(x)
        split = (tokens, self.heads, width // self.heads)
        query, key = jnp.split(query_key, 2, axis=-1)
        if self.is_mutable_collection("intermediates"):
            logits = jnp.einsum(
                "qhc,khc->hqk",
                query.reshape(split),
                key.reshape(split),
                preferred_element_type=jnp.float32,
            )
            logits = jnp.where(visible, logits / np.sqrt(split[-1]), -jnp.inf)
            self.sow("intermediates", "weights", jax.nn.softmax(logits).mean(axis=0))
        out = jax.nn.dot_product_attention(
            query.reshape(split),
            key.reshape(split),
            value.reshape(split),
            mask=visible[None, None, :],
        )
        return Dense(
            width, dtype=self.dtype, kernel_init=nn.initializers.xavier_uniform(), name="output"
        )(out.reshape(tokens, width))


class EncoderLayer(nn.Module):
    """LN, self-attention, add; LN, Linear, ReLU, Linear, add."""

    heads: int
    mlp_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "tokens features"],
        positions: Float[Array, "tokens features"],
        visible: Bool[Array, " tokens"],
    ) -> Float[Array, "tokens features"]:
        """Returns the tokens after one layer."""
        init = nn.initializers.xavier_uniform()
        y = LayerNorm(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype, name="norm1")(x)
        x = x + SelfAttention(self.heads, self.dtype, name="attention")(y, positions, visible)
        y = LayerNorm(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype, name="norm2")(x)
        width, options = x.shape[-1], {"dtype": self.dtype, "kernel_init": init}
        y = linear(width, self.mlp_width, **options, name="linear1")(y)
        y = linear(self.mlp_width, width, **options, name="linear2")(nn.relu(y))
        return x + y


class Encoder(nn.Module):
    """A stack of encoder layers over one sequence, with one more LN after the last.

    Attributes:
        layers: how many; 2 in the paper.
        heads: of each attention; 8 in the paper.
        mlp_width: hidden units of each feed-forward part; 2048 in the paper.
        dtype: of the computation; parameters are float32.
    """

    layers: int
    heads: int
    mlp_width: int
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self, x: Float[Array, "tokens features"], visible: Bool[Array, " tokens"]
    ) -> Float[Array, "tokens features"]:
        """Returns encoded tokens; a token that is not `visible` is attended to by none."""
        x = x.astype(self.dtype)
        positions = sine_positions(*x.shape).astype(self.dtype)
        for i in range(self.layers):
            x = EncoderLayer(self.heads, self.mlp_width, self.dtype, name=f"layer_{i}")(
                x, positions, visible
            )
        return LayerNorm(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype, name="norm")(x)


def mapped(module: Any, axes: int) -> Any:
    """The class of a module that maps over so many leading axes with the same parameters."""
    for _ in range(axes):
        module = nn.vmap(
            module,
            variable_axes={"params": None, "intermediates": 0},
            split_rngs={"params": False},
        )
    return module
