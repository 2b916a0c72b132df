"""Every option once: its default, what it is, what it may be, and where it makes a difference.

The defaults are the paper's where the paper has one (Sec. 3.4). A config file starts from them:

    from htt_jax.runs.options import get_config

and any option is overridden on the command line: `--config.optimizer.learning_rate=1e-4`.
"""

import dataclasses
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from htt_jax.devices.dtypes import AUTO, DTYPES
from htt_jax.models.htt import ACTION_INPUTS, pose_scales
from htt_jax.support import trees


@dataclasses.dataclass(frozen=True)
class Option:
    """One option of a run.

    Attributes:
        name: with its section: 'data.frames'.
        default: its value before anybody sets it; None if there is none.
        help: what it is, with its unit.
        type: of its values; needed only where the default does not tell it.
        least: the smallest number it may be; None: any.
        above: the number it must be above; None: any.
        choices: what it, or each of its names, may be; empty: anything.
        free: whether it may change from one start of a run to the next, as what it changes is not
            what is computed.
        compared: whether runs that differ in it are different experiments, not the same one made
            elsewhere, faster, or with another draw of chance.
    """

    name: str
    default: Any
    help: str
    type: Any = None
    _: dataclasses.KW_ONLY
    least: float | None = None
    above: float | None = None
    choices: Collection[str] = ()
    free: bool = False
    compared: bool = True

    @property
    def kind(self) -> Any:
        """The type of its values: bool, int, float, str, tuple[int, int] or tuple[str, ...]."""
        return self.type or type(self.default)


def _way(name: str, default: Any, help: str, type: Any = None, **more: Any) -> Option:
    """An option of how and where a run is made, not of what it computes."""
    return Option(name, default, help, type, free=True, compared=False, **more)


OPTIONS: tuple[Option, ...] = (
    Option("system", "htt", "what is trained: a module of htt_jax.systems"),
    Option("seed", 0, "of initial weights, data order and augmentation", compared=False),
    Option("epochs", 45, "passes over all training clips", least=1, free=True),
    Option("batch_size", 2, "clips a step, over all devices", least=1),
    # Data
    _way("data.directory", None, "what data_prep wrote", str),
    Option("data.frames", 128, "T, frames of a clip", least=1),
    Option("data.spacing", 2, "raw frames from one frame of a clip to the next", least=1),
    Option("data.image_size", None, "(width, height); None: as stored", tuple[int, int]),
    _way(
        "data.cache",
        "none",
        'Decoded training frames: "none"; "host": kept in memory; "device": kept by the devices, '
        "split over them. FPHA takes about 20 GB at 480x270. The batches are the same.",
        choices=("none", "host", "device"),
    ),
    _way(
        "data.workers",
        0,
        "loader processes on this host; 0: threads, which copy less",
        least=0,
    ),
    # Model
    Option("model.window", 16, "t, frames of a pose window; 1: no pose block (Tab. 4)", least=1),
    Option("model.width", 512, "d, of every token", least=1),
    Option("model.heads", 8, "of every attention", least=1),
    Option("model.mlp_width", 2048, "between the two layers of each feed-forward part", least=1),
    Option("model.pose_layers", 2, "of the pose block", least=1),
    Option("model.action_layers", 2, "of the action block", least=1),
    Option("model.cascaded", True, "False: both blocks read the frame features (Tab. 5)"),
    Option(
        "model.action_inputs",
        ACTION_INPUTS,
        "any of the three (Eq. 5, Tab. 5)",
        tuple[str, ...],
        choices=ACTION_INPUTS,
    ),
    Option("model.backbone_width", 64, "channels of the ResNet's first stage", least=1),
    _way(
        "model.rematerialise",
        False,
        "Compute the backbone's activations again for the gradient, 64 frames at a time, instead "
        "of keeping them: 5.7 GB instead of 65 at T = 512 (two clips, float32), for a third more "
        "work. Not for processors, on which XLA's loops are slow.",
    ),
    Option(
        "model.dtype",
        AUTO,
        'Of the computation: "float32", "bfloat16", or "auto", which is bfloat16 on GPUs and TPUs '
        "and float32 on processors. Parameters, sums, poses and logits are float32.",
        choices=(*DTYPES, AUTO),
    ),
    # Initial weights
    Option(
        "init.backbone",
        "pretrained/resnet18.safetensors",
        "ImageNet weights: torchvision's or timm's resnet18 (.safetensors; .pth with torch "
        'installed). "": random weights, with batch-norm statistics measured on the first batch.',
        free=True,
    ),
    Option(
        "init.checkpoint",
        "",
        "A whole trained model to fine-tune, instead: a run's folder or a file of weights (its "
        'best checkpoint; parts of other joints or classes start random). "": none.',
        free=True,
    ),
    # Loss: lambda_2 lambda_1 etc. of Eq. 2 and 8, combined
    Option("loss.joints_2d", 1.0, "per pixel"),
    Option("loss.depth", 100.0, "per metre"),
    Option("loss.object", 1.0, "factor of the objects' cross-entropy"),
    Option("loss.action", 1.0, "factor of the action's cross-entropy"),
    Option("mask_unannotated_hands", True, "in loss and metrics; False: as the published code"),
    # Augmentation
    Option("augment.enabled", True, "False: none"),
    Option("augment.brightness", 0.5, "factor in 1 +- this"),
    Option("augment.contrast", 0.5, "factor in 1 +- this"),
    Option("augment.saturation", 0.5, "factor in 1 +- this"),
    Option("augment.hue", 0.15, "of the colour circle"),
    Option("augment.translation", 48, "pixels, each axis"),
    Option("augment.blur", 0.5, "largest deviation, pixels"),
    # Optimizer
    Option("optimizer.learning_rate", 3e-5, "of Adam, after the warm-up", above=0),
    Option("optimizer.warmup_steps", 0, "linear; random weights need some"),
    Option("optimizer.decay_factor", 0.5, "of the learning rate", above=0),
    Option("optimizer.decay_epochs", 15, "between two decays", least=1),
    # How the run is made
    _way("mesh.fsdp", 1, "devices that share one copy of the state; the others split the batch"),
    _way("checkpoint.every_steps", 2000, "between two checkpoints", least=1),
    _way("checkpoint.keep", 3, "the newest ones; the best one is kept besides", least=1),
    _way(
        "checkpoint.best_metric",
        "action_accuracy",
        "of `eval.split`; by which a checkpoint is the best",
    ),
    _way("eval.every_epochs", 5, "and after the last", least=1),
    _way("eval.split", "test", "evaluated in training"),
    _way("eval.batch_size", 4, "clips, over all devices", least=1),
    _way("log.every_steps", 20, "lines in metrics.jsonl and TensorBoard", least=1),
    _way("profile.first_step", 0, "traced into WORKDIR/profile, counted from 1; 0: none", least=0),
    _way("profile.steps", 5, "how many are traced", least=1),
)
"""All options, in the order in which they are read best."""

FORMER: tuple[Option, ...] = (
    Option("model.pixel_scale", 100.0, "pixels per raw unit of x and y"),
    Option("model.depth_scale", 1e-4, "metres per raw unit of z and pixel of focal length"),
)
"""Options that are none any more; runs that were begun with them keep their values."""


def get_config(options: Sequence[Option] = OPTIONS) -> ConfigDict:
    """The paper's settings (Sec. 3.4), without a dataset."""
    values = {option.name: _initial(option) for option in options}
    return ConfigDict(trees.unflatten(values, "."))


def without_derived(config: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A config, by full names, without the former options that say what the width does."""
    derived = {f"model.{name}": scale for name, scale in pose_scales(width).items()}
    return {name: x for name, x in config.items() if name not in derived or x != derived[name]}


def _initial(option: Option) -> Any:
    """The default; where there is none, what only a value of the option's type can replace."""
    if option.default is not None:
        return option.default
    return placeholder(getattr(option.kind, "__origin__", option.kind))  # tuple[int, int]: tuple
