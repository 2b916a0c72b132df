"""The state a run starts from."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax

from htt_jax.interop import pytorch, weights
from htt_jax.models.htt import HTT
from htt_jax.runs.state import TrainState
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.systems import System


def pretrained_backbone(path: str, system: System) -> dict[str, Any]:
    """Variables of the model's backbone from an ImageNet file of torchvision's or timm's.

    Raises:
        InputError: the file is missing, or its tensors are not those of the model's backbone.
    """
    if not place(path).exists():
        raise InputError(
            f"no ImageNet weights at config.init.backbone={path}: save model.safetensors of "
            "https://huggingface.co/timm/resnet18.tv_in1k there, or train from random weights with "
            "--config.init.backbone="
        )
    model = system.model
    assert isinstance(model, HTT), "only HTT has the option"
    if model.backbone_width != 64:
        raise InputError(
            f"config.init.backbone={path} holds a ResNet-18 of width 64, "
            f"config.model.backbone_width is {model.backbone_width}; start it from random weights "
            "with --config.init.backbone="
        )
    found = pytorch.backbone_variables(weights.read(path).tensors, path)
    if system.reader.channels == 1:  # a grey picture would have the same in each
        first = found["params"]["conv1"]
        first["kernel"] = first["kernel"].sum(axis=2, keepdims=True)
    return found


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
