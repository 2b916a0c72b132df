"""Two pose networks, the second told the action that the first one's poses show: method 3."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.joint import JointEstimate, clip_of_slots, coordinates, told, unpack
from htt_jax.models.depth.pose_network import PoseNetwork


class Ensemble(nn.Module):
    """Poses and actions are means of those by the first and by the second pose network.

    Attributes:
        pose: told no action; nothing of it is trained.
        pose_film: told the action of each clip, with as many `num_actions` as `action`; or none,
            to see what the second network is worth without.
        action: of the same joints; on the poses of both. Its attention, if there is any, looks at
            the first ones.
        pose_share: of the second network in the poses (eta).
        action_share: of the second poses in the logarithms of the action's probabilities (zeta).
    """

    pose: PoseNetwork
    pose_film: PoseNetwork
    action: ActionNetwork
    pose_share: float = 0.5
    action_share: float = 0.5

    def __call__(
        self,
        crops: Float[Array, "slots height width hands"],
        slot: Int[Array, "clips frames"],
        valid: Bool[Array, "clips frames"],
        replaced: Bool[Array, ""] | Bool[Array, " clips"],
        *,
        batch_statistics: bool = False,
        dropout: bool = False,
    ) -> JointEstimate:
        """Estimates the poses and actions of packed clips, all frames at once.

        The mean of two logarithms of probabilities is not normalised again.

        Args:
            crops: the real frames of all clips, without the padding between them.
            slot: where in them each frame is; of padding, anywhere.
            valid: whether a frame is real; real ones come first.
            replaced: whether the second network is told equal probabilities instead, in all clips
                or in each.
            batch_statistics: of the second network, see `PoseNetwork`; unused slots count too.
            dropout: of the second network, see `PoseNetwork`.
        """
        first = unpack(jax.lax.stop_gradient(self.pose(crops)).joints, slot, valid)
        first_action = self.action(coordinates(first), valid, ends_with_clip=True)
        by_clip = told(first_action.log_probabilities, jnp.atleast_1d(replaced))
        told_frames = by_clip[clip_of_slots(crops.shape[0], slot, valid)]
        second = self.pose_film(
            crops,
            told_frames if self.pose_film.num_actions is not None else None,
            batch_statistics=batch_statistics,
            dropout=dropout,
        )
        joints = unpack(second.joints, slot, valid)
        second_action = self.action(coordinates(joints), valid, attend=False)

        def mean(first: jax.Array, second: jax.Array, share: float) -> jax.Array:
            return (1 - share) * first + share * second

        return JointEstimate(
            mean(first, joints, self.pose_share),
            mean(
                first_action.log_probabilities,
                second_action.log_probabilities,
                self.action_share,
            ),
            mean(first_action.over_time, second_action.over_time, self.action_share),
            first_action.attention,
        )
