"""The whole program of a depth system in PyTorch, from crops in millimetres to joints in metres.

Needs torch; import this module only where it is wanted.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from htt_jax.data.depth_crops import CUBE_MM
from htt_jax.interop import torch_depth
from htt_jax.support import trees
from htt_jax.systems.depth.model import DepthModel, outputs_of
from htt_jax.systems.depth.poses import BACKGROUND_MM, UNIT

_LEAVES = {
    "kernel": "weight",
    "scale": "weight",
    "bias": "bias",
    "components": "weight",
    "mean": "bias",
    "input_kernel": "weight_ih_l0",
    "recurrent_kernel": "weight_hh_l0",
    "input_bias": "bias_ih_l0",
    "recurrent_bias": "bias_hh_l0",
}
_STATISTICS = {"mean": "running_mean", "var": "running_var"}


def build(model: DepthModel, variables: Mapping[str, Any], size: int) -> "DepthProgram":
    """The module that computes in PyTorch what `model` does, for crops of `size` pixels."""
    program = DepthProgram(model, size)
    load(program.networks, variables)
    return program.eval()


def load(networks: nn.Module, variables: Mapping[str, Any]) -> None:
    """Puts our variables into networks of `torch_depth`; each tensor must be there."""
    tensors = {_name_of(path): _turned(x) for path, x in trees.flatten(variables).items()}
    counters = {
        name: x for name, x in networks.state_dict().items() if name.endswith("num_batches_tracked")
    }
    networks.load_state_dict(counters | tensors, strict=True)


def _name_of(path: str) -> str:
    collection, *parts, leaf = path.split("/")
    leaves = _STATISTICS if collection == "batch_stats" else _LEAVES
    return ".".join([*parts, leaves[leaf]])


def _turned(x: np.ndarray) -> Tensor:
    """From the layout of Flax to (out, in, height, width) or (out, in)."""
    return torch.tensor(x.transpose(3, 2, 0, 1) if x.ndim == 4 else x.T)


class DepthProgram(nn.Module):
    """See `systems.depth.model.DepthModel`, of which it has the options."""

    signs: Tensor

    def __init__(self, model: DepthModel, size: int) -> None:
        super().__init__()
        self.networks = torch_depth.make(model.networks, size, model.told_equal)
        self.form = model.networks.form
        self.is_cube = model.protocol == "honest"
        self.register_buffer("signs", torch.tensor(model.signs), persistent=False)

    def forward(
        self,
        seen: Float[Tensor, "clips frames height width hands"]
        | Float[Tensor, "clips frames joints 3"],
        valid: Bool[Tensor, "clips frames"],
        centre: Float[Tensor, "clips frames hands 3"],
    ) -> dict[str, Tensor]:
        """See `DepthModel.apply`."""
        given = (
            self.relative(seen, valid, centre)
            if self.form == "action"
            else self.normalised(seen, centre)
        )
        found = self.networks(given, valid)
        joints = self._by_hand(found.joints, centre) * self.signs * UNIT + centre[..., None, :]
        out = {
            "joints_3d": joints.flatten(2, 3),
            "action_logits": found.log_probabilities,
            "action_over_time": found.over_time,
        }
        return {output.name: out[output.name] for output in outputs_of(self.form)}

    def normalised(self, crops: Tensor, centre: Tensor) -> Tensor:
        """See `DepthModel.normalised`."""
        depth = 1000 * centre[:, :, None, None, :, 2]
        middle = torch.where(depth > 0, depth, 1.0)
        if self.is_cube:
            inside = ((crops - middle) / (CUBE_MM / 2)).clamp(-1, 1)
            return torch.where(crops > 0, inside, 1.0)
        return (torch.where(crops > 0, crops, middle + BACKGROUND_MM) - middle) / (middle / 2)

    def relative(self, joints: Tensor, valid: Tensor, centre: Tensor) -> Tensor:
        """See `DepthModel.relative`; of padding zeros."""
        by_hand = (self._by_hand(joints, centre) - centre[..., None, :]) / UNIT * self.signs
        return torch.where(valid[..., None, None], by_hand.flatten(2, 3), 0.0)

    def _by_hand(self, joints: Tensor, centre: Tensor) -> Tensor:
        return joints.unflatten(2, (centre.shape[2], -1))
