"""From a config to the objects it describes, with every mistake named."""

import dataclasses
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from htt_jax.augment import AugmentOptions
from htt_jax.losses import LossWeights
from htt_jax.models.htt import ACTION_INPUTS, HTT
from htt_jax.runs.checkpoint import SMALLER_IS_BETTER
from htt_jax.runs.directory import DatasetFacts
from htt_jax.support.errors import InputError

_DTYPES = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}
AUTO = "auto"
CACHES = ("none", "host", "device")
_AT_LEAST_ONE = (
    "epochs",
    "batch_size",
    "data.frames",
    "data.spacing",
    "model.window",
    "model.width",
    "model.heads",
    "model.mlp_width",
    "model.pose_layers",
    "model.action_layers",
    "model.backbone_width",
    "optimizer.decay_epochs",
    "checkpoint.every_steps",
    "checkpoint.keep",
    "eval.every_epochs",
    "eval.batch_size",
    "log.every_steps",
    "profile.steps",
)
_ABOVE_ZERO = ("optimizer.learning_rate", "optimizer.decay_factor")
_Options = TypeVar("_Options")


def check(config: ConfigDict) -> None:
    """Checks what no single part can see.

    Raises:
        InputError: names the option, its value and what it must be.
    """
    if not config.data.directory:
        raise InputError("no dataset: --config.data.directory is empty; name a prepared dataset")
    check_options(config)
    check_devices(config, jax.device_count())


def check_options(config: ConfigDict) -> None:
    """Checks what depends on neither the dataset nor the devices.

    Raises:
        InputError: names the option, its value and what it must be.
    """
    for name in _AT_LEAST_ONE:
        if _lookup(config, name) < 1:
            raise InputError(f"config.{name}={_lookup(config, name)} must be at least 1")
    for name in _ABOVE_ZERO:
        if not _lookup(config, name) > 0:
            raise InputError(f"config.{name}={_lookup(config, name)} must be above 0")
    _check_data(config)
    _check_model(config)
    if config.checkpoint.best_metric not in SMALLER_IS_BETTER:
        raise InputError(
            f"config.checkpoint.best_metric={config.checkpoint.best_metric!r} must be one of "
            f"{', '.join(SMALLER_IS_BETTER)}"
        )


def _check_data(config: ConfigDict) -> None:
    frames, window, size = config.data.frames, config.model.window, config.data.image_size
    if frames % window:
        raise InputError(
            f"config.data.frames={frames} is not a multiple of config.model.window={window}; "
            f"take {frames // window * window or window} frames"
        )
    if size is not None and (len(size) != 2 or not all(isinstance(x, int) and x > 0 for x in size)):
        raise InputError(
            f"config.data.image_size={tuple(size)} must be (width, height), both above 0"
        )
    if config.data.cache not in CACHES:
        raise InputError(
            f"config.data.cache={config.data.cache!r} must be one of {', '.join(CACHES)}"
        )
    if config.data.workers < 0:
        raise InputError(f"config.data.workers={config.data.workers} must be at least 0")


def _check_model(config: ConfigDict) -> None:
    if config.model.dtype not in (*_DTYPES, AUTO):
        raise InputError(
            f"config.model.dtype={config.model.dtype!r} must be one of {', '.join(_DTYPES)}, {AUTO}"
        )
    unknown = set(config.model.action_inputs) - set(ACTION_INPUTS)
    if unknown or not config.model.action_inputs:
        raise InputError(
            f"config.model.action_inputs={tuple(config.model.action_inputs)} must name one or "
            f"more of {', '.join(ACTION_INPUTS)}"
        )
    width, heads = config.model.width, config.model.heads
    if width % heads or width % 2:  # half of the position table is sines, half cosines
        raise InputError(
            f"config.model.width={width} must be even and a multiple of config.model.heads={heads}"
        )


def check_devices(config: ConfigDict, devices: int) -> None:
    """Checks that mesh and batches fit `devices` devices.

    Raises:
        InputError: they do not.
    """
    if config.mesh.fsdp < 1 or devices % config.mesh.fsdp:
        raise InputError(
            f"config.mesh.fsdp={config.mesh.fsdp} does not divide the {devices} devices"
        )
    for name in ("batch_size", "eval.batch_size"):
        if _lookup(config, name) % devices:
            raise InputError(
                f"config.{name}={_lookup(config, name)} is not divisible by the {devices} devices; "
                f"give each the same number of clips"
            )


def fast_dtype() -> str:
    """The type of computation that suits the devices at hand."""
    return "float32" if jax.default_backend() == "cpu" else "bfloat16"


def make_model(config: ConfigDict, dataset: DatasetFacts) -> HTT:
    """The model of `config` for the joints and classes of `dataset`."""
    dtype = fast_dtype() if config.model.dtype == AUTO else config.model.dtype
    options = config.model.to_dict() | {
        "dtype": _DTYPES[dtype],
        "action_inputs": tuple(config.model.action_inputs),
    }
    return HTT(
        num_joints=dataset.spec.num_joints,
        num_actions=len(dataset.action_names),
        num_objects=len(dataset.object_names),
        **options,
    )


def clip_options(config: ConfigDict) -> dict[str, int]:
    """How videos are cut into clips, as `htt_jax.data.loader` takes it."""
    return {
        "window": config.model.window,
        "frames": config.data.frames,
        "spacing": config.data.spacing,
    }


def load_options(config: ConfigDict) -> dict[str, Any]:
    """How this process loads its share of the clips, as `htt_jax.data.loader` takes it."""
    size = config.data.image_size
    return clip_options(config) | {
        "image_size": None if size is None else (size[0], size[1]),
        "workers": config.data.workers,
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
        "slot_multiple": jax.local_device_count(),
    }


def loss_weights(config: ConfigDict) -> LossWeights:
    """The factors of the loss terms."""
    return _from_section(LossWeights, config.loss)


def augment_options(config: ConfigDict) -> AugmentOptions | None:
    """The ranges of the augmentation; None when it is off."""
    return _from_section(AugmentOptions, config.augment) if config.augment.enabled else None


def _from_section(cls: type[_Options], section: ConfigDict) -> _Options:
    """A dataclass from the options of its fields' names."""
    names = [field.name for field in dataclasses.fields(cls)]  # type: ignore[arg-type]
    return cls(**{name: section[name] for name in names})


def _lookup(config: ConfigDict, name: str) -> int:
    section = config
    for part in name.split("."):
        section = section[part]
    return section
