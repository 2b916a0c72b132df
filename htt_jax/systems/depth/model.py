"""The whole program of a depth system, from crops in millimetres to joints in metres."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Shaped

from htt_jax.models.outputs import OF_NAME, Output
from htt_jax.systems.depth import poses
from htt_jax.systems.depth.networks import Clips, Found, Networks

_JOINTS, _ACTION = OF_NAME["joints_3d"], OF_NAME["action_logits"]
_OVER_TIME = Output(
    "action_over_time",
    ("clips", "frames", "actions"),
    None,
    "the action's as they stand after each frame; softmax makes probabilities of them",
)


def outputs_of(form: str) -> tuple[Output, ...]:
    """What is said by the networks of a form."""
    if form == "pose":
        return (_JOINTS,)
    return (_ACTION, _OVER_TIME) if form == "action" else (_JOINTS, _ACTION, _OVER_TIME)


@dataclasses.dataclass(frozen=True)
class DepthModel:
    """The networks, with what stands before and after them.

    Attributes:
        networks: of the form.
        protocol: of the crops.
        mirrored: each hand.
        told_equal: a pose network is told that all actions are as probable, instead of what the
            action network says.
    """

    networks: Networks
    protocol: str
    mirrored: tuple[bool, ...]
    told_equal: bool = False

    def apply(
        self,
        variables: Mapping[str, Any],
        seen: Shaped[Array, "clips frames height width hands"]
        | Float[Array, "clips frames joints 3"],
        valid: Bool[Array, "clips frames"],
        centre: Float[Array, "clips frames hands 3"],
    ) -> dict[str, jax.Array]:
        """The outputs for whole clips.

        Args:
            variables: of the networks.
            seen: crops, millimetres, 0 where nothing is, mirrored where the hand is; of the form
                'action' joints, metres, camera space.
            valid: whether a frame is real; real ones come first.
            centre: of the hands, metres, camera space; zeros where there is none.
        """
        slots = valid.shape[0] * valid.shape[1]
        slot = jnp.arange(slots).reshape(valid.shape)
        if self.networks.form == "action":
            joints = jnp.where(valid[..., None, None], self.relative(seen, centre), 0)
            clips = Clips(jnp.zeros((slots, 0, 0, 1)), slot, valid, joints)
        else:
            crops = seen.reshape(slots, *seen.shape[2:])
            clips = Clips(self.normalised(crops, centre.reshape(slots, -1, 3)), slot, valid)
        replaced = self.networks.nothing_replaced(valid.shape[1])
        found = self.networks.apply(variables, clips, replaced ^ self.told_equal)
        out = self.told(found, centre)
        return {output.name: out[output.name] for output in outputs_of(self.networks.form)}

    def normalised(
        self,
        crops: Shaped[Array, "slots height width hands"],
        centre: Float[Array, "slots hands 3"],
    ) -> Float[Array, "slots height width hands"]:
        """Crops in millimetres as the networks see them."""
        by_hand = [
            poses.normalised(
                crops[..., hand].astype(jnp.float32), centre[:, hand, 2], self.protocol
            )
            for hand in range(len(self.mirrored))
        ]
        return jnp.stack(by_hand, axis=-1)

    def relative(
        self,
        joints: Float[Array, "clips frames joints 3"],
        centre: Float[Array, "clips frames hands 3"],
    ) -> Float[Array, "clips frames joints 3"]:
        """Joints in metres, camera space, as the networks say them."""
        by_hand = joints.reshape(*centre.shape[:3], -1, 3)
        return (poses.relative(by_hand, centre) * self.signs).reshape(joints.shape)

    def told(
        self, found: Found, centre: Float[Array, "clips frames hands 3"]
    ) -> dict[str, jax.Array]:
        """What the networks say, by the names of outputs."""
        by_hand = found.joints.reshape(*centre.shape[:3], -1, 3) * self.signs
        joints = poses.absolute(by_hand, centre).reshape(found.joints.shape)
        return {
            "joints_3d": joints,
            "action_logits": found.log_probabilities,
            "action_over_time": found.over_time,
        }

    @property
    def signs(self) -> Float[np.ndarray, "hands 1 3"]:
        """Of the coordinates, which the networks see mirrored where the hand is."""
        return np.array([[[-1 if mirrored else 1, 1, 1]] for mirrored in self.mirrored], np.float32)
