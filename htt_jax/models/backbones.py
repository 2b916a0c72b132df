"""The backbones that HTT can have, by timm's names; another one is one more entry."""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import jax.numpy as jnp
from jax.typing import DTypeLike

from htt_jax.models import efficientnet_lite, mobilenet_v4
from htt_jax.models.mobile import Architecture, MobileNetwork
from htt_jax.models.resnet import ResNet18

Backbone: TypeAlias = ResNet18 | MobileNetwork

RESNET18 = "resnet18"
"""The paper's."""
FULL_WIDTH = 64
"""`backbone_width` of the networks as published: channels of the ResNet's first stage."""


class Pixels(NamedTuple):
    """How pixels in 0..1 are normalised: their mean and deviation, red, green and blue."""

    mean: tuple[float, float, float]
    deviation: tuple[float, float, float]


_IMAGENET = Pixels((0.485, 0.456, 0.406), (0.229, 0.224, 0.225))
_HALVES = Pixels((0.5, 0.5, 0.5), (0.5, 0.5, 0.5))


@dataclasses.dataclass(frozen=True)
class Kind:
    """A backbone besides the paper's.

    Attributes:
        name: timm's.
        architecture: with a part of its channels, 1.0 as published.
        pixels: of a width, see `make`, for which its ImageNet weights are made.
        weights: where ImageNet weights are.
    """

    name: str
    architecture: Callable[[float], Architecture]
    pixels: Callable[[int], Pixels]
    weights: str


_KINDS = (
    Kind(
        "mobilenetv4_conv_small",
        mobilenet_v4.conv_small,
        # timm's _050, of half the width, was trained otherwise than the whole.
        lambda width: _HALVES if width == FULL_WIDTH // 2 else _IMAGENET,
        "model.safetensors of https://huggingface.co/timm/mobilenetv4_conv_small.e2400_r224_in1k",
    ),
    Kind(
        "tf_efficientnet_lite0",
        efficientnet_lite.lite0,
        lambda _: _HALVES,
        "model.safetensors of https://huggingface.co/timm/tf_efficientnet_lite0.in1k",
    ),
)
MOBILE = {kind.name: kind for kind in _KINDS}

NAMES = (RESNET18, *MOBILE)


def make(
    name: str,
    width: int = FULL_WIDTH,
    *,
    calibrate: bool = False,
    dtype: DTypeLike = jnp.float32,
    side_by_side: bool = False,
) -> Backbone:
    """The backbone of that name.

    Args:
        name: one of `NAMES`.
        width: channels of the ResNet's first stage; others have as large a part of theirs.
        calibrate: see `ResNet18`.
        dtype: of the computation.
        side_by_side: see `ResNet18`, which alone can.
    """
    if name == RESNET18:
        return ResNet18(width, calibrate, dtype, side_by_side)
    return MobileNetwork(architecture(name, width), calibrate, dtype)


def width_of(name: str, features: int) -> int:
    """The width of a backbone whose last map has so many channels."""
    return round(FULL_WIDTH * features / make(name).features)


def architecture(name: str, width: int = FULL_WIDTH) -> Architecture:
    """Of a backbone of `MOBILE`."""
    return MOBILE[name].architecture(width / FULL_WIDTH)
