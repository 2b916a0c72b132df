"""Backbones in plain PyTorch with timm's names, written out; ImageNet heads included."""

import torch
import torch.nn.functional as F
from torch import nn


class Same(nn.Conv2d):
    """A convolution padded as TensorFlow's SAME."""

    def forward(self, x):
        sizes = zip(x.shape[2:], self.stride, self.kernel_size, strict=True)
        missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in sizes]
        around = [part for m in reversed(missing) for part in (m // 2, m - m // 2)]
        return super().forward(F.pad(x, around))


def same(channels, features, size=1, stride=1, groups=1):
    return Same(channels, features, size, stride, groups=groups, bias=False)


def symmetric(channels, features, size=1, stride=1, groups=1):
    return nn.Conv2d(channels, features, size, stride, size // 2, groups=groups, bias=False)


class ConvNorm(nn.Module):
    def __init__(self, *sizes, norm="bn1", active=True, **options):
        super().__init__()
        self.conv = symmetric(*sizes, **options)
        self.norm, self.active = norm, active
        self.add_module(norm, nn.BatchNorm2d(sizes[1]))

    def forward(self, x):
        x = self.get_submodule(self.norm)(self.conv(x))
        return x.relu() if self.active else x


class UniversalBottleneck(nn.Module):
    """`start` and `middle` are sizes of depthwise convolutions; 0: none."""

    def __init__(self, channels, features, start, middle, wide, stride):
        super().__init__()
        if start:
            of_start = 1 if middle else stride
            self.dw_start = ConvNorm(
                *(channels, channels, start, of_start), groups=channels, norm="bn", active=False
            )
        self.pw_exp = ConvNorm(channels, wide, norm="bn")
        if middle:
            self.dw_mid = ConvNorm(wide, wide, middle, stride, groups=wide, norm="bn")
        self.pw_proj = ConvNorm(wide, features, norm="bn", active=False)
        self.shortcut = stride == 1 and channels == features

    def forward(self, x):
        y = nn.Sequential(*self.children())(x)
        return x + y if self.shortcut else y


class MobileNetV4ConvSmall(nn.Module):
    """Of the channels written out, `times` as many but in the first and behind the mean."""

    def __init__(self, times=1.0):
        super().__init__()

        def bottleneck(*sizes):
            channels, features, start, middle, wide, stride = sizes
            channels, features, wide = (int(times * x) for x in (channels, features, wide))
            return UniversalBottleneck(channels, features, start, middle, wide, stride)

        def c(channels):
            return int(times * channels)

        self.conv_stem, self.bn1 = symmetric(3, 32, 3, 2), nn.BatchNorm2d(32)
        self.blocks = nn.Sequential(
            nn.Sequential(ConvNorm(32, c(32), 3, 2), ConvNorm(c(32), c(32))),
            nn.Sequential(ConvNorm(c(32), c(96), 3, 2), ConvNorm(c(96), c(64))),
            nn.Sequential(
                bottleneck(64, 96, 5, 5, 192, 2),
                *(bottleneck(96, 96, 0, 3, 192, 1) for _ in range(4)),
                bottleneck(96, 96, 3, 0, 384, 1),
            ),
            nn.Sequential(
                bottleneck(96, 128, 3, 3, 576, 2),
                bottleneck(128, 128, 5, 5, 512, 1),
                bottleneck(128, 128, 0, 5, 512, 1),
                bottleneck(128, 128, 0, 5, 384, 1),
                bottleneck(128, 128, 0, 3, 512, 1),
                bottleneck(128, 128, 0, 3, 512, 1),
            ),
            nn.Sequential(ConvNorm(c(128), c(960))),
        )
        self.conv_head = nn.Conv2d(c(960), 1280, 1, bias=False)
        self.norm_head = nn.BatchNorm2d(1280)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x):
        """The features, before the head."""
        return self.blocks(self.bn1(self.conv_stem(x)).relu()).mean((2, 3))


def norm(channels):
    return nn.BatchNorm2d(channels, eps=1e-3)


class SeparableBlock(nn.Module):
    def __init__(self, channels, features):
        super().__init__()
        self.conv_dw, self.bn1 = same(channels, channels, 3, groups=channels), norm(channels)
        self.conv_pw, self.bn2 = same(channels, features), norm(features)

    def forward(self, x):
        return self.bn2(self.conv_pw(F.relu6(self.bn1(self.conv_dw(x)))))


class InvertedResidual(nn.Module):
    def __init__(self, channels, features, size, stride):
        super().__init__()
        wide = 6 * channels
        self.conv_pw, self.bn1 = same(channels, wide), norm(wide)
        self.conv_dw, self.bn2 = same(wide, wide, size, stride, groups=wide), norm(wide)
        self.conv_pwl, self.bn3 = same(wide, features), norm(features)
        self.shortcut = stride == 1 and channels == features

    def forward(self, x):
        y = F.relu6(self.bn1(self.conv_pw(x)))
        y = self.bn3(self.conv_pwl(F.relu6(self.bn2(self.conv_dw(y)))))
        return x + y if self.shortcut else y


class EfficientNetLite0(nn.Module):
    """As TensorFlow trained it."""

    def __init__(self):
        super().__init__()

        def stage(count, channels, features, size, stride):
            first = InvertedResidual(channels, features, size, stride)
            return nn.Sequential(
                first, *(InvertedResidual(features, features, size, 1) for _ in range(count - 1))
            )

        self.conv_stem, self.bn1 = same(3, 32, 3, 2), norm(32)
        self.blocks = nn.Sequential(
            nn.Sequential(SeparableBlock(32, 16)),
            stage(2, 16, 24, 3, 2),
            stage(2, 24, 40, 5, 2),
            stage(3, 40, 80, 3, 2),
            stage(3, 80, 112, 5, 1),
            stage(4, 112, 192, 5, 2),
            stage(1, 192, 320, 3, 1),
        )
        self.conv_head, self.bn2 = same(320, 1280), norm(1280)
        self.classifier = nn.Linear(1280, 1000)

    def forward(self, x):
        """The features, before the head."""
        x = self.blocks(F.relu6(self.bn1(self.conv_stem(x))))
        return F.relu6(self.bn2(self.conv_head(x))).mean((2, 3))


def with_random_norms(module, seed=0):
    """For evaluation, each batch norm with statistics and factors of its own."""
    random = torch.Generator().manual_seed(seed)
    for part in module.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.weight.data.uniform_(0.5, 1.5, generator=random)
            part.bias.data.normal_(0, 0.1, generator=random)
            part.running_mean.normal_(0, 0.1, generator=random)
            part.running_var.uniform_(0.5, 1.5, generator=random)
    return module.eval()
