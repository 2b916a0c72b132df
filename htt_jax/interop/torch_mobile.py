"""Mobile networks in PyTorch, of the descriptions in `models.mobile`, with timm's names."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from htt_jax.interop.torch_resnet import FixedBatchNorm
from htt_jax.models.conv_norm import padding
from htt_jax.models.mobile import Architecture, Conv


class MobileNetwork(nn.Module):
    """Image to feature vector: the mean over the last feature map.

    `channels` are those of the image.
    """

    def __init__(self, architecture: Architecture, channels: int = 3) -> None:
        super().__init__()
        self.architecture = architecture
        for block in architecture.blocks:
            for conv in block.convs:
                features = channels if conv.depthwise else conv.features
                module = _convolution(conv, channels, features, architecture.same)
                self._add(block.name, conv.name, module)
                norm = FixedBatchNorm(features, eps=architecture.epsilon)
                self._add(block.name, conv.norm, norm)
                channels = features

    def _add(self, block: str, name: str, module: nn.Module) -> None:
        *parents, last = [part for part in f"{block}.{name}".split(".") if part]
        place: nn.Module = self
        for part in parents:
            if not hasattr(place, part):
                place.add_module(part, nn.Module())
            place = getattr(place, part)
        place.add_module(last, module)

    def forward(
        self, image: Float[Tensor, "images channels height width"]
    ) -> Float[Tensor, "images channels_out"]:
        """Returns one float32 feature vector per image."""
        x, ceiling = image, self.architecture.ceiling
        for block in self.architecture.blocks:
            prefix = f"{block.name}." if block.name else ""
            y = x
            for conv in block.convs:
                y = self.get_submodule(prefix + conv.name)(self._padded(y, conv))
                y = self.get_submodule(prefix + conv.norm)(y)
                if conv.active:
                    y = F.relu(y) if ceiling is None else F.hardtanh(y, 0.0, ceiling)
            x = x + y if block.shortcut else y
        return x.mean((2, 3), dtype=torch.float32)

    def _padded(self, x: Tensor, conv: Conv) -> Tensor:
        """With the zeros that the convolution does not add, which depend on the image's size."""
        if not _is_padded_before(conv, self.architecture.same):
            return x
        rows, columns = (
            padding(conv.size, conv.stride, length, self.architecture.same)
            for length in x.shape[2:]
        )
        return F.pad(x, (*columns, *rows))


def _is_padded_before(conv: Conv, same: bool) -> bool:
    """Otherwise the convolution pads, with as many zeros on every side."""
    return same and conv.stride > 1


def _convolution(conv: Conv, channels: int, features: int, same: bool) -> nn.Conv2d:
    groups = channels if conv.depthwise else 1
    around = 0 if _is_padded_before(conv, same) else conv.size // 2
    module = nn.Conv2d(
        channels, features, conv.size, conv.stride, around, groups=groups, bias=False
    )
    nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
    with torch.no_grad():
        module.weight *= groups**0.5  # the fan out is of all groups there
    return module
