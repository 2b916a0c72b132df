"""The depth systems' pose network in PyTorch, with and without FiLM; see `torch_depth`."""

from typing import NamedTuple

import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from htt_jax.models.depth import pose_network, stem
from htt_jax.models.depth.residual import MOMENTUM, NORM_EPSILON


class PoseEstimate(NamedTuple):
    """See `models.depth.pose_network.PoseEstimate`."""

    codes: Float[Tensor, "frames components"]
    joints: Float[Tensor, "frames joints 3"]


class PoseNetwork(nn.Module):
    """`models.depth.pose_network.PoseNetwork` of the sizes of `ours`, for crops of `size`."""

    def __init__(self, ours: pose_network.PoseNetwork, size: int) -> None:
        super().__init__()
        self.blocks = ours.blocks
        self.stem = nn.Conv2d(1, ours.stem_width, stem.KERNEL_SIZE, padding=2)
        channels, actions = ours.stem_width, ours.num_actions
        affine = actions is None
        self.groups = range(1, len(ours.widths) + 1)
        for group, width in zip(self.groups, ours.widths, strict=True):
            self._add_film(f"group{group}_film_first", actions, channels)
            if ours.blocks > 1:
                self._add_film(f"group{group}_film_others", actions, width)
            for block in range(ours.blocks):
                stride = 2 if block == 0 and group < len(ours.widths) else 1
                self.add_module(
                    f"group{group}_{block}", ResidualBlock(channels, width, stride, affine)
                )
                channels = width
        self.norm = _norm(channels)
        places = (size // 2 ** len(ours.widths)) ** 2
        self.hidden1 = nn.Linear(channels * places, ours.hidden)
        self.hidden2 = nn.Linear(ours.hidden, ours.hidden)
        for name in ("hidden1_film", "hidden2_film"):
            self._add_film(name, actions, ours.hidden)
        self.dropout = nn.Dropout(ours.dropout_rate)
        self.codes = nn.Linear(ours.hidden, ours.components)
        self.principal_components = nn.Linear(ours.components, 3 * ours.joints)

    def forward(
        self,
        crops: Float[Tensor, "frames height width hands"],
        action: Float[Tensor, "frames actions"] | None = None,
    ) -> PoseEstimate:
        """Estimates the pose in each crop; see ours."""
        hands = crops.shape[-1]
        x = crops.permute(0, 3, 1, 2).flatten(0, 1)[:, None]
        if action is not None:
            action = action[:, None].expand(-1, hands, -1).flatten(0, 1)
        x = F.max_pool2d(self.stem(x), 2)
        for group in self.groups:
            first = self._modulation(f"group{group}_film_first", action)
            others = self._modulation(f"group{group}_film_others", action)
            for block in range(self.blocks):
                module = self.get_submodule(f"group{group}_{block}")
                x = module(_modulated(x, others if block else first))
        x = F.relu(self.norm(x)).flatten(1)
        for name in ("hidden1", "hidden2"):
            x = self.dropout(F.relu(self.get_submodule(name)(x)))
            x = _modulated(x, self._modulation(f"{name}_film", action))
        codes = self.codes(x)
        joints = self.principal_components(codes)
        by_frame = (-1, hands)
        return PoseEstimate(
            codes.unflatten(0, by_frame).flatten(1),
            joints.unflatten(0, by_frame).flatten(1).unflatten(1, (-1, 3)),
        )

    def _add_film(self, name: str, actions: int | None, channels: int) -> None:
        if actions is not None:
            self.add_module(name, nn.Linear(actions, 2 * channels))

    def _modulation(self, name: str, action: Tensor | None) -> Tensor | None:
        if action is None or not hasattr(self, name):
            return None
        return self.get_submodule(name)(action)


class ResidualBlock(nn.Module):
    """See `models.depth.residual.ResidualBlock`."""

    def __init__(self, channels: int, features: int, stride: int, affine: bool) -> None:
        super().__init__()
        bottleneck = features // 4
        self.norm1 = _norm(channels, affine)
        self.conv1 = nn.Conv2d(channels, bottleneck, 1)
        self.norm2 = _norm(bottleneck, affine)
        self.conv2 = nn.Conv2d(bottleneck, bottleneck, 3, stride, padding=1)
        self.norm3 = _norm(bottleneck, affine)
        self.conv3 = nn.Conv2d(bottleneck, features, 1)
        self.has_skip = stride != 1 or channels != features
        if self.has_skip:
            self.skip_norm = _norm(channels)
            self.skip_conv = nn.Conv2d(channels, features, 1, stride)

    def forward(
        self, x: Float[Tensor, "frames channels height width"]
    ) -> Float[Tensor, "frames channels_out height_out width_out"]:
        """Returns the block's output at 1/`stride` of the input's resolution."""
        y = self.conv1(F.relu(self.norm1(x)))
        y = self.conv2(F.relu(self.norm2(y)))
        y = self.conv3(F.relu(self.norm3(y)))
        return y + (self.skip_conv(F.relu(self.skip_norm(x))) if self.has_skip else x)


def _norm(channels: int, affine: bool = True) -> nn.BatchNorm2d:
    return nn.BatchNorm2d(channels, eps=NORM_EPSILON, momentum=MOMENTUM, affine=affine)


def _modulated(x: Tensor, generated: Tensor | None) -> Tensor:
    """Features (frames, channels, ...), each channel scaled and shifted as was generated."""
    if generated is None:
        return x
    scale, shift = (
        part.reshape(*part.shape, *(1,) * (x.dim() - 2)) for part in generated.chunk(2, 1)
    )
    return (1 + scale) * x + shift
