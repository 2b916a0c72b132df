"""Every option: its default, what it is, what it may be, and where it makes a difference.

Those of all systems stand here, those of one system in its module of `htt_jax.systems`. The
defaults are the paper's where the paper has one (Sec. 3.4). A config file starts from them:

    from htt_jax.runs.options import get_config

and any option is overridden on the command line: `--config.optimizer.learning_rate=1e-4`.
"""

from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict
from ml_collections.config_dict import placeholder

from htt_jax import systems
from htt_jax.data.views import CAMERAS
from htt_jax.devices.dtypes import AUTO, DTYPES
from htt_jax.models.htt.frames import pose_scales
from htt_jax.support import trees
from htt_jax.support.options import Option, way

COMMON: tuple[Option, ...] = (
    Option("system", "htt", "what is trained: a module of htt_jax.systems"),
    Option(
        "seed",
        0,
        "of initial weights, data order and augmentation",
        least=0,
        most=2**32 - 1,
        compared=False,
    ),
    Option(
        "epochs", 45, "passes over all training clips; 0: it is evaluated only", least=0, free=True
    ),
    Option("batch_size", 2, "clips a step, over all devices", least=1),
    # Data
    way("data.directory", None, "what data_prep wrote", str, path=True),
    way(
        "data.local_copy",
        "",
        "a folder on this host's disk, to which the dataset is copied once, and read there",
        path=True,
    ),
    Option("data.frames", 128, "T, frames of a clip", least=1),
    Option("data.spacing", 2, "frames from one frame of a clip to the next", least=1),
    Option(
        "data.frame_rate",
        30.0,
        "Frames a second at which videos are seen, so that spacing / frame_rate is the time from "
        "one frame of a clip to the next: of faster videos frames are left out, of slower ones "
        "shown again. Where records do not tell their rate, as those of FPHA and H2O, it is this.",
        above=0,
        most=1000,
    ),
    Option(
        "data.starts",
        None,
        "Training clips begin at each raw frame of the first so many places of a clip; None: t, so "
        "that an epoch has more clips the longer the window is.",
        int,
        least=1,
    ),
    Option(
        "data.balance",
        "none",
        'Training clips that are drawn: "none": each once an epoch; "actions": in turn one of '
        "each action, so that those of rare ones come again sooner.",
        choices=("none", "actions"),
    ),
    Option("data.camera", "color", "whose frames, in whose space the joints are", choices=CAMERAS),
    Option("data.first_frames", None, "of each video; None: all", int, least=1),
    Option(
        "data.held_out",
        0,
        'training videos that are not trained on, but are --config.eval.split="held_out"',
        least=0,
    ),
    Option(
        "data.folds",
        0,
        "Parts into which the videos of all splits are divided, by subject, else by recording, to "
        "train on all but one; 0: none, splits are as they were prepared. `htt_jax.evaluate "
        "--folds` goes through all of them.",
        least=0,
    ),
    Option(
        "data.fold",
        0,
        'of data.folds, from 0: that which is not trained on but is --config.eval.split="held_out"',
        least=0,
    ),
    Option("data.image_size", None, "(width, height); None: as stored", tuple[int, int]),
    way(
        "data.cache",
        "none",
        'Decoded training frames: "none"; "host": kept in memory; "device": kept by the devices, '
        "split over them. FPHA takes about 20 GB at 480x270. The batches are the same.",
        choices=("none", "host", "device"),
    ),
    way(
        "data.workers",
        0,
        "loader processes on this host; 0: threads, which copy less",
        least=0,
    ),
    # Model
    Option(
        "model.window",
        16,
        "t, frames that are seen together; 1: none (HTT: no pose block, Tab. 4)",
        least=1,
    ),
    way(
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
        "init.checkpoint",
        "",
        "A whole trained model to fine-tune, instead: a run's folder or a file of weights (its "
        'best checkpoint; parts of other joints or classes start random). "": none.',
        free=True,
        path=True,
    ),
    # Loss and metrics
    Option("mask_unannotated_hands", True, "in loss and metrics; False: as the published code"),
    # Optimizer
    Option("optimizer.learning_rate", 3e-5, "after the warm-up", above=0),
    Option("optimizer.warmup_steps", 0, "linear; random weights need some", least=0),
    Option("optimizer.decay_factor", 0.5, "of the learning rate", above=0),
    Option("optimizer.decay_epochs", 15, "between two decays", least=1),
    # How the run is made
    way("mesh.fsdp", 1, "devices that share one copy of the state; the others split the batch"),
    way("checkpoint.every_steps", 2000, "between two checkpoints", least=1),
    way("checkpoint.keep", 3, "the newest ones; the best one is kept besides", least=1),
    way(
        "checkpoint.best_metric",
        "action_accuracy",
        "of `eval.split`; by which a checkpoint is the best",
    ),
    way("eval.every_epochs", 5, "and after the last", least=1),
    way(
        "eval.split",
        "test",
        'evaluated in training; "": "test", or "val" of a dataset that has no test',
    ),
    way("eval.batch_size", 4, "clips, over all devices", least=1),
    way("log.every_steps", 20, "lines in metrics.jsonl and TensorBoard", least=1),
    way("profile.first_step", 0, "traced into WORKDIR/profile, counted from 1; 0: none", least=0),
    way("profile.steps", 5, "how many are traced", least=1),
)
"""Of every system, in the order in which they are read best."""


def options_of(system: str) -> tuple[Option, ...]:
    """All options of a system's config.

    Raises:
        InputError: there is no such system.
    """
    own = systems.module(system).OPTIONS
    return (*COMMON, *(option for option in own if not option.former))


def former_options_of(system: str) -> tuple[Option, ...]:
    """What were options of a system once.

    Raises:
        InputError: there is no such system.
    """
    return tuple(option for option in systems.module(system).OPTIONS if option.former)


def get_config(system: str = "htt") -> ConfigDict:
    """The defaults of a system, without a dataset.

    Raises:
        InputError: there is no such system.
    """
    values = {option.name: _initial(option) for option in options_of(system)}
    return ConfigDict(trees.unflatten(values | {"system": system}, "."))


def without_derived(config: Mapping[str, Any], width: int) -> dict[str, Any]:
    """A config, by full names, without the former options that say what the width does."""
    derived = {f"model.{name}": scale for name, scale in pose_scales(width).items()}
    return {name: x for name, x in config.items() if name not in derived or x != derived[name]}


def _initial(option: Option) -> Any:
    """The default; where there is none, what only a value of the option's type can replace."""
    if option.default is not None:
        return option.default
    return placeholder(getattr(option.kind, "__origin__", option.kind))  # tuple[int, int]: tuple
