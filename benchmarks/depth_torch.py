"""The depth systems' training and estimates in PyTorch, for benchmarks to compare with.

The networks are those of `htt_jax.interop.torch_depth`, the stages the published ones: a pose
network alone by the mean squared error of its codes, with batch statistics, dropout and Adam; joint
stages by poses and actions, with norms frozen, without dropout, with AMSGrad.
"""

from collections.abc import Mapping
from typing import TypeAlias

import numpy as np
import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from htt_jax.interop.torch_depth_program import DepthProgram
from htt_jax.systems.depth.losses import DepthLossWeights
from htt_jax.systems.depth.model import DepthModel
from htt_jax.systems.depth.stages import STAGES

Batch: TypeAlias = Mapping[str, Tensor]

_WEIGHTS = DepthLossWeights()
_WEIGHT_DECAY = 1e-5  # of joint stages


def batch_of(arrays: Mapping[str, np.ndarray]) -> dict[str, Tensor]:
    """A batch of full clips of our loader."""
    places = arrays["valid"].shape
    crops = arrays["image"].astype(np.float32)
    return {
        "seen": torch.tensor(crops.reshape(*places, *crops.shape[1:])),
        **{name: torch.tensor(arrays[name]) for name in ("valid", "centre", "joints_3d")},
        "action": torch.tensor(arrays["action"]).long(),
    }


class TrainStep:
    """One step of a stage on a batch; the pose network is told what the action network says.

    Attributes:
        program: the networks, and what stands before and behind them.
    """

    def __init__(self, stage: str, model: DepthModel, size: int) -> None:
        """Of random weights."""
        self.program = DepthProgram(model, size)
        self._is_pose = stage == "pose"
        self.program.train(self._is_pose)
        rate = STAGES[stage]["optimizer.learning_rate"]
        if self._is_pose:
            self._optimizer = torch.optim.Adam(self._pose.parameters(), lr=rate)
            return
        for module in self.program.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.requires_grad_(False)
        trained = [parameter for parameter in self.program.parameters() if parameter.requires_grad]
        self._optimizer = torch.optim.Adam(
            trained, lr=rate, weight_decay=_WEIGHT_DECAY, amsgrad=True
        )

    def __call__(self, batch: Batch) -> Float[Tensor, ""]:
        """Returns the loss before the step."""
        loss = self._loss_of_codes(batch) if self._is_pose else self._joint_loss(batch)
        self._optimizer.zero_grad()
        loss.backward()
        self._optimizer.step()
        return loss.detach()

    @property
    def _pose(self) -> nn.Module:
        return self.program.networks.get_submodule("pose")

    def _loss_of_codes(self, batch: Batch) -> Float[Tensor, ""]:
        crops = self.program.normalised(batch["seen"], batch["centre"])
        found = self._pose(crops.flatten(0, 1))
        components = self._pose.get_submodule("principal_components")
        assert isinstance(components, nn.Linear)
        poses = self.program.relative(batch["joints_3d"], batch["valid"], batch["centre"])
        with torch.no_grad():
            codes = (poses.flatten(0, 1).flatten(1) - components.bias) @ components.weight
        return F.mse_loss(found.codes, codes)

    def _joint_loss(self, batch: Batch) -> Float[Tensor, ""]:
        crops = self.program.normalised(batch["seen"], batch["centre"])
        found = self.program.networks(crops, batch["valid"])
        poses = self.program.relative(batch["joints_3d"], batch["valid"], batch["centre"])
        real = batch["valid"]
        return _WEIGHTS.joints * F.mse_loss(found.joints[real], poses[real]) + (
            _WEIGHTS.action * F.nll_loss(found.log_probabilities, batch["action"])
        )


class Inference:
    """The outputs of the whole program on a batch."""

    def __init__(self, model: DepthModel, size: int) -> None:
        """Of random weights."""
        self.program = DepthProgram(model, size).eval()

    def __call__(self, batch: Batch) -> dict[str, Tensor]:
        """Returns what `DepthModel.apply` does."""
        with torch.inference_mode():
            return self.program(batch["seen"], batch["valid"], batch["centre"])
