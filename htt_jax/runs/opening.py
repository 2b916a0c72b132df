"""Opens a run, finished or going on: its description, the model and its variables."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import optax
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict

from htt_jax import camera, systems
from htt_jax.data.records import RecordSource
from htt_jax.data.views_of_cameras import views
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.models.signature import Signature
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import (
    CHECKPOINTS,
    Run,
    read,
)
from htt_jax.runs.learned import learned_joints
from htt_jax.runs.state import abstract_state
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.systems import Applicable, System


@dataclasses.dataclass(frozen=True)
class TrainedRun:
    """What the commands that come after training need.

    Attributes:
        workdir: of the run, or the file it was exported to.
        description: config, dataset, where it began.
        system: of `config` and `dataset`; its model may be an exported program.
        variables: what the model takes, on every device of the mesh it was opened for.
        step: of the checkpoint the variables come from.
    """

    workdir: str
    description: Run
    system: System
    variables: dict[str, Any]
    step: int

    @property
    def model(self) -> Applicable:
        """The system's."""
        return self.system.model

    @property
    def told(self) -> tuple[str, ...]:
        """What it says something about: of 'pose', 'object' and 'action', see `systems.told`."""
        said = systems.told(self.system.outputs)
        return tuple(kind for kind in said if kind != "object" or self.dataset.has_objects)

    @property
    def learned_joints(self) -> str:
        """What of joints it has learned, as `DatasetSpec.joints` says."""
        return learned_joints(self.config, self.dataset.spec)

    @property
    def signature(self) -> Signature:
        """The system's, for this dataset."""
        return self.system.signature(self.dataset)

    def with_model(self, model: Applicable) -> "TrainedRun":
        """The same run, another form of its model."""
        return dataclasses.replace(self, system=self.system.with_model(model))

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
    config = run.config.copy_and_resolve_references()
    config.model.rematerialise = False  # there is no gradient to compute
    system = systems.make(config, run.dataset)
    # What the optimizer remembers stays unread, so any will do.
    abstract = abstract_state(system, optax.identity(), mesh)
    with open_checkpoints(workdir, run) as checkpoints:
        found, variables = checkpoints.restore_variables(abstract.variables, step)
    return TrainedRun(str(workdir), run, system, variables, found)


def metrics(run: TrainedRun) -> dict[str, float]:
    """The headline of the evaluation that the run's checkpoint was saved with, if any."""
    with open_checkpoints(run.workdir, run.description) as checkpoints:
        return checkpoints.metrics(run.step)


def open_checkpoints(workdir: epath.PathLike, run: Run) -> Checkpoints:
    """The checkpoints of a run, which may still be going on, to read only."""
    return Checkpoints(
        place(workdir) / CHECKPOINTS,
        keep=run.config.checkpoint.keep,
        best_metric=run.config.checkpoint.best_metric,
        read_only=True,
    )


def check_same_classes(trained_on: DatasetFacts, source: RecordSource) -> None:
    """Checks that a split has the hands and classes that a model was trained for.

    Raises:
        InputError: names the first difference.
    """
    difference = class_difference(trained_on, source)
    if source.spec.name != trained_on.name:
        difference = f"it holds {source.spec.title}, the run was trained on {trained_on.spec.title}"
    if difference:
        raise InputError(
            f"{source.directory} does not fit the run: {difference}; give another --data or "
            "--workdir"
        )


def view_difference(trained_on: DatasetFacts, source: RecordSource) -> str | None:
    """How a model would see a training split stretched otherwise than its own; None: it would not.

    Frames are brought to the size that it sees, whatever their shape. Where they come from one
    dataset, that is as it was trained; else one of its cameras, of all videos or of a sample, must
    see as wide for its height.
    """
    if trained_on.fingerprint == source.fingerprint:
        return None
    own: tuple[float, float]
    found: Mapping[str, tuple[float, float]]
    if source.camera == "depth":  # whose camera no dataset tells but in its records
        own, found = trained_on.image_size, {source.video_ids[0]: source.image_size}
    else:
        spec = trained_on.spec
        own, found = camera.view(spec.intrinsics, spec.native_size), views(source)
    # A run's dataset may have several cameras, of which it knows one.
    if any(camera.same_shape(own, seen) for seen in found.values()):
        return None
    video, seen = next(iter(found.items()))
    return (
        f"frames of its video {video!r} show {seen[0] / seen[1]:.2f} times as much across as "
        f"upwards, those the run was trained on {own[0] / own[1]:.2f} times, so that it would see "
        "them stretched"
    )


def class_difference(trained_on: DatasetFacts, source: RecordSource) -> str | None:
    """The first difference between the hands and classes of a run and of a split; None: none."""
    trained = trained_on.spec
    if (source.spec.hands, source.spec.skeleton) != (trained.hands, trained.skeleton):
        return "its hands or their joints are others than those the run was trained on"
    for kind, here, there in (
        ("action", source.action_names, trained_on.action_names),
        ("object", source.object_names, trained_on.object_names),
    ):
        if len(here) != len(there):
            return f"it has {len(here)} {kind} classes, the run was trained on {len(there)}"
        for number, (found, expected) in enumerate(zip(here, there, strict=True)):
            if found != expected:
                return f"{kind} class {number} is {found!r}, the run was trained with {expected!r}"
    return None
