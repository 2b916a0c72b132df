"""Opens what was trained: a run, finished or going on, or a file; the model and its variables."""

import dataclasses
import json
import pathlib
from typing import Any

import jax
import optax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict

from htt_jax.data.records import RecordSource
from htt_jax.devices import sharding
from htt_jax.interop import adam, imported, stablehlo
from htt_jax.models.htt import HTT
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.config import make_model
from htt_jax.runs.directory import (
    CHECKPOINTS,
    DatasetFacts,
    Run,
    exported_facts,
    from_json,
    read,
)
from htt_jax.support.errors import InputError
from htt_jax.training import initialise
from htt_jax.training import optimizer as optim
from htt_jax.training.step import Applicable


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What the commands that come after training need.

    Attributes:
        workdir: of the run, or the file it was exported to.
        description: config, dataset, where it began.
        model: of `config` and `dataset`; an exported program has the same `apply`.
        variables: what `model.apply` takes, on every device of the mesh it was opened for.
        step: of the checkpoint the variables come from.
    """

    workdir: str
    description: Run
    model: Applicable
    variables: dict[str, Any]
    step: int

    @property
    def config(self) -> ConfigDict:
        """What it was trained with."""
        return self.description.config

    @property
    def dataset(self) -> DatasetFacts:
        """What it was trained on."""
        return self.description.dataset


def open_run(workdir: epath.PathLike, step: int | None, mesh: Mesh) -> TrainedRun:
    """The run in `workdir` with the variables of `step`, or of the best checkpoint.

    Nothing in `workdir` is changed, and it may be of a run that is still going on.

    Raises:
        InputError: there is no run, no such checkpoint, or it cannot be read.
    """
    run = read(workdir)
    model = make_model(run.config, run.dataset)
    model = model.clone(rematerialise=False)  # there is no gradient to compute
    # Adam's moments stay unread, so any optimizer will do.
    abstract = initialise.abstract_state(model, optax.identity(), mesh)
    with _checkpoints(workdir, run) as checkpoints:
        found, variables = checkpoints.restore_variables(abstract.variables, step)
    return TrainedRun(str(workdir), run, model, variables, found)


def read_moments(run: TrainedRun) -> adam.Moments:
    """Adam's moments of the checkpoint that `run` was opened with.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    assert isinstance(run.model, HTT)
    optimizer = optim.adam(optax.constant_schedule(0.0))
    mesh = jax.tree.leaves(run.variables)[0].sharding.mesh
    abstract = initialise.abstract_state(run.model, optimizer, mesh)
    with _checkpoints(run.workdir, run.description) as checkpoints:
        state = checkpoints.restore_state(abstract, run.step)
    found = jax.device_get(optim.moments(state.opt_state))
    return adam.Moments(int(found.count), _learning_rate(run), found.mu, found.nu)


def _learning_rate(run: TrainedRun) -> float:
    """Of the step behind the checkpoint's; the first one's where epochs cannot be told."""
    steps = run.description.steps_per_epoch
    if steps is None:
        return run.config.optimizer.learning_rate
    return float(optim.step_decay(**run.config.optimizer, steps_per_epoch=steps)(run.step))


def metrics(run: TrainedRun) -> dict[str, float]:
    """The headline of the evaluation that the run's checkpoint was saved with, if any."""
    with _checkpoints(run.workdir, run.description) as checkpoints:
        return checkpoints.metrics(run.step)


def open_any(path: epath.PathLike, step: int | None, mesh: Mesh) -> TrainedRun:
    """The model of a run's directory, or of a file that was exported from one or from PyTorch.

    Args:
        path: a run's directory, `.pth`, `.safetensors` or `.stablehlo`.
        step: of the checkpoint; None for the best one. A file holds just one.
        mesh: where the variables are to lie.

    Raises:
        InputError: there is no such thing, or it cannot be read.
    """
    if not str(path):  # which is the folder one is in, as a path
        raise InputError("no run is named; name a run's folder or a file of weights")
    if epath.Path(path).is_dir():
        return open_run(path, step, mesh)
    if not epath.Path(path).exists():
        raise InputError(f"no such run or file: {path}; name a run's folder or a file of weights")
    if step is not None:
        raise InputError(f"{path} holds one checkpoint; leave step {step} away")
    if epath.Path(path).suffix == stablehlo.SUFFIX:
        return _open_program(pathlib.Path(path), mesh)
    if epath.Path(path).suffix == ".onnx":
        raise InputError(f"{path} is for ONNX runtimes; name the run it was exported from")
    found = imported.read(str(path))
    run = imported.make_run(found, found.default_config(), None)
    return TrainedRun(
        str(path),
        run,
        make_model(run.config, run.dataset),
        jax.device_put(found.variables, sharding.replicated(mesh)),
        found.step or (found.moments.steps if found.moments else 0),
    )


def _checkpoints(workdir: epath.PathLike, run: Run) -> Checkpoints:
    return Checkpoints(
        epath.Path(workdir) / CHECKPOINTS,
        keep=run.config.checkpoint.keep,
        best_metric=run.config.checkpoint.best_metric,
        read_only=True,
    )


def _open_program(path: pathlib.Path, mesh: Mesh) -> TrainedRun:
    program = stablehlo.read(path)
    text = json.dumps(program.facts)
    run = from_json(text, str(path))
    variables = jax.device_put(program.variables, sharding.replicated(mesh))
    step = exported_facts(text, str(path)).step
    return TrainedRun(str(path), run, program, variables, step or 0)


def check_same_classes(trained_on: DatasetFacts, source: RecordSource) -> None:
    """Checks that a split has the hands and classes that a model was trained for.

    Raises:
        InputError: names the first difference.
    """
    where = f"{source.directory} does not fit the run"
    if source.spec.name != trained_on.name:
        raise InputError(
            f"{where}: it holds {source.spec.title}, the run was trained on "
            f"{trained_on.spec.title}; give another --data or --workdir"
        )
    trained = trained_on.spec
    if (source.spec.hands, source.spec.skeleton) != (trained.hands, trained.skeleton):
        raise InputError(
            f"{where}: its hands or their joints are others than those the run was trained on; "
            "give another --data or --workdir"
        )
    for kind, here, there in (
        ("action", source.action_names, trained_on.action_names),
        ("object", source.object_names, trained_on.object_names),
    ):
        if len(here) != len(there):
            raise InputError(
                f"{where}: it has {len(here)} {kind} classes, the run was trained on "
                f"{len(there)}; give another --data or --workdir"
            )
        for number, (found, expected) in enumerate(zip(here, there, strict=True)):
            if found != expected:
                raise InputError(
                    f"{where}: {kind} class {number} is {found!r}, the run was trained with "
                    f"{expected!r}; give another --data or --workdir"
                )
