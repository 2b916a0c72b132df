"""Which Flax variable each tensor of the published PyTorch model is, in PyTorch's order.

The projections of query, key and value, one tensor in PyTorch, are two here: see `pytorch`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple

from htt_jax.models.resnet import BLOCKS_PER_STAGE, STAGES

BACKBONE = "meshregnet.base_net."
ENCODERS = {"transformer_pose": "pose_block", "transformer_action": "action_block"}
"""The encoders' names in PyTorch and here."""

# The head and the counters of the norms of a backbone, alone or in HTT; the table of positions.
_UNUSED = re.compile(
    r"(meshregnet\.base_net\.)?"
    r"(fc\.(weight|bias)|((layer\d\.\d\.)?bn\d|layer\d\.\d\.downsample\.1)\.num_batches_tracked)"
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


def htt_entries(layers: Mapping[str, int]) -> Iterator[Entry]:
    """All tensors that HTT uses, its encoders having `layers[name]` layers."""
    yield Entry("action_token", ("params", "action_token"))
    yield from backbone_entries(BACKBONE, ("backbone",))
    yield from _encoder("transformer_pose", layers)
    for torch, path in _HEADS.items():
        yield from _module(torch, path, "linear")
    yield from _encoder("transformer_action", layers)
    yield from _module("action_classification.classifier", ("action_head",), "linear")


def backbone_entries(prefix: str = "", path: tuple[str, ...] = ()) -> Iterator[Entry]:
    """All tensors of a ResNet-18 that its features need."""
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
