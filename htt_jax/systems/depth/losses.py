"""The training losses of the depth systems, and by what their epochs were chosen.

Poses are in units of 100 mm, relative to the crop's centre.
"""

import dataclasses

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


@dataclasses.dataclass(frozen=True)
class DepthLossWeights:
    """Factors of both terms; the defaults are the published ones."""

    joints: float = 0.998  # per (100 mm)^2
    action: float = 0.002


def joint_loss(
    joints: Float[Array, "clips frames joints 3"],
    log_probabilities: Float[Array, "clips actions"],
    target: Float[Array, "clips frames joints 3"],
    counted: Bool[Array, "clips frames"],
    action: Int[Array, " clips"],
    weights: DepthLossWeights,
) -> tuple[Float[Array, ""], dict[str, Float[Array, ""]]]:
    """The weighted sum of both terms, and the terms before weighting.

    Args:
        joints: estimated.
        log_probabilities: estimated.
        target: the true joints.
        counted: the frames whose joints are real; every one weighs the same.
        action: the true class; where it is negative it is unknown and left out.
        weights: one for each term.
    """
    terms = {
        "joints": mean_squared(
            joints.reshape(*counted.shape, -1), target.reshape(*counted.shape, -1), counted
        ),
        "action": negative_log_likelihood(log_probabilities, action),
    }
    return weights.joints * terms["joints"] + weights.action * terms["action"], terms


def mean_squared(
    found: Float[Array, "*places numbers"],
    target: Float[Array, "*places numbers"],
    counted: Bool[Array, "*places"],
) -> Float[Array, ""]:
    """Mean square of all numbers of the `counted` frames; zero where there are none.

    Of codes against those of the true poses it is the loss of a pose network alone.
    """
    # Before it is squared, or what is no number would make the gradient none.
    off = jnp.where(counted[..., None], found - target, 0)
    return jnp.square(off).mean(axis=-1).sum() / jnp.maximum(counted.sum(), 1)


def negative_log_likelihood(
    log_probabilities: Float[Array, "clips actions"], action: Int[Array, " clips"]
) -> Float[Array, ""]:
    """Mean over the clips of known action (not negative); zero where there are none."""
    known = action >= 0
    of_true = jnp.take_along_axis(log_probabilities, jnp.maximum(action, 0)[:, None], axis=1)
    return -jnp.where(known, of_true[:, 0], 0).sum() / jnp.maximum(known.sum(), 1)


def selection(mean_square: float, likelihood: float) -> float:
    """By which the published joint systems' epochs were chosen, from both terms; less is better."""
    return (100 * mean_square + likelihood) / 2
