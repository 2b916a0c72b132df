"""What HTT reads off its tokens, poses and objects; the last layer of everything it tells."""

import functools
from collections.abc import Mapping, Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax import camera
from htt_jax.models.linear import linear

DEPTH_OFFSET = 0.4  # metres; where a raw depth of zero lies

# For poses and logits: bfloat16 would round them to whole pixels, and so would, nearly, the short
# products that GPUs and TPUs make of float32 by default.
output_layer = functools.partial(linear, dtype=jnp.float32, precision=jax.lax.Precision.HIGHEST)


class PoseHead(nn.Module):
    """Token to raw (x, y, z) of every joint (Eq. 1, MLP_1)."""

    num_joints: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: Float[Array, "*batch features"]) -> Float[Array, "*batch joints 3"]:
        """Returns raw coordinates in float32."""
        width = tokens.shape[-1]
        x = nn.leaky_relu(linear(width, width, dtype=self.dtype, name="linear1")(tokens), 0.01)
        x = nn.leaky_relu(linear(width, width, dtype=self.dtype, name="linear2")(x), 0.01)
        x = output_layer(width, 3 * self.num_joints, name="output")(x)
        return x.reshape(*x.shape[:-1], self.num_joints, 3)


def decode_pose(
    raw: Float[Array, "*frames joints 3"],
    intrinsics: Float[Array, "*frames 3 3"],
    image_size: tuple[int, ...],
    pixel_scale: float,
    depth_scale: float,
) -> dict[str, jax.Array]:
    """Pixels, depth and camera-space joints from raw coordinates (published code)."""
    height, width = image_size
    joints_2d = pixel_scale * raw[..., :2] + jnp.array([width / 2, height / 2])
    focal = intrinsics[..., None, 0, 0]
    depth = DEPTH_OFFSET + depth_scale * focal * raw[..., 2]
    joints_3d = camera.unproject(joints_2d, depth, intrinsics)
    return {"joints_2d": joints_2d, "depth": depth, "joints_3d": joints_3d}


class ObjectHead(nn.Module):
    """Token to object logits (Eq. 3, MLP_2; nothing stands between its two layers)."""

    num_objects: int
    dtype: DTypeLike

    @nn.compact
    def __call__(self, tokens: Float[Array, "*batch features"]) -> Float[Array, "*batch objects"]:
        """Returns logits in float32."""
        width = tokens.shape[-1]
        x = linear(width, width, dtype=self.dtype, name="linear1")(tokens)
        return output_layer(width, self.num_objects, name="output")(x)


def action_score(
    logits: Mapping[str, Float[Array, "*batch _"]], verbs: Sequence[int], nouns: Sequence[int]
) -> Float[Array, "*batch actions"]:
    """Logits of p(action) p(verb) p(noun), which softmax renormalises over the actions.

    Args:
        logits: of the heads, `action_logits`, `verb_logits` and `noun_logits`.
        verbs: the verb of each action.
        nouns: the noun of each action.
    """
    action, verb, noun = (
        jax.nn.log_softmax(logits[f"{kind}_logits"]) for kind in ("action", "verb", "noun")
    )
    return action + verb[..., jnp.array(verbs)] + noun[..., jnp.array(nouns)]
