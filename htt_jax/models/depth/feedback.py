"""The action of the frames so far goes into the next frame's pose: method 2."""

from typing import Any, NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from htt_jax.models.depth import joint
from htt_jax.models.depth.action_network import ActionNetwork, ActionState
from htt_jax.models.depth.deferred import Taps
from htt_jax.models.depth.joint import JointEstimate
from htt_jax.models.depth.pose_network import PoseNetwork


class FeedbackState(NamedTuple):
    """What is known after a frame."""

    action: ActionState
    log_probabilities: Float[Array, "clips actions"]


class Feedback(nn.Module):
    """A pose network that is told the action, and an action network that tells it.

    Attributes:
        pose_film: with as many `num_actions` as `action`.
        action: of the same joints.
    """

    pose_film: PoseNetwork
    action: ActionNetwork

    def __call__(
        self,
        crops: Float[Array, "slots height width hands"],
        slot: Int[Array, "clips frames"],
        valid: Bool[Array, "clips frames"],
        replaced: Bool[Array, "frames"] | Bool[Array, "clips frames"],
        *,
        batch_statistics: bool = False,
        dropout: bool = False,
    ) -> JointEstimate:
        """Estimates the poses and actions of packed clips, frame after frame.

        For the gradient a frame's activations are computed again, not kept.

        Args:
            crops: the real frames of all clips, without the padding between them.
            slot: where in them each frame is; of padding, anywhere.
            valid: whether a frame is real; real ones come first.
            replaced: where the pose network is told equal probabilities instead of those after
                the frame before, in all clips or in each. Before the first frame all are equal.
            batch_statistics: see `PoseNetwork`; of the frames at one time, padding too.
            dropout: see `PoseNetwork`.
        """
        clips, frames = valid.shape

        def one_time(
            self: Feedback, state: FeedbackState, inputs: tuple[jax.Array, jax.Array, Taps | None]
        ) -> tuple[FeedbackState, tuple[jax.Array, jax.Array]]:
            slot, replaced, taps = inputs
            options = {"batch_statistics": batch_statistics, "dropout": dropout, "taps": taps}
            state, joints = self._step(state, crops[slot], replaced, **options)
            return state, (joints, state.log_probabilities)

        in_turn = nn.scan(
            nn.remat(one_time, prevent_cse=False),  # which a loop does by itself
            variable_broadcast=("params",) if batch_statistics else ("params", "batch_stats"),
            variable_carry="batch_stats" if batch_statistics else False,
            split_rngs={"params": False, "dropout": True},
        )
        by_clip = jnp.broadcast_to(replaced, (clips, frames))
        taps = self.pose_film.taps(frames, clips * crops.shape[-1])
        inputs = slot.T, by_clip.T, taps
        _, (joints, over_time) = in_turn(self, self.initial_state(clips), inputs)
        joints, over_time = joints.swapaxes(0, 1), over_time.swapaxes(0, 1)
        last = jnp.maximum(valid.sum(axis=1) - 1, 0)
        places = jnp.minimum(jnp.arange(frames), last[:, None])
        over_time = jnp.take_along_axis(over_time, places[..., None], axis=1)
        joints = jnp.where(valid[..., None, None], joints, 0)
        return JointEstimate(joints, over_time[:, -1], over_time)

    def initial_state(self, clips: int) -> FeedbackState:
        """Before the first frame."""
        actions = self.action.num_actions
        equal = jnp.full((clips, actions), -jnp.log(actions))
        return FeedbackState(self.action.initial_state(clips), equal)

    def step(
        self,
        state: FeedbackState,
        crops: Float[Array, "clips height width hands"],
        replaced: Bool[Array, "#clips"],
    ) -> tuple[FeedbackState, Float[Array, "clips joints 3"]]:
        """Takes one more frame of each clip.

        Over a clip the results are those of `__call__`.

        Args:
            state: after the frames before; `initial_state` before the first.
            crops: of the frame.
            replaced: see `__call__`.

        Returns:
            The state after the frame, with the action's `log_probabilities`; the joints.
        """
        return self._step(state, crops, replaced)

    def _step(
        self,
        state: FeedbackState,
        crops: Float[Array, "clips height width hands"],
        replaced: Bool[Array, "#clips"],
        **options: Any,
    ) -> tuple[FeedbackState, Float[Array, "clips joints 3"]]:
        told = joint.told(state.log_probabilities, replaced)
        joints = self.pose_film(crops, told, **options).joints
        action, log_probabilities = self.action.step(state.action, joint.coordinates(joints))
        return FeedbackState(action, log_probabilities), joints
