"""ResNet-18 in PyTorch with torchvision's names and batch norms that keep their statistics."""

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor, nn

from htt_jax.models.resnet import BLOCKS_PER_STAGE, STAGES

IMAGENET_CLASSES = 1000


class ResNet18(nn.Module):
    """Image to feature vector: the mean over the last feature map, 8 x `width` channels.

    `width` is the number of channels of the first stage, `channels` of the image.
    """

    def __init__(self, width: int, channels: int = 3) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, width, 7, stride=2)
        self.bn1 = FixedBatchNorm(width)
        channels = width
        for stage in range(STAGES):
            blocks = []
            for block in range(BLOCKS_PER_STAGE):
                stride = 2 if stage > 0 and block == 0 else 1
                blocks.append(BasicBlock(channels, width * 2**stage, stride))
                channels = width * 2**stage
            self.add_module(f"layer{stage + 1}", nn.Sequential(*blocks))
        self.fc = nn.Linear(channels, IMAGENET_CLASSES)  # unused, but in every checkpoint

    def forward(
        self, image: Float[Tensor, "images channels height width"]
    ) -> Float[Tensor, "images channels_out"]:
        """Returns one float32 feature vector per image."""
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(image))), 3, stride=2, padding=1)
        for stage in range(STAGES):
            x = self.get_submodule(f"layer{stage + 1}")(x)
        return x.mean((2, 3), dtype=torch.float32)


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; `stride` is the first one's and the shortcut's."""

    def __init__(self, channels: int, features: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _convolution(channels, features, 3, stride)
        self.bn1 = FixedBatchNorm(features)
        self.conv2 = _convolution(features, features, 3, stride=1)
        self.bn2 = FixedBatchNorm(features)
        self.downsample = nn.Sequential()
        if stride != 1 or channels != features:
            self.downsample.append(_convolution(channels, features, 1, stride))
            self.downsample.append(FixedBatchNorm(features))

    def forward(
        self, x: Float[Tensor, "images channels height width"]
    ) -> Float[Tensor, "images channels_out height_out width_out"]:
        """Returns the block's output at 1/`stride` of the input's resolution."""
        y = self.bn2(self.conv2(F.relu(self.bn1(self.conv1(x)))))
        return F.relu(y + self.downsample(x))


class FixedBatchNorm(nn.BatchNorm2d):
    """Batch norm that uses its stored statistics in training too; weight and bias are trained."""

    def forward(self, x: Tensor) -> Tensor:
        """Returns `x` normalised."""
        return F.batch_norm(
            x, self.running_mean, self.running_var, self.weight, self.bias, eps=self.eps
        )


def _convolution(channels: int, features: int, size: int, stride: int) -> nn.Conv2d:
    convolution = nn.Conv2d(channels, features, size, stride, padding=size // 2, bias=False)
    nn.init.kaiming_normal_(convolution.weight, mode="fan_out", nonlinearity="relu")
    return convolution
