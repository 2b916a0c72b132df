"""Mobile networks, told as data: blocks of convolutions in a row, each with its batch norm.

One description makes the Flax network here, the names of its tensors and the PyTorch network in
`htt_jax.interop`. Names are timm's.
"""

import dataclasses
from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.conv_norm import BATCH_NORM_EPSILON, ConvNorm, padding
from htt_jax.models.resnet import pooled

FIRST_STRIDE = 4
"""Of the maps that are told."""


@dataclasses.dataclass(frozen=True)
class Conv:
    """A convolution and its batch norm.

    Attributes:
        name: of the convolution in its block.
        norm: name of the batch norm in the block.
        features: channels out.
        size: of the square kernel.
        stride: of the convolution.
        depthwise: each channel by itself.
        active: a ReLU comes after it.
    """

    name: str
    norm: str
    features: int
    size: int = 1
    stride: int = 1
    depthwise: bool = False
    active: bool = True


@dataclasses.dataclass(frozen=True)
class Block:
    """Convolutions in a row; `shortcut`: what went in is added to what comes out.

    The name is empty for those that stand alone.
    """

    name: str
    convs: tuple[Conv, ...]
    shortcut: bool = False

    @property
    def stride(self) -> int:
        """Of all its convolutions together."""
        return 2 if any(conv.stride == 2 for conv in self.convs) else 1


@dataclasses.dataclass(frozen=True)
class Architecture:
    """A mobile network.

    Attributes:
        blocks: in their order; five convolutions have the stride 2, the others 1.
        unused: first parts of the names of tensors that ImageNet files have besides.
        same: see `ConvNorm.same`.
        epsilon: of the batch norms.
        ceiling: of all ReLUs; None: none.
    """

    blocks: tuple[Block, ...]
    unused: tuple[str, ...]
    same: bool = False
    epsilon: float = BATCH_NORM_EPSILON
    ceiling: float | None = None

    @property
    def features(self) -> int:
        """Channels of the last map."""
        return self.blocks[-1].convs[-1].features

    def strides(self) -> Iterator[tuple[Block, int]]:
        """Each block with the pixels between two cells of what it returns."""
        stride = 1
        for block in self.blocks:
            stride *= block.stride
            yield block, stride


class MobileNetwork(nn.Module):
    """Image to feature vector: the mean over the last feature map.

    Attributes:
        architecture: what it consists of.
        calibrate: as `ResNet18.calibrate`.
        dtype: of the computation; parameters are float32.
    """

    architecture: Architecture
    calibrate: bool = False
    dtype: DTypeLike = jnp.float32

    @property
    def features(self) -> int:
        """Length of the feature vector."""
        return self.architecture.features

    def __call__(
        self, image: Float[Array, "images height width channels"]
    ) -> Float[Array, "images channels_out"]:
        """Returns one float32 feature vector per image; pixels are `value / 255 - 0.5`."""
        return pooled(self.maps(image)[-1])

    @nn.compact
    def maps(
        self, image: Float[Array, "images height width channels"]
    ) -> tuple[Float[Array, "images ..."], ...]:
        """Returns the last maps at a stride of 4, 8, 16 and 32 pixels, as `ResNet18.maps`.

        `first_cell` tells where their first cell is.
        """
        found: dict[int, jax.Array] = {}
        x = image
        for block, stride in self.architecture.strides():
            if block.name:
                module = _Block(
                    block, self.architecture, self.calibrate, self.dtype, name=flax_name(block.name)
                )
                x = module(x)
            else:
                x = _in_a_row(block, self.architecture, self.calibrate, self.dtype, x)
            found[stride] = x
        return tuple(x for stride, x in found.items() if stride >= FIRST_STRIDE)

    def first_cell(self, stage: int, size: tuple[int, int]) -> tuple[int, int]:
        """Row and column of the pixel at the centre of the first cell of a stage's map.

        Args:
            stage: from 1 on.
            size: (height, width) of the image.
        """
        rows, columns = (self._first(stage, length) for length in size)
        return rows, columns

    def _first(self, stage: int, length: int) -> int:
        centre, spacing = 0, 1
        strided = (conv for b in self.architecture.blocks for conv in b.convs if conv.stride == 2)
        for conv in [*strided][: stage + 1]:
            before, _ = padding(conv.size, conv.stride, length, self.architecture.same)
            centre += spacing * (conv.size // 2 - before)
            spacing, length = 2 * spacing, -(-length // 2)
        return centre


class _Block(nn.Module):
    block: Block
    architecture: Architecture
    calibrate: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "images height width channels"]
    ) -> Float[Array, "images height_out width_out channels_out"]:
        y = _in_a_row(self.block, self.architecture, self.calibrate, self.dtype, x)
        return x + y if self.block.shortcut else y


def _in_a_row(
    block: Block, architecture: Architecture, calibrate: bool, dtype: DTypeLike, x: jax.Array
) -> jax.Array:
    """The convolutions of a block, as parts of the module that calls it."""
    for conv in block.convs:
        x = ConvNorm(
            x.shape[-1] if conv.depthwise else conv.features,
            conv.size,
            conv.stride,
            calibrate,
            dtype,
            depthwise=conv.depthwise,
            same=architecture.same,
            epsilon=architecture.epsilon,
            name=flax_name(conv.name),
        )(x)
        if conv.active:
            x = activated(x, architecture.ceiling)
    return x


def activated(x: Float[Array, "*any"], ceiling: float | None) -> Float[Array, "*any"]:
    """A ReLU; with a ceiling no gradient passes at either bound, as in PyTorch's ReLU6."""
    if ceiling is None:
        return nn.relu(x)
    # Of `jnp.clip` half a gradient would pass at a bound, in twice the time.
    return jax.lax.clamp(jnp.zeros((), x.dtype), x, jnp.array(ceiling, x.dtype))


def flax_name(name: str) -> str:
    """What a part of timm's name is called here: blocks_1_0, conv_pw, dw_start."""
    return name.removesuffix(".conv").replace(".", "_")


def rounded(channels: float) -> int:
    """The multiple of 8 that mobile networks take for so many channels, 8 at least."""
    nearest = max(8, int(channels + 4) // 8 * 8)
    return nearest if nearest >= 0.9 * channels else nearest + 8
