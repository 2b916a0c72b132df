"""EfficientNet-Lite0 (Google, 2020): EfficientNet-B0 made for integers and for few operations.

ReLU6 instead of swish, no squeeze and excitation; padded as in TensorFlow, where it was trained.
"""

from htt_jax.models.mobile import Architecture, Block, Conv, rounded

_STEM = 32
# Of each stage: blocks, size of the depthwise convolutions, stride of the first, channels out.
_STAGES = (
    *((1, 3, 1, 16), (2, 3, 2, 24), (2, 5, 2, 40), (3, 3, 2, 80)),
    *((3, 5, 1, 112), (4, 5, 2, 192), (1, 3, 1, 320)),
)
_EXPANSION = 6  # but of the first stage
_HEAD = 1280


def lite0(part: float) -> Architecture:
    """The network with so large a part of its channels, timm's tf_efficientnet_lite0 at 1.0.

    The first convolution keeps its channels.
    """
    blocks = [Block("", (Conv("conv_stem", "bn1", _STEM, 3, 2),))]
    channels = _STEM
    for stage, (count, size, first_stride, features) in enumerate(_STAGES):
        features = rounded(part * features)
        for number in range(count):
            stride = 1 if number else first_stride
            convs = _convs(channels, features, size, stride, expanded=stage > 0)
            shortcut = stride == 1 and channels == features
            blocks.append(Block(f"blocks.{stage}.{number}", convs, shortcut))
            channels = features
    blocks.append(Block("", (Conv("conv_head", "bn2", rounded(part * _HEAD)),)))
    return Architecture(
        tuple(blocks), unused=("classifier.",), same=True, epsilon=1e-3, ceiling=6.0
    )


def _convs(
    channels: int, features: int, size: int, stride: int, expanded: bool
) -> tuple[Conv, ...]:
    """Of one block."""
    if not expanded:
        return (
            Conv("conv_dw", "bn1", channels, size, stride, depthwise=True),
            Conv("conv_pw", "bn2", features, active=False),
        )
    wide = rounded(_EXPANSION * channels)
    return (
        Conv("conv_pw", "bn1", wide),
        Conv("conv_dw", "bn2", wide, size, stride, depthwise=True),
        Conv("conv_pwl", "bn3", features, active=False),
    )
