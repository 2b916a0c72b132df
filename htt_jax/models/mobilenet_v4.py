"""MobileNetV4-Conv-Small (Qin et al., ECCV 2024): plain ReLUs, no squeeze and excitation."""

from collections.abc import Iterator

from htt_jax.models.mobile import Architecture, Block, Conv, rounded

_STEM = 32
# Of the universal inverted bottlenecks: sizes of the depthwise convolutions before and after the
# expansion (0: none), how many times it expands, channels out; the first of a stage halves the map.
_STAGES = (
    ((5, 5, 3, 96), (0, 3, 2, 96), (0, 3, 2, 96), (0, 3, 2, 96), (0, 3, 2, 96), (3, 0, 4, 96)),
    (
        *((3, 3, 6, 128), (5, 5, 4, 128), (0, 5, 4, 128), (0, 5, 3, 128)),
        *((0, 3, 4, 128), (0, 3, 4, 128)),
    ),
)


def conv_small(part: float) -> Architecture:
    """The network with so large a part of its channels.

    At 1.0 timm's mobilenetv4_conv_small, at 0.5 its mobilenetv4_conv_small_050; the first
    convolution keeps its channels.
    """

    def alone(name: str, features: int, size: int, stride: int) -> Block:
        return Block(name, (Conv("conv", "bn1", rounded(part * features), size, stride),))

    stem = Block("", (Conv("conv_stem", "bn1", _STEM, 3, 2),))
    blocks = [
        stem,
        alone("blocks.0.0", 32, 3, 2),
        alone("blocks.0.1", 32, 1, 1),
        alone("blocks.1.0", 96, 3, 2),
        alone("blocks.1.1", 64, 1, 1),
        *_bottlenecks(part, rounded(part * 64)),
        alone("blocks.4.0", 960, 1, 1),
    ]
    # The head is behind the mean.
    return Architecture(tuple(blocks), unused=("conv_head.", "norm_head.", "classifier."))


def _bottlenecks(part: float, channels: int) -> Iterator[Block]:
    """Of all stages that have some; `channels` come in."""
    for stage, rows in enumerate(_STAGES, 2):
        for number, (before, middle, expansion, features) in enumerate(rows):
            stride, features = 1 if number else 2, rounded(part * features)
            wide = rounded(channels * expansion)
            convs = [
                Conv("pw_exp.conv", "pw_exp.bn", wide),
                Conv("pw_proj.conv", "pw_proj.bn", features, active=False),
            ]
            if before:
                of_first = 1 if middle else stride
                first = ("dw_start.conv", "dw_start.bn", channels, before, of_first, True, False)
                convs.insert(0, Conv(*first))
            if middle:
                convs.insert(-1, Conv("dw_mid.conv", "dw_mid.bn", wide, middle, stride, True))
            shortcut = stride == 1 and channels == features
            yield Block(f"blocks.{stage}.{number}", tuple(convs), shortcut)
            channels = features
