"""Runs the steps of a study, seed by seed; what is done is not done again."""

import gc
import pathlib
import sys
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import jax
from ml_collections import ConfigDict

from htt_jax.data.records import RecordSource
from htt_jax.depth_studies.plan import Step, options_of
from htt_jax.evaluation import one_run
from htt_jax.runs.config import check_options
from htt_jax.runs.directory import read
from htt_jax.runs.kept import FIGURES_FILE, check_same_data, kept
from htt_jax.runs.opening import open_checkpoints
from htt_jax.runs.options import get_config
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train

Figures: TypeAlias = dict[str, dict[str, float]]
"""'selected', 'last' and 'best': that checkpoint's headline on the test split, and its step."""


def run(
    steps: Sequence[Step],
    data: str,
    out: pathlib.Path,
    seeds: int,
    chosen: Mapping[str, Any],
) -> dict[str, list[Figures]]:
    """The figures of each step, seed after seed.

    Args:
        steps: each after those it starts from.
        data: the prepared dataset.
        out: folder of the study; a run for each seed and step.
        seeds: how many, from 0.
        chosen: options, see `plan.options_of`.

    Raises:
        InputError: as `train` and `evaluate`.
    """
    found: dict[str, list[Figures]] = {step.name: [] for step in steps}
    for seed in range(seeds):
        for number, step in enumerate(steps, 1):
            folder = out / f"seed{seed}" / step.name
            check_same_data(folder / FIGURES_FILE, RecordSource(data, "train"))
            print(f"seed {seed}, {number} of {len(steps)}: {step.title}", file=sys.stderr)
            found[step.name].append(
                _figures(step, configured(step, data, folder, seed, chosen), folder)
            )
            jax.clear_caches()  # the next one's programs are others
            gc.collect()
    return found


def configured(
    step: Step, data: str, folder: pathlib.Path, seed: int, chosen: Mapping[str, Any]
) -> ConfigDict:
    """The config of a step in `folder`, whose neighbours are the steps it starts from.

    Raises:
        InputError: there is no such option, or it cannot have that value.
    """
    config = get_config("depth")
    values = options_of(step, chosen)
    values |= {f"init.{part}": str(folder.parent / name) for part, name in step.starts_from.items()}
    values |= {"data.directory": data, "seed": values.get("seed", 0) + seed}
    for name, value in values.items():
        try:
            config.update_from_flattened_dict({name: value})
        except (KeyError, TypeError, AttributeError) as error:
            raise InputError(f"--set={name}={value} is no value of that option") from error
    config.checkpoint.keep = max(config.epochs, 1)  # all epochs, to see the best on the test set
    check_options(config)
    return config


def _figures(step: Step, config: ConfigDict, folder: pathlib.Path) -> Figures:
    """Trains and evaluates a step, unless that was done."""

    def find() -> Figures:
        train(config, folder)
        return _evaluated(step, folder)

    return kept(folder / FIGURES_FILE, config, find)


def _evaluated(step: Step, folder: pathlib.Path) -> Figures:
    with open_checkpoints(folder, read(folder)) as checkpoints:
        saved, selected = checkpoints.steps, checkpoints.best_step()
    assert selected is not None, "every run saves its last step"
    wanted = saved if step.is_joint else sorted({selected, saved[-1]})
    headlines: dict[int, dict[str, float]] = {}
    for number in wanted:
        evaluated = one_run.evaluate(str(folder), split="test", step=number)
        headlines[number] = evaluated.report["headline"] | {"step": number}
    figures = {"selected": headlines[selected], "last": headlines[saved[-1]]}
    if step.is_joint:
        figures["best"] = min(headlines.values(), key=lambda headline: headline["mepe"])
    return figures
