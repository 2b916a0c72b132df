"""Which Flax variable each tensor of the published PyTorch model is, in PyTorch's order.

The projections of query, key and value, one tensor in PyTorch, are two here: see `pytorch`.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from typing import NamedTuple

from htt_jax.models import backbones
from htt_jax.models.mobile import Architecture, flax_name
from htt_jax.models.resnet import BLOCKS_PER_STAGE, STAGES

BACKBONE = "meshregnet.base_net."
PROJECTION = "image_projection"
"""Of features to tokens of another width, which the published model has not."""
WITHIN = FEATURES, TOKENS = "frame_features", "frame_tokens"
"""Within HTT: what is made of frames without their windows (clips * frames, features), and what the
action block takes of them (clips, frames, features)."""
ENCODERS = {"transformer_pose": "pose_block", "transformer_action": "action_block"}
"""The encoders' names in PyTorch and here."""

# The head and the counters of the norms of a backbone, alone or in HTT; the table of positions.
_UNUSED = re.compile(
    r"(meshregnet\.base_net\.)?"
    r"(fc\.(weight|bias)|(((layer|blocks\.)\d\.\d\.)?bn\d|layer\d\.\d\.downsample\.1"
    r"|blocks\.\d\.\d\.\w+\.bn)\.num_batches_tracked)"
    r"|transformer_pe\.pe"
)
_NO_PARAMETER = re.compile(r".*\.(running_mean|running_var|num_batches_tracked|pe)$")
_LEAVES = {
    "conv": {"weight": ("params", "kernel")},
    "linear": {"weight": ("params", "kernel"), "bias": ("params", "bias")},
    "layer_norm": {"weight": ("params", "scale"), "bias": ("params", "bias")},
    "batch_norm": {
        "weight": ("params", "scale"),
        "bias": ("params", "bias"),
        "running_mean": ("batch_stats", "mean"),
        "running_var": ("batch_stats", "var"),
    },
}
_HEADS = {
    "image_to_hand_pose.mlp.0": ("pose_head", "linear1"),
    "image_to_hand_pose.mlp.2": ("pose_head", "linear2"),
    "image_to_hand_pose.mlp.4": ("pose_head", "output"),
    "image_to_olabel_embed": ("object_head", "linear1"),
    "obj_classification.classifier": ("object_head", "output"),
    "hand_pose3d_to_action_input": ("pose_to_action",),
    "olabel_to_action_input": ("object_to_action",),
    "concat_to_action_input": ("action_input",),
}


class Entry(NamedTuple):
    """Where one PyTorch tensor lives among the Flax variables."""

    name: str
    path: tuple[str, ...]


def is_unused(name: str) -> bool:
    """Whether a tensor of this name may be there or not: it changes no output of HTT."""
    return _UNUSED.fullmatch(name) is not None


def is_parameter(name: str) -> bool:
    """Whether PyTorch's optimizer counts the tensor among its parameters."""
    return _NO_PARAMETER.match(name) is None


def htt_entries(
    layers: Mapping[str, int], backbone: str = backbones.RESNET18, *, projected: bool = False
) -> Iterator[Entry]:
    """All tensors that HTT uses.

    Args:
        layers: of each encoder.
        backbone: its name.
        projected: whether its features are made as wide as tokens.
    """
    yield Entry("action_token", ("params", "action_token"))
    yield from backbone_entries(backbone, BACKBONE, ("backbone",))
    if projected:
        yield from _module(PROJECTION, (PROJECTION,), "linear")
    yield from _encoder("transformer_pose", layers)
    for torch, path in _HEADS.items():
        yield from _module(torch, path, "linear")
    yield from _encoder("transformer_action", layers)
    yield from _module("action_classification.classifier", ("action_head",), "linear")


def backbone_of(names: Collection[str], prefix: str = "") -> str:
    """The backbone whose tensors have such names in PyTorch; the paper's if none's do."""

    def found(backbone: str) -> int:
        return sum(entry.name in names for entry in backbone_entries(backbone, prefix))

    return max(backbones.NAMES, key=found)


def backbone_of_variables(names: Collection[str]) -> str:
    """The backbone of an HTT whose variables have such names here, from the root of the tree on."""

    def found(backbone: str) -> int:
        entries = backbone_entries(backbone, path=("backbone",))
        return sum("/".join(entry.path) in names for entry in entries)

    return max(backbones.NAMES, key=found)


def backbone_entries(
    backbone: str = backbones.RESNET18, prefix: str = "", path: tuple[str, ...] = ()
) -> Iterator[Entry]:
    """All tensors of a backbone that its features need."""
    if backbone == backbones.RESNET18:
        return _of_resnet18(prefix, path)
    return _of_mobile(backbones.architecture(backbone), prefix, path)


def _of_mobile(architecture: Architecture, prefix: str, path: tuple[str, ...]) -> Iterator[Entry]:
    for block in architecture.blocks:
        of_block = f"{prefix}{block.name}." if block.name else prefix
        flax = (*path, flax_name(block.name)) if block.name else path
        for conv in block.convs:
            names = (f"{of_block}{conv.name}", f"{of_block}{conv.norm}")
            yield from _conv_norm(*names, (*flax, flax_name(conv.name)))


def _of_resnet18(prefix: str, path: tuple[str, ...]) -> Iterator[Entry]:
    yield from _conv_norm(f"{prefix}conv1", f"{prefix}bn1", (*path, "conv1"))
    for stage in range(1, STAGES + 1):
        for block in range(BLOCKS_PER_STAGE):
            torch, flax = f"{prefix}layer{stage}.{block}.", (*path, f"layer{stage}_{block}")
            for i in (1, 2):
                yield from _conv_norm(f"{torch}conv{i}", f"{torch}bn{i}", (*flax, f"conv{i}"))
            if stage > 1 and block == 0:
                downsample = f"{torch}downsample."
                yield from _conv_norm(f"{downsample}0", f"{downsample}1", (*flax, "downsample"))


def _conv_norm(conv: str, norm: str, path: tuple[str, ...]) -> Iterator[Entry]:
    """Two PyTorch modules that are one `ConvNorm`."""
    yield from _module(conv, path, "conv")
    yield from _module(norm, path, "batch_norm")


def _encoder(name: str, layers: Mapping[str, int]) -> Iterator[Entry]:
    flax = ENCODERS[name]
    for i in range(layers[name]):
        source, path = f"{name}.encoder.layers.{i}.", (flax, f"layer_{i}")
        for part in ("query_key", "value"):
            yield from _module(f"{source}self_attn.{part}", (*path, "attention", part), "linear")
        yield from _module(f"{source}self_attn.out_proj", (*path, "attention", "output"), "linear")
        for part in ("linear1", "linear2"):
            yield from _module(f"{source}{part}", (*path, part), "linear")
        for part in ("norm1", "norm2"):
            yield from _module(f"{source}{part}", (*path, part), "layer_norm")
    yield from _module(f"{name}.encoder.norm", (flax, "norm"), "layer_norm")


def _module(name: str, path: tuple[str, ...], kind: str) -> Iterator[Entry]:
    for leaf, (collection, flax_leaf) in _LEAVES[kind].items():
        yield Entry(f"{name}.{leaf}", (collection, *path, flax_leaf))
