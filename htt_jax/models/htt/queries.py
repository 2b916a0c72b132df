"""Joints and objects in space: queries that look at the backbone's maps and at each other.

There is one for each joint and one for the object. What they find enters HTT through gates that
are closed at first, so that a model which begins to have them computes what it did before.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.htt.cells import AT_FIRST_PIXEL, Cells, FirstCells
from htt_jax.models.htt.heads import output_layer
from htt_jax.models.linear import linear
from htt_jax.models.parameters import Dense, LayerNorm
from htt_jax.models.transformer import LAYER_NORM_EPSILON, EncoderLayer, mapped

SPATIAL = ("pool", "queries")
"""How HTT takes in a frame: its mean alone, or what queries find in it too."""


class Gate(nn.Module):
    """Lets nothing pass at first: a factor of each feature, zero until it is trained."""

    @nn.compact
    def __call__(self, x: Float[Array, "*batch features"]) -> Float[Array, "*batch features"]:
        """Returns what passes, of the same type."""
        factor = self.param("factor", nn.initializers.zeros, x.shape[-1:])
        return x * factor.astype(x.dtype)


class CrossAttention(nn.Module):
    """Multi-head attention from tokens to cells whose keys and values are there already."""

    heads: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "frames tokens features"],
        key: Float[Array, "frames cells features"],
        value: Float[Array, "frames cells features"],
    ) -> Float[Array, "frames tokens features"]:
        """Returns what each token gathers from the cells.

        Applied with `mutable=["intermediates"]`, it also leaves `weights` (frames, tokens, cells):
        how much of each cell goes into each token, the mean over the heads.
        """
        frames, _, width = x.shape
        init = nn.initializers.xavier_uniform()
        query = Dense(width, dtype=self.dtype, kernel_init=init, name="query")(x)

        def split(x: jax.Array) -> jax.Array:
            return x.reshape(frames, x.shape[1], self.heads, width // self.heads)

        query, key, value = split(query), split(key), split(value)
        if self.is_mutable_collection("intermediates"):
            logits = jnp.einsum("fqhc,fkhc->fhqk", query, key, preferred_element_type=jnp.float32)
            weights = jax.nn.softmax(logits / np.sqrt(query.shape[-1])).mean(axis=1)
            self.sow("intermediates", "weights", weights)
        out = jax.nn.dot_product_attention(query, key, value).reshape(x.shape)
        return Dense(width, dtype=self.dtype, kernel_init=init, name="output")(out)


class QueryLayer(nn.Module):
    """LN, attention to the cells, add; then an encoder layer over the tokens of a frame."""

    heads: int
    mlp_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        x: Float[Array, "frames tokens features"],
        queries: Float[Array, "frames tokens features"],
        key: Float[Array, "frames cells features"],
        value: Float[Array, "frames cells features"],
    ) -> Float[Array, "frames tokens features"]:
        """Returns the tokens after one layer; `queries` tell them apart among each other."""
        y = LayerNorm(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype, name="norm")(x)
        x = x + CrossAttention(self.heads, self.dtype, name="cross")(y, key, value)
        layer = mapped(EncoderLayer, 1)(self.heads, self.mlp_width, self.dtype, name="among")
        return layer(x, queries, jnp.ones(x.shape[:2], bool))


class Corrections(nn.Module):
    """Raw coordinates of each joint, of its own token and the pose block's: none at first."""

    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        joint_tokens: Float[Array, "*frames joints features"],
        pose_tokens: Float[Array, "*frames features"],
    ) -> Float[Array, "*frames joints 3"]:
        """Returns what is to be added, float32."""
        width = pose_tokens.shape[-1]
        x = linear(width, width, dtype=self.dtype, name="joint")(joint_tokens)
        of_frame = linear(width, width, use_bias=False, dtype=self.dtype, name="frame")(pose_tokens)
        x = nn.leaky_relu(x + of_frame[..., None, :], 0.01)
        # The same for all joints: which one it is, its token knows.
        return output_layer(width, 3, use_bias=False, name="output")(Gate(name="gate")(x))


class Queries(nn.Module):
    """Tokens of joints and object, and how they enter HTT.

    Attributes:
        num_joints: of all hands.
        layers: in which they look at the maps and at each other.
        width: of each token.
        heads: of each attention.
        mlp_width: hidden units of each feed-forward part.
        dtype: of the computation; parameters are float32.
    """

    num_joints: int
    layers: int
    width: int
    heads: int
    mlp_width: int
    dtype: DTypeLike

    def setup(self) -> None:
        """Names every part as its parameters are named."""
        normal = nn.initializers.normal(1.0)
        self.joints = nn.Embed(self.num_joints, self.width, embedding_init=normal)
        self.object = nn.Embed(1, self.width, embedding_init=normal)
        self.cells = Cells(self.width, self.dtype)
        block = (self.heads, self.mlp_width, self.dtype)
        self.layer = [QueryLayer(*block) for _ in range(self.layers)]
        self.norm = LayerNorm(epsilon=LAYER_NORM_EPSILON, dtype=self.dtype)
        self.corrections = Corrections(self.dtype)
        self.to_frame = linear(self.width, self.width, dtype=self.dtype)
        self.frame_gate = Gate()
        self.to_object = linear(self.width, self.width, dtype=self.dtype)
        self.object_gate = Gate()

    def __call__(
        self,
        maps: tuple[Float[Array, "frames ..."], ...],
        size: tuple[int, int],
        first: FirstCells = AT_FIRST_PIXEL,
    ) -> Float[Array, "frames tokens features"]:
        """Tokens of the joints and, the last one, of the object; see `Cells` for what it takes."""
        frames = maps[0].shape[0]
        every = [self.joints(jnp.arange(self.num_joints)), self.object(jnp.arange(1))]
        queries = jnp.concatenate(every).astype(self.dtype)
        queries = jnp.broadcast_to(queries, (frames, *queries.shape))
        key, value = self.cells(maps, size, first)
        x = queries
        for layer in self.layer:
            x = layer(x, queries, key, value)
        return self.norm(x)

    def of_frame(
        self, tokens: Float[Array, "frames tokens features"]
    ) -> Float[Array, "frames features"]:
        """What is added to a frame's features: its tokens pooled."""
        return self.frame_gate(self.to_frame(tokens.mean(axis=1)))

    def of_object(
        self, object_tokens: Float[Array, "*frames features"]
    ) -> Float[Array, "*frames features"]:
        """What is added to a frame's token for the classification of its object."""
        return self.object_gate(self.to_object(object_tokens))
