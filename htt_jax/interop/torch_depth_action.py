"""The depth systems' action network in PyTorch, with and without attention; see `torch_depth`."""

from collections.abc import Callable
from typing import Any, NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from htt_jax.models.depth import action_network

LSTMState: TypeAlias = tuple[Tensor, Tensor]


class ActionEstimate(NamedTuple):
    """Log-probabilities of each clip's action, and of it as it stands after each frame."""

    log_probabilities: Float[Tensor, "clips actions"]
    over_time: Float[Tensor, "clips frames actions"]


class ActionNetwork(nn.Module):
    """`models.depth.action_network.ActionNetwork` of the sizes of `ours`."""

    def __init__(self, ours: action_network.ActionNetwork) -> None:
        super().__init__()
        self.actions = ours.num_actions
        self.mask_padding = ours.mask_padding
        self.lstm = LSTM(3 * ours.joints, ours.width, batch_first=True)
        self.head = nn.Linear(ours.width, ours.num_actions)
        self.score = nn.Linear(3 * ours.joints + ours.width, 1) if ours.attention else None

    def forward(
        self,
        poses: Float[Tensor, "clips frames coordinates"],
        valid: Bool[Tensor, "clips frames"],
        attend: bool = True,
        ends_with_clip: bool = False,
    ) -> ActionEstimate:
        """Estimates the action of each clip; see ours."""
        hidden = self.lstm.of_clips(poses)
        logits = self.head(hidden)
        last = (valid.sum(1) - 1).clamp(min=0)
        if self.score is None or not attend:
            return standing(logits.log_softmax(-1), last)
        scores = self.score(torch.cat([poses, hidden], -1)).relu()[..., 0]
        if ends_with_clip:
            scores = torch.where(valid, scores, 0.0)
            logits = torch.where(valid[..., None], logits, 0.0)
        if not self.mask_padding:
            last = torch.full_like(last, valid.shape[1] - 1)
        places = torch.arange(valid.shape[1], device=valid.device)
        seen = places <= places[:, None]
        shares = torch.where(seen, scores[:, None], -torch.inf).softmax(-1)
        return standing((shares @ logits).log_softmax(-1), last)


class LSTM(nn.LSTM):
    """PyTorch's, of one layer, which can also be taken step by step."""

    def zeros(self, like: Tensor) -> LSTMState:
        """The state before the first step, for as many clips as `like` has rows."""
        zeros = like.new_zeros(like.shape[0], self.hidden_size)
        return zeros, zeros.clone()

    def of_clips(
        self, x: Float[Tensor, "clips steps inputs"]
    ) -> Float[Tensor, "clips steps width"]:
        """The hidden state after each step."""
        if not torch.compiler.is_exporting():
            return self(x)[0]

        def step(state: LSTMState, x: Tensor) -> tuple[LSTMState, Tensor]:
            state = self.step(state, x)
            return state, state[0].clone()

        return in_turn(step, self.zeros(x), x.transpose(0, 1)).transpose(0, 1)

    def step(self, state: LSTMState, x: Float[Tensor, "clips inputs"]) -> LSTMState:
        """The state after one more step."""
        return torch.lstm_cell(x, state, *self.all_weights[0])


def in_turn(step: Callable[[Any, Tensor], tuple[Any, Any]], state: Any, inputs: Tensor) -> Any:
    """What `step` of (state, input) returns beside the next state, for each input, stacked.

    Of what is exported it becomes one operation, whatever the number of inputs.
    """
    if torch.compiler.is_exporting():
        from torch._higher_order_ops.scan import scan  # a prototype, but what is written is checked

        return scan(step, state, inputs)[1]
    found = []
    for one in inputs:
        state, out = step(state, one)
        found.append(out)
    if isinstance(found[0], Tensor):
        return torch.stack(found)
    return tuple(map(torch.stack, zip(*found, strict=True)))


def standing(
    log_probabilities: Float[Tensor, "clips frames actions"], last: Int[Tensor, " clips"]
) -> ActionEstimate:
    """At the last frame and at each; after the last it stands still."""
    places = torch.arange(log_probabilities.shape[1], device=last.device).minimum(last[:, None])
    index = places[..., None].expand(-1, -1, log_probabilities.shape[-1])
    over_time = log_probabilities.gather(1, index)
    return ActionEstimate(over_time[:, -1], over_time)
