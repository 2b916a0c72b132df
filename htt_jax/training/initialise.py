"""The state a run starts from."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np

from htt_jax.interop import names, pytorch, weights
from htt_jax.models import backbones
from htt_jax.models.htt import HTT
from htt_jax.runs.state import TrainState
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.systems import System

_RESNET18_WEIGHTS = "model.safetensors of https://huggingface.co/timm/resnet18.tv_in1k"
_MIDDLE = np.float32(0.5)  # which is taken from every pixel in 0..1


def pretrained_backbone(path: str, system: System) -> dict[str, Any]:
    """Variables of the model's backbone from an ImageNet file of timm's or torchvision's.

    Raises:
        InputError: the file is missing, or its tensors are not those of the model's backbone.
    """
    model = system.model
    assert isinstance(model, HTT), "only HTT has the option"
    name, width = model.backbone_name, model.backbone_width
    kind = backbones.MOBILE.get(name)
    if not place(path).exists():
        weights_at = kind.weights if kind else _RESNET18_WEIGHTS
        raise InputError(
            f"no ImageNet weights of {name} at config.init.backbone={path}: save {weights_at} and "
            "name that file, or train from random weights with --config.init.backbone="
        )
    if kind is None and width != backbones.FULL_WIDTH:
        raise InputError(
            f"config.init.backbone={path} holds a ResNet-18 of width 64, "
            f"config.model.backbone_width is {width}; start it from random weights "
            "with --config.init.backbone="
        )
    found = pytorch.backbone_variables(weights.read(path).tensors, path, name, width)
    if kind:
        fit_to_pixels(found, _first(name), kind.pixels(width))
    if system.reader.channels == 1:  # a grey picture would have the same in each
        first = found["params"][_first(name)]
        first["kernel"] = first["kernel"].sum(axis=2, keepdims=True)
    return found


def _first(backbone: str) -> str:
    """The first convolution."""
    return next(iter(names.backbone_entries(backbone))).path[1]


def fit_to_pixels(variables: dict[str, Any], first: str, pixels: backbones.Pixels) -> None:
    """Lets the `first` convolution take pixels around 0 as it took normalised ones.

    The deviations go into its kernel. What the means add to every place where the kernel does not
    reach beyond the image, the statistics of its norm are moved by.
    """
    mean, deviation = np.asarray(pixels, np.float32)[..., None]
    kernel = variables["params"][first]["kernel"] / deviation
    added = (kernel * (_MIDDLE - mean)).sum(axis=(0, 1, 2))
    variables["params"][first]["kernel"] = kernel
    statistics = variables["batch_stats"][first]
    statistics["mean"] = statistics["mean"] - added


def placed(variables: Mapping[str, Any], abstract: TrainState) -> dict[str, jax.Array]:
    """`variables` by their full names, of the types and on the devices that `abstract` names.

    Raises:
        InputError: an array has another shape; names it.
    """
    wanted = trees.flatten(abstract.variables)
    arrays = {}
    for name, x in trees.flatten(variables).items():
        if x.shape != wanted[name].shape:
            raise InputError(f"{name} has shape {x.shape}, expected {wanted[name].shape}")
        arrays[name] = jax.device_put(x.astype(wanted[name].dtype), wanted[name].sharding)
    return arrays


def fitted(system: System, state: TrainState, batch: Mapping[str, jax.Array]) -> TrainState:
    """`state` with random variables after a look at the first batch, laid out as they were."""
    found = jax.jit(system.fitted)(state.variables, batch)
    placed = jax.tree.map(
        lambda old, new: jax.device_put(new, old.sharding), state.variables, found
    )
    return dataclasses.replace(state, **placed)
