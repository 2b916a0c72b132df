"""What the three ways of joining a pose and an action network share: packed crops in, this out."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int


class JointEstimate(NamedTuple):
    """What is said of each clip. Joints in units of 100 mm, relative to the crop's centre."""

    joints: Float[Array, "clips frames joints 3"]  # of padding, zeros
    log_probabilities: Float[Array, "clips actions"]  # of the whole clip
    action_over_time: Float[Array, "clips frames actions"]  # log-probabilities after each frame
    attention: Float[Array, "clips frames"] | None = None  # the share of each frame in the action


def unpack(
    of_slots: Float[Array, "slots joints 3"],
    slot: Int[Array, "clips frames"],
    valid: Bool[Array, "clips frames"],
) -> Float[Array, "clips frames joints 3"]:
    """Each frame's own of what was computed for packed crops; zeros for padding."""
    return jnp.where(valid[..., None, None], of_slots[slot], 0)


def clip_of_slots(
    slots: int, slot: Int[Array, "clips frames"], valid: Bool[Array, "clips frames"]
) -> Int[Array, " slots"]:
    """The clip whose frame lies in each slot; 0 where none does."""
    places = jnp.where(valid, slot, slots)  # padding points anywhere
    clips = jnp.broadcast_to(jnp.arange(slot.shape[0])[:, None], slot.shape)
    return jnp.zeros(slots, jnp.int32).at[places].set(clips, mode="drop")


def coordinates(
    joints: Float[Array, "*places joints 3"],
) -> Float[Array, "*places coordinates"]:
    """As the action network takes them: joint after joint."""
    return joints.reshape(*joints.shape[:-2], -1)


def told(
    log_probabilities: Float[Array, "clips actions"], replaced: Bool[Array, "#clips"]
) -> Float[Array, "clips actions"]:
    """The probabilities that a pose network is told: equal ones where they are `replaced`."""
    return jnp.where(replaced[:, None], equal(log_probabilities), jnp.exp(log_probabilities))


def equal(like: Float[Array, "clips actions"]) -> Float[Array, "clips actions"]:
    """Each action as probable as any other."""
    return jnp.full_like(like, 1 / like.shape[-1])
