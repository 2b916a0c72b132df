"""Looking at frames with little memory: activations are computed again for the gradient."""

from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

FRAMES_AT_ONCE = 64
"""Whose activations are kept at a time."""


def rematerialised(
    look: Callable[[Any, jax.Array], Any],
    module: nn.Module,
    image: Float[Array, "slots height width channels"],
) -> Any:
    """`look(module, image)`, a few frames at a time; what led to it is not kept.

    Args:
        look: a method of the module, or a function; gives arrays of (slots, ..).
        module: whose variables it needs.
        image: of the frames.
    """

    def part(module: nn.Module, _: None, image: jax.Array) -> tuple[None, Any]:
        return None, look(module, image)

    parts = -(-len(image) // FRAMES_AT_ONCE)
    frames = -(-len(image) // parts)
    filler = ((0, frames * parts - len(image)), (0, 0), (0, 0), (0, 0))
    # Parts lie across the frames, not one after the other: so each has some of every device.
    crosswise = jnp.pad(image, filler).reshape(frames, parts, *image.shape[1:])
    constant = ("params", "batch_stats")
    in_turn = nn.scan(nn.remat(part), variable_broadcast=constant, in_axes=1, out_axes=1)
    _, found = in_turn(module, None, crosswise)
    return jax.tree.map(
        lambda x: x.reshape(frames * parts, *x.shape[2:])[: len(image)],
        found,
    )
