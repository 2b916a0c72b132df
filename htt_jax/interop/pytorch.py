"""PyTorch state dicts of HTT and of ImageNet backbones, to and from Flax variables; NumPy only."""

import functools
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import numpy as np

from htt_jax.interop import efficientnet_names, names, recognise
from htt_jax.models import backbones
from htt_jax.models.backbones import Backbone
from htt_jax.models.htt import HTT
from htt_jax.support import trees
from htt_jax.support.errors import InputError

StateDict: TypeAlias = dict[str, np.ndarray]
Variables: TypeAlias = dict[str, Any]

_LAST_OF_BACKBONE = f"{names.BACKBONE}layer4.1.bn2.num_batches_tracked"


def model_sizes(state_dict: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """The attributes of `models.htt.HTT` that a published state dict tells by its shapes."""
    return recognise.model_sizes(_shapes(state_dict))


def to_variables(state_dict: Mapping[str, np.ndarray], where: str = "the state dict") -> Variables:
    """Flax variables of `htt_jax.models.htt.HTT` from a published state dict.

    The unused ImageNet head, the position table and batch counters are left out.

    Raises:
        InputError: it is of another model, or tensors are missing, unexpected, wrongly shaped or
            not finite; names `where`, the tensors and their shapes.
    """
    found = _shapes(state_dict)
    # Neither heads nor window change a shape; these fit every width.
    model = HTT(**recognise.model_sizes(found), heads=1, window=2)
    recognise.check(found, _published_shapes(model), what="an HTT", where=where)
    recognise.check_numbers(state_dict, where)
    return _pick(_split_attention(state_dict), _entries(state_dict))


def to_params(state_dict: Mapping[str, np.ndarray]) -> Variables:
    """A tree like the parameters from one tensor for each of PyTorch's, such as Adam's moments.

    Args:
        state_dict: by name, with the shapes of a published state dict; buffers may be missing.
    """
    entries = (entry for entry in _entries(state_dict) if entry.path[0] == "params")
    return _pick(_split_attention(state_dict), entries)["params"]


def to_state_dict(variables: Mapping[str, Any]) -> StateDict:
    """The published state dict of `HTT` variables, in its order; `to_variables` turned round.

    The unused ImageNet head and the batch counters are zeros. A backbone that is not the published
    one has its own names, timm's, in its place, and the projection of its features follows it.

    Raises:
        InputError: the model has other parts than the published one; names them.
    """
    leaves, params = trees.flatten(variables), variables["params"]
    layers = {
        torch: sum(name.startswith("layer_") for name in params.get(flax, ()))
        for torch, flax in names.ENCODERS.items()
    }
    backbone = names.backbone_of_variables(leaves)
    entries = names.htt_entries(layers, backbone, projected=names.PROJECTION in params)
    paths = {name: "/".join(path) for name, path in entries}
    missing = sorted(set(paths.values()) - leaves.keys())
    extra = sorted(leaves.keys() - set(paths.values()))
    if missing or extra:
        raise InputError(
            "the model has no PyTorch layout: the published one has "
            f"{', '.join(missing) or 'nothing'} besides, and lacks {', '.join(extra) or 'nothing'};"
            " export it to stablehlo"
        )
    split = {name: _to_torch_layout(leaves[path]) for name, path in paths.items()}
    split["action_token"] = split["action_token"][None, None]
    return _with_unused(_join_attention(split))


def backbone_variables(
    state_dict: Mapping[str, np.ndarray],
    where: str = "the state dict",
    backbone: str = backbones.RESNET18,
    width: int = backbones.FULL_WIDTH,
) -> Variables:
    """Variables of a backbone from timm's state dict, of a ResNet-18 torchvision's too.

    Raises:
        InputError: as `to_variables`.
    """
    what = "a ResNet-18"
    if backbone != backbones.RESNET18:
        architecture = backbones.architecture(backbone)
        state_dict = efficientnet_names.in_timm_names(state_dict, architecture)
        head = architecture.unused
        state_dict = {name: x for name, x in state_dict.items() if not name.startswith(head)}
        what = f"a {backbone} {width} wide" if width != backbones.FULL_WIDTH else backbone
    found = _shapes(state_dict)
    abstract = _abstract(backbones.make(backbone, width), jnp.zeros((1, 32, 32, 3)))
    leaves = trees.flatten(abstract)
    entries = list(names.backbone_entries(backbone))
    expected = {name: _to_torch_layout(leaves["/".join(path)]).shape for name, path in entries}
    recognise.check(found, expected, what=what, where=where)
    recognise.check_numbers(state_dict, where)
    return _pick(state_dict, entries)


def _entries(state_dict: Mapping[str, Any]) -> Iterator[names.Entry]:
    """Of the model that the names tell."""
    return names.htt_entries(
        recognise.count_layers(state_dict),
        names.backbone_of(state_dict, names.BACKBONE),
        projected=f"{names.PROJECTION}.weight" in state_dict,
    )


@functools.cache
def _published_shapes(model: HTT) -> recognise.Shapes:
    """What the state dict of a model looks like."""
    inputs = (jnp.zeros((1, 2, 32, 32, 3)), jnp.ones((1, 2), bool), jnp.zeros((1, 2, 3, 3)))
    return _shapes(to_state_dict(_abstract(model, *inputs)))


def _abstract(model: HTT | Backbone, *inputs: jax.Array) -> Variables:
    """Arrays of the shapes of the model's variables, which take no memory."""
    shapes = jax.eval_shape(lambda: model.init(jax.random.key(0), *inputs))
    return jax.tree.map(lambda x: np.broadcast_to(np.float32(0), x.shape), shapes)


def _shapes(state_dict: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: x.shape for name, x in state_dict.items()}


def _pick(state_dict: Mapping[str, np.ndarray], entries: Iterable[names.Entry]) -> Variables:
    """The variables that `entries` describe."""
    variables: Variables = {"params": {}, "batch_stats": {}}
    for name, path in entries:
        *parents, leaf = path
        node = variables
        for parent in parents:
            node = node.setdefault(parent, {})
        node[leaf] = _to_flax_layout(np.asarray(state_dict[name]))
    return variables


def _to_flax_layout(x: np.ndarray) -> np.ndarray:
    """OIHW to HWIO, (out, in) to (in, out), the token's two leading axes away."""
    if x.ndim == 4:
        return np.ascontiguousarray(x.transpose(2, 3, 1, 0))
    return np.ascontiguousarray(x.T) if x.ndim == 2 else x.reshape(-1)


def _to_torch_layout(x: np.ndarray) -> np.ndarray:
    x = np.asarray(x)
    return np.ascontiguousarray(x.transpose(3, 2, 0, 1) if x.ndim == 4 else x.T)


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
    """Adds, where it belongs, what a strict PyTorch load expects and HTT does not use."""
    complete: StateDict = {}
    for name, x in state_dict.items():
        complete[name] = x
        if name.endswith("running_var"):
            counter = name.replace("running_var", "num_batches_tracked")
            complete[counter] = np.zeros((), np.int64)
            if counter == _LAST_OF_BACKBONE:
                features = x.shape[0]
                complete[f"{names.BACKBONE}fc.weight"] = np.zeros((1000, features), np.float32)
                complete[f"{names.BACKBONE}fc.bias"] = np.zeros(1000, np.float32)
    return complete
