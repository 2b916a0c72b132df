"""Trains on all folds but one, evaluates on that one, fold after fold; nothing is done twice."""

import dataclasses
import gc
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from htt_jax import systems
from htt_jax.data.views import HELD_OUT
from htt_jax.evaluation import one_run, tables
from htt_jax.runs.config import check, open_source
from htt_jax.runs.directory import Run, exists, newest_step, read
from htt_jax.runs.kept import FIGURES_FILE, check_same_data, kept
from htt_jax.runs.options import options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.training.input import open_labelled
from htt_jax.training.loop import train


@dataclasses.dataclass(frozen=True)
class Found:
    """What came out of a fold.

    Attributes:
        config: of its run.
        folder: of its run.
        evaluation: folder of what was measured on the videos kept from it.
        headline: figures of `htt_jax.measures`.
        videos: `per_video` of the action's results.
        action_names: of the classes.
    """

    config: ConfigDict
    folder: pathlib.Path
    evaluation: pathlib.Path
    headline: Mapping[str, float]
    videos: list[dict[str, Any]]
    action_names: list[str]


def configs(workdir: str, folds: int, data: str | None) -> list[ConfigDict]:
    """The config of each fold's run: that of a run, but for what it is trained on.

    Args:
        workdir: of the run.
        folds: how many.
        data: the prepared dataset; None: the run's own.

    Raises:
        InputError: there is no run, it has no dataset or recognises no actions, or it began from
            another run that has seen the same videos.
    """
    run = read(workdir)
    if "action" not in systems.told(systems.make(run.config, run.dataset).outputs):
        raise InputError(f"{workdir} recognises no actions, whose labels could be doubted")
    directory = data or run.config.data.directory
    if not directory:
        raise InputError(f"{workdir} names no dataset; name the prepared dataset with --data")
    _check_unseen(run)
    found = []
    for number in range(folds):
        config = run.config.copy_and_resolve_references()
        config.data.directory = directory
        config.data.held_out = 0
        config.data.folds, config.data.fold = folds, number
        config.eval.split = HELD_OUT
        # What the last step reaches is measured: the best of several on these videos flatters.
        config.eval.every_epochs = max(config.epochs, 1)
        config.checkpoint.keep = 1
        config.checkpoint.best_metric = "action_accuracy"  # which every fold can measure
        check(config)
        found.append(config)
    return found


def _check_unseen(run: Run) -> None:
    """Checks that no run that this one begins with, or learns from, can know the videos to come.

    A dataset of the same name is taken for the same: prepared again, it has other fingerprints.
    """
    for option, path in _others(run.config):
        if not exists(path):
            print(
                f"note: config.{option}={path}: nothing tells what these weights were trained on; "
                "of videos of this dataset, no fold is new to them",
                file=sys.stderr,
            )
            continue
        other = read(path)
        if other.dataset.name == run.dataset.name:
            raise InputError(
                f"config.{option}={path} was trained on {other.dataset.spec.title}, of which no "
                "fold would be new to it; take a run that began with other weights"
            )
        _check_unseen(dataclasses.replace(other, dataset=run.dataset))


def _others(config: ConfigDict) -> list[tuple[str, str]]:
    """Runs and files of whole models that a config names: the option, and the path."""
    values = trees.flatten(config.to_dict(), ".")
    named = [option.name for option in options_of(config.system) if option.path]
    of_models = [name for name in named if name.startswith("init.") and name != "init.backbone"]
    of_models += [name for name in named if name == "distill.teacher"]
    return [(name, values[name]) for name in of_models if values[name]]


def check_folds(configs: Sequence[ConfigDict]) -> None:
    """Checks the videos of all folds before hours of training.

    Raises:
        InputError: names the fold of which something cannot be trained or evaluated.
    """
    for config in configs:
        try:
            open_labelled(config)
            open_source(config, HELD_OUT)
        except InputError as error:
            raise _of_fold(config, error) from error


def _of_fold(config: ConfigDict, error: InputError) -> InputError:
    return InputError(f"fold {config.data.fold}: {error}")


def run(config: ConfigDict, folder: pathlib.Path, workers: int) -> Found:
    """Trains and evaluates a fold, unless that was done.

    Raises:
        InputError: as `train` and `evaluate`; the folder holds another run.
    """
    evaluation = folder / "evaluation" / HELD_OUT

    def find() -> dict[str, Any]:
        try:
            train(config, folder)
        except InputError as error:
            raise _of_fold(config, error) from error
        last = newest_step(folder)
        found = one_run.evaluate(str(folder), split=HELD_OUT, step=last, workers=workers)
        one_run.write(found, tables.evaluation_tables(found.report), evaluation)
        report = found.report
        return {
            "headline": report["headline"],
            "videos": report["results"]["action"]["per_video"],
            "action_names": report["dataset"]["action_names"],
        }

    check_same_data(folder / FIGURES_FILE, open_source(config, "train"))
    figures = kept(folder / FIGURES_FILE, config, find)
    jax.clear_caches()  # the next one's programs are others
    gc.collect()
    return Found(config, folder, evaluation, **figures)
