"""Which variable of the depth networks each tensor of the published PyTorch code is."""

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

from htt_jax.support import trees
from htt_jax.support.errors import InputError

_BLOCK = r"main_layers\.res_group_(\d)\.resblocks\.(\d)\."
_AFFINE = {
    "weight": ("params", "scale"),
    "bias": ("params", "bias"),
    "running_mean": ("batch_stats", "mean"),
    "running_var": ("batch_stats", "var"),
}
_LAYER = {"weight": ("params", "kernel"), "bias": ("params", "bias")}
_COMPONENTS = {"weight": ("params", "components"), "bias": ("params", "mean")}
_LSTM = {
    f"{torch}_l0": ("params", ours)
    for torch, ours in (
        ("weight_ih", "input_kernel"),
        ("weight_hh", "recurrent_kernel"),
        ("bias_ih", "input_bias"),
        ("bias_hh", "recurrent_bias"),
    )
}
_MODULES = [
    (re.compile(pattern + r"\.?(\w+)"), path, leaves)
    for pattern, path, leaves in (
        (r"main_layers\.conv_pool_1\.block\.conv_1", "stem", _LAYER),
        (_BLOCK + r"res_branch\.(\d)\.block\.0\.block\.0", "group{0}_{1}/norm{2}", _AFFINE),
        (_BLOCK + r"res_branch\.(\d)\.block\.1", "group{0}_{1}/conv{2}", _LAYER),
        (_BLOCK + r"skip_con\.0\.block\.0\.block\.0", "group{0}_{1}/skip_norm", _AFFINE),
        (_BLOCK + r"skip_con\.0\.block\.1", "group{0}_{1}/skip_conv", _LAYER),
        (_BLOCK + r"out_film_layer\.main_layer", "group{0}_film_{film}", _LAYER),
        (r"main_layers\.bn_relu_1\.block\.0", "norm", _AFFINE),
        (r"linear_layers\.lin_relu_(\d)\.block\.0", "hidden{0}", _LAYER),
        (r"linear_layers\.film_lin_(\d)\.main_layer", "hidden{0}_film", _LAYER),
        (r"linear_layers\.lin_relu_3_pca\.block\.0", "codes", _LAYER),
        (r"final_layer\.main_layer", "principal_components", _COMPONENTS),
        (r"main_layers", "lstm", _LSTM),
        (r"output_layers\.lin", "head", _LAYER),
        (r"attention_layer\.0", "score", _LAYER),
    )
]


def path_of(name: str) -> str:
    """The variable's path, such as 'params/stem/kernel', of a tensor of one network.

    Raises:
        InputError: there is no such tensor in the published networks.
    """
    for pattern, path, leaves in _MODULES:
        found = pattern.fullmatch(name)
        if found and found[found.re.groups] in leaves:
            *numbers, leaf = found.groups()
            collection, ours = leaves[leaf]
            return f"{collection}/{_filled(path, numbers)}/{ours}"
    raise InputError(f"{name} is no tensor of the published depth networks")


def to_variables(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Variables of one network, or of its parts, from tensors of its state dict.

    The joints of poses are in the tensors' order.

    Raises:
        InputError: as `path_of`.
    """
    return trees.unflatten({path_of(name): _turned(x) for name, x in tensors.items()})


def _filled(path: str, numbers: list[str]) -> str:
    """Blocks are counted from 0 there and here, the convolutions of a block from 1 here."""
    group, block, convolution = (numbers + ["0"] * 3)[:3]
    film = "others" if int(block) else "first"
    return path.format(group, block, int(convolution) + 1, film=film)


def _turned(x: np.ndarray) -> np.ndarray:
    """From (out, in, height, width) or (out, in) to the layout of Flax."""
    return x.transpose(2, 3, 1, 0) if x.ndim == 4 else x.T
