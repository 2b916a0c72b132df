"""The backbone, its activations computed again for the gradient: less memory, more time."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from htt_jax.models.resnet import ResNet18

FRAMES_AT_ONCE = 64
"""Whose activations are kept when the backbone's are computed again for the gradient."""


def rematerialised(
    backbone: ResNet18, image: Float[Array, "slots height width channels"]
) -> Float[Array, "slots features"]:
    """The backbone's features, a few frames at a time; what led to them is not kept."""

    def part(backbone: ResNet18, _: None, image: jax.Array) -> tuple[None, jax.Array]:
        return None, backbone(image)

    parts = -(-len(image) // FRAMES_AT_ONCE)
    frames = -(-len(image) // parts)
    filler = ((0, frames * parts - len(image)), (0, 0), (0, 0), (0, 0))
    # Parts lie across the frames, not one after the other: so each has some of every device.
    crosswise = jnp.pad(image, filler).reshape(frames, parts, *image.shape[1:])
    constant = ("params", "batch_stats")
    in_turn = nn.scan(nn.remat(part), variable_broadcast=constant, in_axes=1, out_axes=1)
    _, features = in_turn(backbone, None, crosswise)
    return features.reshape(frames * parts, -1)[: len(image)]
