"""Opens a finished or running training run: its model, with the variables of one checkpoint."""

import dataclasses
from typing import Any

import optax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict

from htt_jax import configuration, initialise, rundir
from htt_jax.checkpoint import Checkpoints
from htt_jax.data.records import RecordSource
from htt_jax.errors import InputError
from htt_jax.models.htt import HTT
from htt_jax.rundir import DatasetFacts


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What the commands that come after training need.

    Attributes:
        workdir: of the run.
        config: it was trained with.
        dataset: it was trained on.
        model: of `config` and `dataset`.
        variables: what `model.apply` takes, on every device of the mesh it was opened for.
        step: of the checkpoint the variables come from.
    """

    workdir: str
    config: ConfigDict
    dataset: DatasetFacts
    model: HTT
    variables: dict[str, Any]
    step: int


def open_run(workdir: epath.PathLike, step: int | None, mesh: Mesh) -> TrainedRun:
    """The run in `workdir` with the variables of `step`, or of the best checkpoint.

    Nothing in `workdir` is changed, and it may be of a run that is still going on.

    Raises:
        InputError: there is no run, no such checkpoint, or it cannot be read.
    """
    run = rundir.read(workdir)
    model = configuration.make_model(run.config, run.dataset)
    # Adam's moments stay unread, so any optimizer will do.
    abstract = initialise.abstract_state(model, optax.identity(), mesh)
    with Checkpoints(
        epath.Path(workdir) / rundir.CHECKPOINTS,
        keep=run.config.checkpoint.keep,
        best_metric=run.config.checkpoint.best_metric,
        read_only=True,
    ) as checkpoints:
        found, variables = checkpoints.restore_variables(abstract.variables, step)
    return TrainedRun(str(workdir), run.config, run.dataset, model, variables, found)


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
