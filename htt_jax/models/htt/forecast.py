"""What comes next: poses of the frames after a window, and their action.

Tokens of the frames to come, at the positions after the window's, look at the window's tokens and
at each other. Each begins as what the action block makes of all that was seen so far.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Bool, Float

from htt_jax.models.htt.heads import output_layer
from htt_jax.models.linear import linear
from htt_jax.models.parameters import Dense
from htt_jax.models.transformer import Encoder

LAYERS = 2
"""As many as each of the other blocks has in the paper."""


class Forecaster(nn.Module):
    """From the end of a window to the frames after it.

    Attributes:
        steps: K, frames ahead.
        num_joints: of all hands.
        num_actions: classes.
        heads: of each attention.
        mlp_width: hidden units of each feed-forward part.
        dtype: of the computation; parameters, poses and logits are float32.
    """

    steps: int
    num_joints: int
    num_actions: int
    heads: int
    mlp_width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        tokens: Float[Array, "frames features"],
        raw_pose: Float[Array, "frames joints 3"],
        valid: Bool[Array, " frames"],
        decided: Float[Array, " features"],
    ) -> tuple[Float[Array, "steps joints 3"], Float[Array, " actions"]]:
        """Raw poses of the next frames, each for its own frame, and logits of their action.

        Args:
            tokens: of the pose block.
            raw_pose: see `PoseHead`.
            valid: whether a frame is real; the real ones come first.
            decided: what the action's token has become by the window's end.
        """
        width = tokens.shape[-1]
        token = self.param("future_token", nn.initializers.normal(1.0), (width,))
        future = token + linear(width, width, dtype=self.dtype, name="seen_to_future")(decided)
        future = jnp.broadcast_to(future.astype(tokens.dtype), (self.steps, width))
        first = jnp.arange(len(valid)) == 0  # a window of padding alone would have nothing to see
        encoded = Encoder(LAYERS, self.heads, self.mlp_width, self.dtype, name="encoder")(
            jnp.concatenate([tokens, future]),
            jnp.concatenate([valid | first, jnp.ones(self.steps, bool)]),
        )[len(tokens) :]
        change = Dense(
            3 * self.num_joints,
            kernel_init=nn.initializers.zeros,  # so that it begins by holding the last pose
            dtype=jnp.float32,
            precision=jax.lax.Precision.HIGHEST,
            name="pose_change",
        )(encoded)
        # The last pose is left to its own loss: else it would be drawn towards those to come.
        last = jax.lax.stop_gradient(raw_pose[jnp.maximum(valid.sum() - 1, 0)])
        logits = output_layer(width, self.num_actions, name="action")(encoded.mean(axis=0))
        return last + change.reshape(self.steps, self.num_joints, 3), logits
