"""The runs of studies: their configs, where they lie, how one is made."""

import dataclasses
import gc
import pathlib
import shlex
import time
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
from ml_collections import ConfigDict

from benchmarks import measure as machines
from benchmarks.ablation import claims, forecasts
from benchmarks.ablation.records import record_of
from benchmarks.ablation.scales import Scale
from benchmarks.ablation.study import TEACHER, Row, Study
from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.devices import failures
from htt_jax.evaluation import one_run
from htt_jax.runs import kept
from htt_jax.runs.config import check_options, open_source
from htt_jax.runs.directory import exists
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.files import make_folder
from htt_jax.support.paths import place
from htt_jax.training.loop import train

RUNS = "runs"
WORKDIR = "workdir"


@dataclasses.dataclass(frozen=True)
class Setting:
    """What all runs of a folder have in common.

    Attributes:
        scale: of the studies.
        out: the folder.
        data: the prepared dataset.
        dataset: its name, such as 'fpha'.
    """

    scale: Scale
    out: pathlib.Path
    data: str
    dataset: str

    def folder(self, name: str) -> pathlib.Path:
        """Of the run of that name."""
        return self.out / RUNS / name


@dataclasses.dataclass(frozen=True)
class Run:
    """A model trained from one seed.

    Attributes:
        options: in which it differs from the model of the scale.
        seed: of weights, order of clips and augmentation.
    """

    options: Mapping[str, Any]
    seed: int

    @property
    def name(self) -> str:
        """Of its folder, told by the options: rows of two studies may be the same model."""
        told = [f"{name}={_told(value)}" for name, value in sorted(self.options.items())]
        return ",".join([*(told or ["full"]), f"seed={self.seed}"])

    @property
    def teacher(self) -> str | None:
        """The name of the run that teaches it; None: it has no teacher."""
        return f"{self.options[TEACHER]},seed={self.seed}" if TEACHER in self.options else None


def _told(value: Any) -> str:
    if isinstance(value, str):
        return pathlib.PurePath(value).name  # of a file
    return "+".join(map(str, value)) if isinstance(value, tuple) else str(value)


def runs_of(studies: Iterable[Study], seeds: int) -> list[Run]:
    """Each run once; those of the first seed come first, those that are taught last of a seed."""
    rows = [row for study in studies for row in study.rows]
    rows.sort(key=lambda row: TEACHER in row.options)
    runs = [Run(row.options, seed) for seed in range(seeds) for row in rows]
    return list({run.name: run for run in runs}.values())


def configured(setting: Setting, run: Run) -> ConfigDict:
    """The config of a run, whose teacher it has by the name of its run, see `placed`.

    Raises:
        InputError: it cannot be trained.
    """
    config = setting.scale.config(setting.dataset)
    given = {"data.directory": setting.data, "seed": run.seed, TEACHER: run.teacher or ""}
    config.update_from_flattened_dict(dict(run.options) | given)
    check_options(config)
    return config


def placed(setting: Setting, run: Run) -> ConfigDict:
    """The same as it is trained: with the folder of its teacher, wherever --out lies."""
    config = configured(setting, run)
    if run.teacher is not None:
        config.distill.teacher = str(setting.folder(run.teacher) / WORKDIR)
    return config


def check(setting: Setting, runs: Sequence[Run]) -> None:
    """Checks, before hours of work, what would stop runs; also those that are there.

    Raises:
        InputError: the dataset given has not what a run needs, weights are missing, or a run in the
            folder was made with other options.
    """
    configs = [configured(setting, run) for run in runs]
    if not setting.scale.dataset:
        source = open_source(configs[0], "train", setting.data)
        for config in configs:
            _check_source(config, source)
    for run, config in zip(runs, configs, strict=True):
        weights = config.init.backbone
        if weights and not place(weights).exists():
            raise InputError(
                f"config.init.backbone={weights} of {setting.scale.config_file(setting.dataset)} "
                "is missing; docs/train.md tells where it comes from"
            )
        record(setting, run)


def _check_source(config: ConfigDict, source: RecordSource) -> None:
    try:
        systems.check_source(config, source)
    except InputError as error:
        raise InputError(f"{error}; or name the studies that can be made, with --study") from None


def record(setting: Setting, run: Run) -> dict[str, Any] | None:
    """What was found of a run; None if it is not done.

    Raises:
        InputError: it was made with other options.
    """
    folder = setting.folder(run.name)
    if not claims.is_done(folder):
        return None
    return kept.read(folder / claims.RECORD, configured(setting, run))


def attempt(setting: Setting, run: Run) -> str | None:
    """Performs a run; why it failed, where that is no reason against the next one.

    Such are a loss that is not finite, and a model that is too large for the device.
    """
    reason = _failure(setting, run)
    jax.clear_caches()  # the next one's programs are others
    gc.collect()
    return reason


def _failure(setting: Setting, run: Run) -> str | None:
    try:
        perform(setting, run)
    except InputError as error:
        return str(error)
    except Exception as error:
        if not failures.is_of_memory(error):
            raise
        return f"too little memory: {failures.text(error)}"
    return None


def perform(setting: Setting, run: Run) -> None:
    """Trains, from where it was stopped, and evaluates."""
    folder = setting.folder(run.name)
    workdir = folder / WORKDIR
    config = configured(setting, run)

    def find() -> dict[str, Any]:
        is_new, start = not exists(workdir), time.perf_counter()
        train(placed(setting, run), workdir)
        split = config.eval.split
        evaluation = one_run.evaluate(str(workdir), split=split, early=True)
        of_split = workdir / "evaluation" / split
        make_folder(of_split)
        one_run.write_results(evaluation, of_split)
        seconds = time.perf_counter() - start
        return record_of(evaluation.report, evaluation.estimates) | {
            "seconds": seconds if is_new else None,
            "machine": _machine(),
            "forecast": forecasts.figures(evaluation, RecordSource(setting.data, "train")),
        }

    kept.kept(folder / claims.RECORD, config, find)


def _machine() -> str:
    found, device = machines.machine(), jax.devices()[0].device_kind
    host = f"{found['cores']} cores, {found['cpu']}"
    return host if device == "cpu" else f"{device}, {host}"


def whole_command(setting: Setting, study: str, seeds: int) -> str:
    """What makes all runs of a study, and its tables."""
    parts = ["python", "-m", "benchmarks.ablations", f"--scale={setting.scale.name}"]
    parts += ["--study", study, f"--seeds={seeds}", f"--out={setting.out}"]
    if not setting.scale.dataset:
        parts.append(f"--data={setting.data}")
    return shlex.join(parts)


def commands(setting: Setting, row: Row, seeds: int) -> list[str]:
    """What makes the runs of a row one by one."""
    run = Run(row.options, 0)
    started = trees.flatten(setting.scale.file(setting.dataset).to_dict(), ".")
    wanted = trees.flatten(configured(setting, run).to_dict(), ".")
    options = [
        shlex.quote(f"--config.{name}={value}")
        for name, value in wanted.items()
        if value != started[name] and name not in ("seed", TEACHER)
    ]
    if run.teacher is not None:
        options.append(f"--config.{TEACHER}={_of_each_seed(setting, run.teacher)}")
    workdir = f"--workdir={_of_each_seed(setting, run.name)}"
    file = setting.scale.config_file(setting.dataset)
    return [
        f"for seed in {' '.join(map(str, range(seeds)))}; do",
        f"  python -m htt_jax.train --config={file} {workdir} \\",
        "    " + " \\\n    ".join(["--config.seed=$seed", *options]),
        f"  python -m htt_jax.evaluate {workdir} --split={wanted['eval.split']} --early",
        "done",
    ]


def _of_each_seed(setting: Setting, name: str) -> str:
    """The folder of the run of that name, of seed 0, in a shell's loop over seeds."""
    return shlex.quote(f"{setting.folder(name)}".removesuffix("0")) + f"$seed/{WORKDIR}"
