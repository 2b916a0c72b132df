"""From a config to the objects it describes, with every mistake named."""

import functools
import math
from typing import Any

import jax
from ml_collections import ConfigDict

from htt_jax import measures, systems
from htt_jax.data import local_copy
from htt_jax.data.clips import ClipSpec
from htt_jax.data.folds import Fold
from htt_jax.data.records import RecordSource
from htt_jax.data.views import HELD_OUT, View, open_view
from htt_jax.devices import sharding
from htt_jax.runs.options import former_options_of, options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.options import Option
from htt_jax.support.paths import expanded


def check(config: ConfigDict) -> None:
    """Checks what no single part can see.

    Raises:
        InputError: names the option, its value and what it must be.
    """
    if not config.data.directory:
        raise InputError("no dataset: --config.data.directory is empty; name a prepared dataset")
    check_options(config)
    check_devices(config, len(sharding.all_devices()))


def check_options(config: ConfigDict) -> None:
    """Checks what depends on neither the dataset nor the devices.

    Raises:
        InputError: names the option, its value and what it must be.
    """
    _check_names(config)
    for option in options_of(config.system):
        _check_value(option, _lookup(config, option.name))
    _check_best_metric(config.checkpoint.best_metric)
    _check_clips(config)
    _check_folds(config)
    systems.module(config.system).check(config)


def _check_names(config: ConfigDict) -> None:
    """A config file may have made its own, or be of another system."""
    system = config.system
    known = {option.name for option in options_of(system)}
    former = {option.name for option in former_options_of(system)}
    found = set(trees.flatten(config.to_dict(), "."))
    for name in sorted(found - known - former):
        raise InputError(f"config.{name} is no option of config.system={system}; remove it")
    for name in sorted(known - found):
        raise InputError(
            f"config.{name} is missing; begin the config with htt_jax.runs.options.get_config"
            f"({system!r})"
        )


def _check_value(option: Option, value: Any) -> None:
    """Checks the bounds and choices that the table of options has."""
    where = f"config.{option.name}={value!r}"
    if isinstance(value, float) and not math.isfinite(value):
        raise InputError(f"{where} must be a finite number")
    if value is None:
        return
    if option.least is not None and value < option.least:
        raise InputError(f"{where} must be at least {option.least}")
    if option.above is not None and not value > option.above:
        raise InputError(f"{where} must be above {option.above}")
    if option.below is not None and not value < option.below:
        raise InputError(f"{where} must be below {option.below}")
    if option.most is not None and value > option.most:
        raise InputError(f"{where} must be at most {option.most}")
    if option.kind == tuple[str, ...]:
        if not value or not set(value) <= set(option.choices):
            raise InputError(
                f"config.{option.name}={tuple(value)} must name one or more of "
                f"{', '.join(option.choices)}"
            )
    elif option.choices and value not in option.choices:
        raise InputError(f"{where} must be one of {', '.join(option.choices)}")


def _check_best_metric(name: str) -> None:
    known = measures.headline()  # asked now, since measures may have been added
    if name not in known:
        raise InputError(
            f"config.checkpoint.best_metric={name!r} must be one of {', '.join(known)}"
        )


def _check_clips(config: ConfigDict) -> None:
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


def _check_folds(config: ConfigDict) -> None:
    folds, fold, held_out = config.data.folds, config.data.fold, config.data.held_out
    if folds == 1:
        raise InputError("config.data.folds=1 leaves nothing to train on; take 2 or more, or 0")
    if fold and fold >= folds:
        most = f"less than config.data.folds={folds}" if folds else "0 without config.data.folds"
        raise InputError(f"config.data.fold={fold} must be {most}")
    if folds and held_out:
        raise InputError(
            f"config.data.held_out={held_out} and config.data.folds={folds} both choose videos "
            "that are not trained on; take one of them"
        )
    if folds and config.eval.split != HELD_OUT:
        raise InputError(
            f"config.eval.split={config.eval.split!r} has videos that config.data.folds={folds} "
            f"trains on; take {HELD_OUT!r}"
        )


def expand_paths(config: ConfigDict) -> None:
    """Puts the home folder in the place of `~` in every option that names a file or folder.

    Raises:
        InputError: there is no such home.
    """
    for option in options_of(config.system):
        value = _lookup(config, option.name) if option.path else None
        if value:
            config.update_from_flattened_dict({option.name: expanded(value)})


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
    of_data = config.data
    return ClipSpec(config.model.window, of_data.frames, of_data.spacing, of_data.starts)


_brought = functools.cache(local_copy.bring)  # a run opens several splits of one dataset


def open_source(
    config: ConfigDict,
    split: str,
    directory: str | None = None,
    *,
    first_frames: int | None = None,
    observed: float = 1.0,
) -> RecordSource:
    """A split as a run looks at it, of its own dataset unless another is named.

    Args:
        config: of the run.
        split: of the dataset.
        directory: the dataset; None: the run's own.
        first_frames: of each video, where the run does not look at fewer.
        observed: see `View`.

    Raises:
        InputError: as `htt_jax.data.views.open_view` and `htt_jax.data.local_copy.bring`.
    """
    first = [count for count in (config.data.first_frames, first_frames) if count is not None]
    view = View(
        config.data.camera,
        min(first, default=None),
        config.data.held_out,
        observed=observed,
        # There is no time in a clip of one frame.
        frame_rate=config.data.frame_rate if config.data.frames > 1 else None,
        fold=Fold(config.data.fold, config.data.folds) if config.data.folds else None,
    )
    where = directory or config.data.directory
    if config.data.local_copy:
        where = _brought(where, config.data.local_copy)
    return open_view(where, split, view)


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


def _lookup(config: ConfigDict, name: str) -> Any:
    section = config
    for part in name.split("."):
        section = section[part]
    return section
