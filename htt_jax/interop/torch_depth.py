"""The depth systems in PyTorch: parts are named as ours are, results are the same.

Needs torch; import this module only where it is wanted. Clips are computed whole, padding too.
Batch norms and dropout follow `train()` and `eval()`; joint stages are trained under `eval()`.
"""

import math
from typing import NamedTuple, TypeAlias

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from htt_jax.interop.torch_depth_action import ActionNetwork, LSTMState, in_turn, standing
from htt_jax.interop.torch_depth_pose import PoseNetwork
from htt_jax.models.depth import action_network, chain, ensemble, feedback, pose_network
from htt_jax.systems.depth.networks import Networks

Crops: TypeAlias = Float[Tensor, "clips frames height width hands"]
Joints: TypeAlias = Float[Tensor, "clips frames joints 3"]
FeedbackState: TypeAlias = tuple[LSTMState, Float[Tensor, "clips actions"]]
Valid: TypeAlias = Bool[Tensor, "clips frames"]


class Estimate(NamedTuple):
    """What is said of each clip; joints in units of 100 mm, of padding zeros."""

    joints: Joints
    log_probabilities: Float[Tensor, "clips actions"]
    over_time: Float[Tensor, "clips frames actions"]


def make(ours: Networks, size: int, told_equal: bool = False) -> nn.Module:
    """The networks of a form, random, called with crops (of the form 'action' poses) and `valid`.

    Args:
        ours: of the form.
        size: of the crops, pixels.
        told_equal: the pose network is told equal probabilities, not what the other one says.
    """
    match ours.network:
        case chain.Chain() as network:
            return Chain(network, size)
        case feedback.Feedback() as network:
            return Feedback(network, size, told_equal)
        case ensemble.Ensemble() as network:
            return Ensemble(network, size, told_equal)
        case action_network.ActionNetwork() as network:
            return ActionAlone(network)
    return PoseAlone(ours, size)


class PoseAlone(nn.Module):
    """The form 'pose'; a network that is told the action is told that all are as probable."""

    def __init__(self, ours: Networks, size: int) -> None:
        super().__init__()
        assert isinstance(ours.network, pose_network.PoseNetwork)
        self.actions, self.is_told = ours.actions, ours.network.num_actions is not None
        assert ours.part
        self.part = ours.part
        self.add_module(self.part, PoseNetwork(ours.network, size))

    def forward(self, crops: Crops, valid: Valid) -> Estimate:
        """Of packed or padded crops; nothing is said of actions."""
        equal = crops.new_full((*valid.shape, self.actions), -math.log(self.actions))
        action = equal.flatten(0, 1).exp() if self.is_told else None
        found = self.get_submodule(self.part)(crops.flatten(0, 1), action)
        return Estimate(found.joints.unflatten(0, valid.shape), equal[:, 0], equal)


class ActionAlone(nn.Module):
    """The form 'action', on true poses."""

    def __init__(self, ours: action_network.ActionNetwork) -> None:
        super().__init__()
        self.action = ActionNetwork(ours)

    def forward(self, joints: Joints, valid: Valid) -> Estimate:
        """Of poses in units of 100 mm, of padding zeros."""
        return Estimate(joints, *self.action(joints.flatten(2), valid))


class Chain(nn.Module):
    """`models.depth.chain.Chain`."""

    def __init__(self, ours: chain.Chain, size: int) -> None:
        super().__init__()
        self.pose = PoseNetwork(ours.pose, size)
        self.action = ActionNetwork(ours.action)

    def forward(self, crops: Crops, valid: Valid) -> Estimate:
        """Of all frames at once."""
        joints = _joints_of_clips(self.pose, crops, valid, None)
        return Estimate(joints, *self.action(joints.flatten(2), valid, ends_with_clip=True))


class Feedback(nn.Module):
    """`models.depth.feedback.Feedback`; the pose network is told equal probabilities or never."""

    def __init__(self, ours: feedback.Feedback, size: int, told_equal: bool = False) -> None:
        super().__init__()
        self.pose_film = PoseNetwork(ours.pose_film, size)
        self.action = ActionNetwork(ours.action)
        self.told_equal = told_equal

    def forward(self, crops: Crops, valid: Valid) -> Estimate:
        """Frame after frame."""
        state = self.initial_state(crops[:, 0])
        joints, over_time = in_turn(self.step, state, crops.transpose(0, 1))
        last = (valid.sum(1) - 1).clamp(min=0)
        action = standing(over_time.transpose(0, 1), last)
        joints = torch.where(valid[..., None, None], joints.transpose(0, 1), 0.0)
        return Estimate(joints, *action)

    def initial_state(self, like: Tensor) -> FeedbackState:
        """Before the first frame, for as many clips as `like` has rows; see `step`."""
        actions = self.action.actions
        equal = like.new_full((like.shape[0], actions), -math.log(actions))
        return self.action.lstm.zeros(like), equal

    def step(
        self, state: FeedbackState, crops: Float[Tensor, "clips height width hands"]
    ) -> tuple[FeedbackState, tuple[Tensor, Tensor]]:
        """The state after one more frame of each clip; its joints and log-probabilities.

        The state is the LSTM's and the action's log-probabilities.
        """
        lstm, log_probabilities = state
        told = log_probabilities.exp()
        if self.told_equal:
            told = torch.full_like(told, 1 / self.action.actions)
        joints = self.pose_film(crops, told).joints
        lstm = self.action.lstm.step(lstm, joints.flatten(1))
        log_probabilities = self.action.head(lstm[0]).log_softmax(-1)
        # What is carried on must be another tensor than what is kept, for `in_turn`.
        return (lstm, log_probabilities), (joints.clone(), log_probabilities.clone())


class Ensemble(nn.Module):
    """`models.depth.ensemble.Ensemble`; the second network is told equal probabilities or never."""

    def __init__(self, ours: ensemble.Ensemble, size: int, told_equal: bool = False) -> None:
        super().__init__()
        self.pose = PoseNetwork(ours.pose, size)
        self.pose_film = PoseNetwork(ours.pose_film, size)
        self.action = ActionNetwork(ours.action)
        self.is_told = ours.pose_film.num_actions is not None
        self.shares = ours.pose_share, ours.action_share
        self.told_equal = told_equal

    def forward(self, crops: Crops, valid: Valid) -> Estimate:
        """Of all frames at once."""
        with torch.no_grad():
            first = _joints_of_clips(self.pose, crops, valid, None)
        first_action = self.action(first.flatten(2), valid, ends_with_clip=True)
        told = None
        if self.is_told:
            told = first_action.log_probabilities.exp()
            told = torch.full_like(told, 1 / self.action.actions) if self.told_equal else told
        second = _joints_of_clips(self.pose_film, crops, valid, told)
        second_action = self.action(second.flatten(2), valid, attend=False)

        def mean(first: Tensor, second: Tensor, share: float) -> Tensor:
            return (1 - share) * first + share * second

        of_poses, of_action = self.shares
        actions = zip(first_action, second_action, strict=True)
        return Estimate(
            mean(first, second, of_poses), *(mean(*both, of_action) for both in actions)
        )


def _joints_of_clips(
    network: PoseNetwork, crops: Crops, valid: Valid, told: Float[Tensor, "clips actions"] | None
) -> Joints:
    """Of all frames at once, those of padding zeros; each clip's frames are told its action."""
    if told is not None:
        told = told[:, None].expand(-1, crops.shape[1], -1).flatten(0, 1)
    joints = network(crops.flatten(0, 1), told).joints.unflatten(0, crops.shape[:2])
    return torch.where(valid[..., None, None], joints, 0.0)
