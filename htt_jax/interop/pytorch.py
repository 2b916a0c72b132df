"""PyTorch state dicts of HTT and of ImageNet ResNets, to and from Flax variables.

The one place that knows PyTorch's names; everything here is NumPy.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from htt_jax.errors import InputError
from htt_jax.models.resnet import BLOCKS_PER_STAGE, STAGES

StateDict: TypeAlias = dict[str, np.ndarray]
Variables: TypeAlias = dict[str, Any]

BACKBONE_PREFIX = "meshregnet.base_net."
_UNUSED = re.compile(r"(.*\.)?(fc\.(weight|bias)|num_batches_tracked)$|transformer_pe\.pe$")
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
    "action_classification.classifier": ("action_head",),
}
_ENCODERS = {"transformer_pose": "pose_block", "transformer_action": "action_block"}


class _Entry(NamedTuple):
    """Where one PyTorch tensor lives among the Flax variables."""

    name: str
    path: tuple[str, ...]


def to_variables(state_dict: Mapping[str, np.ndarray]) -> Variables:
    """Flax variables of `htt_jax.models.htt.HTT` from a published state dict.

    The unused ImageNet head, the position table and batch counters are left out.

    Raises:
        InputError: tensors are missing or unexpected; names them.
    """
    split = _split_attention(state_dict)
    layers = {torch: _count_layers(split, torch) for torch in _ENCODERS}
    return _pick(split, list(_htt_entries(layers)))


def to_state_dict(variables: Variables) -> StateDict:
    """The published state dict of `HTT` variables; `to_variables` turned round.

    The unused ImageNet head and the batch counters are zeros.

    Raises:
        InputError: the model has other parts than the published one; names them.
    """
    params = variables["params"]
    layers = {
        torch: sum(name.startswith("layer_") for name in params.get(flax, ()))
        for torch, flax in _ENCODERS.items()
    }
    leaves = dict(_leaves(variables))
    entries = list(_htt_entries(layers))
    missing = sorted("/".join(path) for _, path in entries if path not in leaves)
    extra = sorted("/".join(path) for path in leaves.keys() - {path for _, path in entries})
    if missing or extra:
        raise InputError(
            "the model has no PyTorch layout: the published one differs from it by missing "
            f"variables: {_listed(missing)}; additional variables: {_listed(extra)}"
        )
    split = {name: _to_torch_layout(leaves[path]) for name, path in entries}
    split["action_token"] = split["action_token"][None, None]
    return _with_unused(_join_attention(split))


def backbone_variables(state_dict: Mapping[str, np.ndarray]) -> Variables:
    """Variables of `ResNet18` from a torchvision or timm resnet18 state dict.

    Raises:
        InputError: tensors are missing or unexpected; names them.
    """
    return _pick(state_dict, list(_backbone_entries("", ())))


def _backbone_entries(prefix: str, path: tuple[str, ...]) -> Iterator[_Entry]:
    yield from _conv_norm(f"{prefix}conv1", f"{prefix}bn1", (*path, "conv1"))
    for stage in range(1, STAGES + 1):
        for block in range(BLOCKS_PER_STAGE):
            torch, flax = f"{prefix}layer{stage}.{block}.", (*path, f"layer{stage}_{block}")
            for i in (1, 2):
                yield from _conv_norm(f"{torch}conv{i}", f"{torch}bn{i}", (*flax, f"conv{i}"))
            if stage > 1 and block == 0:
                downsample = f"{torch}downsample."
                yield from _conv_norm(f"{downsample}0", f"{downsample}1", (*flax, "downsample"))


def _conv_norm(conv: str, norm: str, path: tuple[str, ...]) -> Iterator[_Entry]:
    """Two PyTorch modules that are one `ConvNorm`."""
    yield from _module(conv, path, "conv")
    yield from _module(norm, path, "batch_norm")


def _htt_entries(layers: Mapping[str, int]) -> Iterator[_Entry]:
    """All tensors of the model, its encoders having `layers[name]` layers."""
    yield from _backbone_entries(BACKBONE_PREFIX, ("backbone",))
    yield _Entry("action_token", ("params", "action_token"))
    for torch, path in _HEADS.items():
        yield from _module(torch, path, "linear")
    for torch, flax in _ENCODERS.items():
        yield from _module(f"{torch}.encoder.norm", (flax, "norm"), "layer_norm")
        for i in range(layers[torch]):
            source, path = f"{torch}.encoder.layers.{i}.", (flax, f"layer_{i}")
            for part in ("query_key", "value"):
                yield from _module(
                    f"{source}self_attn.{part}", (*path, "attention", part), "linear"
                )
            yield from _module(
                f"{source}self_attn.out_proj", (*path, "attention", "output"), "linear"
            )
            for part in ("1", "2"):
                yield from _module(f"{source}linear{part}", (*path, f"linear{part}"), "linear")
                yield from _module(f"{source}norm{part}", (*path, f"norm{part}"), "layer_norm")


def _module(name: str, path: tuple[str, ...], kind: str) -> Iterator[_Entry]:
    for leaf, (collection, flax_leaf) in _LEAVES[kind].items():
        yield _Entry(f"{name}.{leaf}", (collection, *path, flax_leaf))


def _pick(state_dict: Mapping[str, np.ndarray], entries: list[_Entry]) -> Variables:
    """The variables that `entries` describe, out of a state dict that holds just these."""
    wanted = {entry.name for entry in entries}
    missing = sorted(wanted - state_dict.keys())
    extra = sorted(name for name in state_dict.keys() - wanted if not _UNUSED.match(name))
    if missing or extra:
        raise InputError(
            f"not the expected state dict: missing tensors: {_listed(missing)}; "
            f"unexpected tensors: {_listed(extra)}; give the weights of the model named"
        )
    variables: Variables = {"params": {}, "batch_stats": {}}
    for name, path in entries:
        *parents, leaf = path
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = _to_flax_layout(np.asarray(state_dict[name]))
    return variables


def _listed(names: list[str], most: int = 5) -> str:
    rest = f" and {len(names) - most} more" if len(names) > most else ""
    return (", ".join(names[:most]) or "none") + rest


def _leaves(
    node: Mapping[str, Any], path: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], np.ndarray]]:
    for name, child in node.items():
        if isinstance(child, Mapping):
            yield from _leaves(child, (*path, name))
        else:
            yield (*path, name), np.asarray(child)


def _to_flax_layout(x: np.ndarray) -> np.ndarray:
    """OIHW to HWIO, (out, in) to (in, out), the token's two leading axes away."""
    if x.ndim == 4:
        return np.ascontiguousarray(x.transpose(2, 3, 1, 0))
    return np.ascontiguousarray(x.T) if x.ndim == 2 else x.reshape(-1)


def _to_torch_layout(x: np.ndarray) -> np.ndarray:
    if x.ndim == 4:
        return np.ascontiguousarray(x.transpose(3, 2, 0, 1))
    return np.ascontiguousarray(x.T)


def _count_layers(state_dict: Mapping[str, np.ndarray], encoder: str) -> int:
    pattern = re.compile(rf"{encoder}\.encoder\.layers\.(\d+)\.")
    numbers = [int(match[1]) for match in map(pattern.match, state_dict) if match]
    return max(numbers, default=-1) + 1


def _split_attention(state_dict: Mapping[str, np.ndarray]) -> StateDict:
    """Splits each stacked `in_proj` of query, key and value into `query_key` and `value`."""
    split: StateDict = {}
    for name, x in state_dict.items():
        prefix, found, leaf = name.rpartition("in_proj_")
        if found:
            width = x.shape[0] // 3
            split[f"{prefix}query_key.{leaf}"] = x[: 2 * width]
            split[f"{prefix}value.{leaf}"] = x[2 * width :]
        else:
            split[name] = x
    return split


def _join_attention(split: StateDict) -> StateDict:
    joined: StateDict = {}
    for name, x in split.items():
        prefix, found, leaf = name.rpartition("query_key.")
        if found:
            joined[f"{prefix}in_proj_{leaf}"] = np.concatenate([x, split[f"{prefix}value.{leaf}"]])
        elif "self_attn.value." not in name:
            joined[name] = x
    return joined


def _with_unused(state_dict: StateDict) -> StateDict:
    """Adds what a strict PyTorch load expects and HTT does not use."""
    features = state_dict[f"{BACKBONE_PREFIX}layer4.1.bn2.weight"].shape[0]
    unused: StateDict = {
        f"{BACKBONE_PREFIX}fc.weight": np.zeros((1000, features), np.float32),
        f"{BACKBONE_PREFIX}fc.bias": np.zeros(1000, np.float32),
    }
    for name in state_dict:
        if name.endswith("running_var"):
            unused[name.replace("running_var", "num_batches_tracked")] = np.zeros((), np.int64)
    return state_dict | unused
