"""The action of a sequence of poses: an LSTM, with or without attention over time."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int

from htt_jax.models.depth.lstm import LSTM, LSTMState
from htt_jax.models.linear import linear


class ActionEstimate(NamedTuple):
    """What is said of each clip; logarithms of probabilities."""

    log_probabilities: Float[Array, "clips actions"]  # of the whole clip
    over_time: Float[Array, "clips frames actions"]  # after each frame, those to come unseen
    attention: Float[Array, "clips frames"] | None  # the share of each frame in the former


class Attended(NamedTuple):
    """A softmax over the frames so far, as sums that the next frame can join."""

    peak: Float[Array, " clips"]  # the largest score, or zero
    total: Float[Array, " clips"]  # of exp(score - peak)
    logits: Float[Array, "clips actions"]  # each times its exp(score - peak), summed


class ActionState(NamedTuple):
    """What is known after a frame."""

    lstm: LSTMState
    attended: Attended | None


class ActionNetwork(nn.Module):
    """Poses to actions; the defaults are the published network for FPHA.

    Everything is computed in float32: it is small, and what it says goes back into poses.

    Attributes:
        num_actions: classes.
        joints: 21 a hand.
        width: hidden units of the LSTM.
        attention: whether every frame has a say in the clip's action, instead of the last alone.
        mask_padding: keep padding out of the attention; False lets it in, as the published code
            does, so that an action depends on how long the other clips of the batch are.
    """

    num_actions: int = 45
    joints: int = 21
    width: int = 100
    attention: bool = False
    mask_padding: bool = True

    def setup(self) -> None:
        """Names every part as its parameters are named."""
        precise = {"precision": jax.lax.Precision.HIGHEST}
        self.lstm = LSTM(3 * self.joints, self.width)
        self.head = linear(self.width, self.num_actions, **precise)
        if self.attention:
            self.score = linear(3 * self.joints + self.width, 1, **precise)

    def __call__(
        self,
        poses: Float[Array, "clips frames coordinates"],
        valid: Bool[Array, "clips frames"],
        *,
        attend: bool = True,
        ends_with_clip: bool = False,
    ) -> ActionEstimate:
        """Estimates the action of each clip.

        Args:
            poses: in units of 100 mm, joint after joint; of padding, zeros.
            valid: whether a frame is real; real ones come first.
            attend: False leaves the attention out, if there is any.
            ends_with_clip: without `mask_padding`, padding enters the attention with a score and
                logits of zero; otherwise as what it is, a still pose of zeros.
        """
        hidden = self.lstm(poses)
        logits = self.head(hidden)
        last = jnp.maximum(valid.sum(axis=1) - 1, 0)
        if not (self.attention and attend):
            log_probabilities, over_time = _standing(logits, last)
            return ActionEstimate(log_probabilities, over_time, None)
        scores = self._scores(poses, hidden)
        if ends_with_clip:
            scores, logits = (jnp.where(valid, scores, 0), jnp.where(valid[..., None], logits, 0))
        if not self.mask_padding:
            last = jnp.full_like(last, valid.shape[1] - 1)
        shares = _shares_over_time(scores)
        logits = jnp.einsum("cts,csa->cta", shares, logits, precision=jax.lax.Precision.HIGHEST)
        log_probabilities, over_time = _standing(logits, last)
        attention = jnp.take_along_axis(shares, last[:, None, None], axis=1)[:, 0]
        return ActionEstimate(log_probabilities, over_time, attention)

    def initial_state(self, clips: int) -> ActionState:
        """Before the first frame."""
        attended = None
        if self.attention:
            zeros = jnp.zeros(clips)
            attended = Attended(zeros, zeros, jnp.zeros((clips, self.num_actions)))
        return ActionState(LSTMState.zeros(clips, self.width), attended)

    def step(
        self, state: ActionState, poses: Float[Array, "clips coordinates"]
    ) -> tuple[ActionState, Float[Array, "clips actions"]]:
        """Takes one more frame; the logarithms of the probabilities after it.

        Over a clip they are `over_time` of `__call__`.
        """
        lstm = self.lstm.step(state.lstm, poses)
        logits = self.head(lstm.hidden)
        attended = state.attended
        if attended is not None:
            attended = _joined(attended, self._scores(poses, lstm.hidden), logits)
            logits = attended.logits / attended.total[:, None]
        return ActionState(lstm, attended), jax.nn.log_softmax(logits)

    def _scores(
        self, poses: Float[Array, "*places coordinates"], hidden: Float[Array, "*places width"]
    ) -> Float[Array, "*places"]:
        """How much each frame asks to be attended to; never negative."""
        return nn.relu(self.score(jnp.concatenate([poses, hidden], axis=-1)))[..., 0]


def _standing(
    logits: Float[Array, "clips frames actions"], last: Int[Array, " clips"]
) -> tuple[Float[Array, "clips actions"], Float[Array, "clips frames actions"]]:
    """Log-probabilities at the last frame and at each; after the last it stands still."""
    places = jnp.minimum(jnp.arange(logits.shape[1]), last[:, None])
    over_time = jnp.take_along_axis(jax.nn.log_softmax(logits), places[..., None], axis=1)
    return over_time[:, -1], over_time


def _shares_over_time(scores: Float[Array, "clips frames"]) -> Float[Array, "clips frames frames"]:
    """Softmax over the frames (columns) seen until each frame (rows)."""
    seen = jnp.tri(scores.shape[1], dtype=bool)
    return jax.nn.softmax(jnp.where(seen, scores[:, None], -jnp.inf))


def _joined(
    attended: Attended, scores: Float[Array, " clips"], logits: Float[Array, "clips actions"]
) -> Attended:
    peak = jnp.maximum(attended.peak, scores)
    kept, new = jnp.exp(attended.peak - peak), jnp.exp(scores - peak)
    return Attended(
        peak,
        kept * attended.total + new,
        kept[:, None] * attended.logits + new[:, None] * logits,
    )
