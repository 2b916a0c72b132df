"""EfficientNet-Lite in the names of EfficientNet-PyTorch, which count blocks through all stages."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from htt_jax.models.mobile import Architecture

T = TypeVar("T")

STEM = "_conv_stem.weight"
"""By which such a file is known."""

# Of a block's convolutions from the last to the first: their names and their batch norms'.
_PARTS = (("_project_conv", "_bn2"), ("_depthwise_conv", "_bn1"), ("_expand_conv", "_bn0"))


def in_timm_names(tensors: Mapping[str, T], architecture: Architecture) -> dict[str, T]:
    """Tensors of a file, those of the architecture by timm's names if they have the others."""
    if STEM not in tensors:
        return dict(tensors)
    modules = dict(_modules(architecture)) | {"_fc": "classifier"}
    found = {}
    for name, x in tensors.items():
        module, _, leaf = name.rpartition(".")
        found[f"{modules[module]}.{leaf}" if module in modules else name] = x
    return found


def _modules(architecture: Architecture) -> Iterator[tuple[str, str]]:
    """The other name and timm's of each convolution and batch norm."""
    first, *blocks, last = architecture.blocks
    for block, norm in ((first, "_bn0"), (last, "_bn1")):
        (conv,) = block.convs
        yield f"_{conv.name}", conv.name
        yield norm, conv.norm
    for number, block in enumerate(blocks):
        for conv, names in zip(reversed(block.convs), _PARTS, strict=False):
            for theirs, timm in zip(names, (conv.name, conv.norm), strict=True):
                yield f"_blocks.{number}.{theirs}", f"{block.name}.{timm}"
