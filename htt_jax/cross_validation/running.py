"""Trains on all folds but one, evaluates on that one, fold after fold; nothing is done twice."""

import dataclasses
import gc
import pathlib
from collections.abc import Mapping
from typing import Any

import jax
from ml_collections import ConfigDict

from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.data.views import HELD_OUT
from htt_jax.evaluation import one_run, tables
from htt_jax.runs.config import check, open_source
from htt_jax.runs.directory import Run, exists, read
from htt_jax.runs.kept import check_same_data, kept
from htt_jax.runs.options import options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train

FIGURES_FILE = "figures.json"


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
    _check_unseen(run, directory)
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
        check(config)
        found.append(config)
    return found


def _check_unseen(run: Run, directory: str) -> None:
    """Checks that a run does not begin from, or learn from, one that knows the videos to come."""
    seen = {run.dataset.fingerprint, RecordSource(directory, "train").fingerprint} - {None}
    values = trees.flatten(run.config.to_dict(), ".")
    for option in options_of(run.config.system):
        path = values[option.name] if option.path else None
        if path and exists(path) and read(path).dataset.fingerprint in seen:
            raise InputError(
                f"config.{option.name}={path} was trained on this dataset, so that no fold would "
                "be new to it; take a run that began with other weights"
            )


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
            raise InputError(f"fold {config.data.fold}: {error}") from error
        found = one_run.evaluate(str(folder), split=HELD_OUT, workers=workers)
        one_run.write(found, tables.evaluation_tables(found.report), evaluation)
        report = found.report
        return {
            "headline": report["headline"],
            "videos": report["results"]["action"]["per_video"],
            "action_names": report["dataset"]["action_names"],
        }

    check_same_data(folder, open_source(config, "train"))
    figures = kept(folder / FIGURES_FILE, config, find)
    jax.clear_caches()  # the next one's programs are others
    gc.collect()
    return Found(config, folder, evaluation, **figures)
