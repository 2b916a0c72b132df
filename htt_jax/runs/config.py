"""From a config to the objects it describes, with every mistake named."""

from typing import Any

import jax
from ml_collections import ConfigDict

from htt_jax import measures
from htt_jax.data.clips import ClipSpec
from htt_jax.devices.dtypes import AUTO, DTYPES
from htt_jax.models.htt import ACTION_INPUTS
from htt_jax.support.errors import InputError

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
)
_ABOVE_ZERO = ("optimizer.learning_rate", "optimizer.decay_factor")


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
    if config.checkpoint.best_metric not in measures.headline():
        raise InputError(
            f"config.checkpoint.best_metric={config.checkpoint.best_metric!r} must be one of "
            f"{', '.join(measures.headline())}"
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
    if config.model.dtype not in (*DTYPES, AUTO):
        raise InputError(
            f"config.model.dtype={config.model.dtype!r} must be one of {', '.join(DTYPES)}, {AUTO}"
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


def clip_spec(config: ConfigDict) -> ClipSpec:
    """How videos are cut into clips."""
    return ClipSpec(config.model.window, config.data.frames, config.data.spacing)


def load_options(config: ConfigDict) -> dict[str, Any]:
    """How this process loads its share of the clips, as `htt_jax.data.loader` takes it."""
    size = config.data.image_size
    return {
        "clips": clip_spec(config),
        "image_size": None if size is None else (size[0], size[1]),
        "workers": config.data.workers,
        "process_index": jax.process_index(),
        "process_count": jax.process_count(),
        "slot_multiple": jax.local_device_count(),
    }


def _lookup(config: ConfigDict, name: str) -> int:
    section = config
    for part in name.split("."):
        section = section[part]
    return section
