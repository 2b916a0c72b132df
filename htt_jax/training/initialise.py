"""The state a run starts from."""

import dataclasses
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax.sharding import AbstractMesh, Mesh

from htt_jax import augment
from htt_jax.devices import sharding
from htt_jax.interop import pytorch, weights
from htt_jax.models.htt import HTT
from htt_jax.models.resnet import ResNet18
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.training.step import TrainState, create_state


def abstract_state(
    model: HTT, optimizer: optax.GradientTransformation, mesh: Mesh | AbstractMesh
) -> TrainState:
    """Shape, type and place on the devices of each array of the state; nothing is computed."""
    shapes = jax.eval_shape(lambda: _random_state(model, optimizer, seed=0))
    return jax.tree.map(
        lambda x, placed: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed),
        shapes,
        sharding.state_shardings(mesh, shapes),
    )


def random_state(
    model: HTT, optimizer: optax.GradientTransformation, seed: int, abstract: TrainState
) -> TrainState:
    """A state of random parameters, a pure function of `seed`, made where `abstract` places it."""
    shardings = jax.tree.map(lambda x: x.sharding, abstract)
    return jax.jit(lambda: _random_state(model, optimizer, seed), out_shardings=shardings)()


def pretrained_backbone(path: str, model: HTT) -> dict[str, Any]:
    """Variables of the model's backbone from an ImageNet file of torchvision's or timm's.

    Raises:
        InputError: the file is missing, or its tensors are not those of the model's backbone.
    """
    if not pathlib.Path(path).exists():
        raise InputError(
            f"no ImageNet weights at config.init.backbone={path}: save model.safetensors of "
            "https://huggingface.co/timm/resnet18.tv_in1k there, or train from random weights with "
            "--config.init.backbone="
        )
    if model.backbone_width != 64:
        raise InputError(
            f"config.init.backbone={path} holds a ResNet-18 of width 64, "
            f"config.model.backbone_width is {model.backbone_width}; start it from random weights "
            "with --config.init.backbone="
        )
    return pytorch.backbone_variables(weights.read(path).tensors, path)


def with_variables(state: TrainState, variables: Mapping[str, Any]) -> TrainState:
    """`state` with some variables replaced, laid out on the devices as they were.

    Raises:
        InputError: an array has another shape; names it.
    """
    arrays = trees.flatten(state.variables)
    for name, new in trees.flatten(variables).items():
        old = arrays[name]
        if old.shape != new.shape:
            raise InputError(f"{name} has shape {new.shape}, expected {old.shape}")
        arrays[name] = jax.device_put(new.astype(old.dtype), old.sharding)
    return dataclasses.replace(state, **trees.unflatten(arrays))


def with_measured_statistics(
    model: HTT, state: TrainState, batch: Mapping[str, jax.Array]
) -> TrainState:
    """`state` with batch-norm statistics measured, layer after layer, on a uint8 batch.

    Frozen statistics normalise nothing unless they fit the weights; those of random weights are
    measured once, here.
    """
    backbone = ResNet18(model.backbone_width, calibrate=True, dtype=model.dtype)

    def measure(params: Any, batch: Mapping[str, jax.Array]) -> Any:
        # Every place of every clip, padding too: how many slots repeat a frame depends on devices.
        frames = augment.to_inputs(batch)["image"][batch["slot"].reshape(-1)]
        variables = {"params": params, "batch_stats": state.batch_stats["backbone"]}
        return backbone.apply(variables, frames, mutable=["batch_stats"])[1]["batch_stats"]

    statistics = jax.jit(measure)(state.params["backbone"], batch)
    return dataclasses.replace(
        state,
        batch_stats=jax.tree.map(
            lambda old, new: jax.device_put(new, old.sharding),
            state.batch_stats,
            {"backbone": statistics},
        ),
    )


def _random_state(model: HTT, optimizer: optax.GradientTransformation, seed: int) -> TrainState:
    frames = model.window
    variables = model.init(
        # The default generator would take XLA four times longer to compile for so many arrays.
        jax.random.key(seed, impl="rbg"),
        jnp.zeros((1, frames, 32, 32, 3)),  # parameters do not depend on the image's size
        jnp.ones((1, frames), bool),
        jnp.broadcast_to(jnp.eye(3), (1, frames, 3, 3)),
    )
    return create_state(variables, optimizer)
