"""Poses, then the action of them: the untrained system, and method 1 where both are trained."""

import flax.linen as nn
from jaxtyping import Array, Bool, Float, Int

from htt_jax.models.depth.action_network import ActionNetwork, ActionState
from htt_jax.models.depth.joint import JointEstimate, coordinates, unpack
from htt_jax.models.depth.pose_network import PoseNetwork


class Chain(nn.Module):
    """A pose network, and an action network on its poses.

    Attributes:
        pose: told no action.
        action: of the same joints.
    """

    pose: PoseNetwork
    action: ActionNetwork

    def __call__(
        self,
        crops: Float[Array, "slots height width hands"],
        slot: Int[Array, "clips frames"],
        valid: Bool[Array, "clips frames"],
        *,
        batch_statistics: bool = False,
        dropout: bool = False,
    ) -> JointEstimate:
        """Estimates the poses and actions of packed clips, all frames at once.

        Args:
            crops: the real frames of all clips, without the padding between them.
            slot: where in them each frame is; of padding, anywhere.
            valid: whether a frame is real; real ones come first.
            batch_statistics: see `PoseNetwork`; unused slots count too.
            dropout: see `PoseNetwork`.
        """
        found = self.pose(crops, batch_statistics=batch_statistics, dropout=dropout)
        joints = unpack(found.joints, slot, valid)
        action = self.action(coordinates(joints), valid, ends_with_clip=True)
        return JointEstimate(joints, *action)

    def initial_state(self, clips: int) -> ActionState:
        """Before the first frame."""
        return self.action.initial_state(clips)

    def step(
        self, state: ActionState, crops: Float[Array, "clips height width hands"]
    ) -> tuple[ActionState, Float[Array, "clips joints 3"], Float[Array, "clips actions"]]:
        """Takes one more frame of each clip.

        Over a clip the results are those of `__call__`.

        Returns:
            The state after the frame; the joints; the action's logarithms of probabilities.
        """
        joints = self.pose(crops).joints
        state, log_probabilities = self.action.step(state, coordinates(joints))
        return state, joints, log_probabilities
