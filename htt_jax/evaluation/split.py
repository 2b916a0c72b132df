"""Runs a trained model over a prepared split: run, data, batches and progress, put together."""

import dataclasses
from collections.abc import Iterator

import jax
import numpy as np
from jax.sharding import Mesh

from htt_jax.data import loader
from htt_jax.data.records import RecordSource, read_metadata
from htt_jax.data.views import HELD_OUT
from htt_jax.devices import sharding
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.evaluation import results as evaluation
from htt_jax.evaluation.results import EvaluationStep
from htt_jax.runs.config import load_options, open_source
from htt_jax.runs.directory import read
from htt_jax.runs.opening import TrainedRun, check_same_classes, open_run
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place

_TEST = "test"


@dataclasses.dataclass(frozen=True)
class SplitInference:
    """A run, a split that fits it, and what meets every frame of the split exactly once.

    Attributes:
        run: the trained model.
        source: the split.
        directory: of the dataset, as it was named.
        step: a jitted function of (variables, batch) with all details, see `evaluation.results`.
        batches: of `htt_jax.data.loader.eval_batches` on all devices, once; they move a progress
            bar as they are used.
        mesh: the devices.
        batch_size: clips at a time, over all devices.
        workers: processes that load clips; 0 for threads of this process.
    """

    run: TrainedRun
    source: RecordSource
    directory: str
    step: EvaluationStep
    batches: Iterator[DeviceBatch]
    mesh: Mesh
    batch_size: int
    workers: int

    def outputs(self) -> Iterator[tuple[dict[str, np.ndarray], DeviceBatch]]:
        """What the step returns for each batch, on the host, and the batch."""
        return evaluation.outputs(self.step, self.run.variables, self.batches)

    def cut(
        self, *, first_frames: int | None = None, observed: float = 1.0, label: str
    ) -> "SplitInference":
        """The same for videos that end early: nothing of what comes later reaches the model.

        Args:
            first_frames: of each video.
            observed: share of each video.
            label: of the progress bar.
        """
        source = open_source(
            self.run.config,
            self.source.split,
            self.directory,
            first_frames=first_frames,
            observed=observed,
        )
        batches = _batches(self.run, source, self.mesh, self.batch_size, self.workers, label)
        return dataclasses.replace(self, source=source, batches=batches)


def usual_split(workdir: str, data: str | None = None) -> str:
    """The split to evaluate where none is named: test, or of a dataset without one the other.

    Of a run of one fold of a dataset, what it was not trained on.

    Args:
        workdir: of the run.
        data: the prepared dataset; None for the one the run was trained on.

    Raises:
        InputError: there is no run.
    """
    of_run = read(workdir).config.data
    if of_run.folds:
        return HELD_OUT
    directory = data or of_run.directory
    if not directory or not place(directory).is_dir():
        return _TEST  # what is missing is said where it is opened
    metadata = read_metadata(directory)
    return _TEST if _TEST in metadata.shard_lengths else metadata.spec.evaluation_split


def open_split(
    workdir: str,
    *,
    split: str,
    data: str | None = None,
    step: int | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    label: str,
) -> SplitInference:
    """Opens a run and a split, on all devices.

    Args:
        workdir: of the run.
        split: of the prepared dataset.
        data: the prepared dataset; None for the one the run was trained on.
        step: of the checkpoint; None for the best one.
        batch_size: clips at a time, over all devices; None for the run's evaluation batch size,
            rounded up to fill the devices.
        workers: processes that load clips; 0 for threads of this process.
        label: of the progress bar.

    Raises:
        InputError: no run, checkpoint or split there, or the dataset is of another kind.
    """
    mesh = sharding.make_mesh(fsdp=1)
    run = open_run(workdir, step, mesh)
    directory = data or run.config.data.directory
    if not directory:
        raise InputError(f"{workdir} names no dataset; name the prepared dataset with --data")
    if data is None and not place(directory).is_dir():
        # Of an imported run the config tells where a dataset would lie, not what was trained on.
        known = run.dataset.fingerprint is not None
        said = "the run was trained on" if known else f"{workdir} was imported; its config names"
        raise InputError(
            f"{said} {directory}, which is not there now; name the prepared dataset with --data"
        )
    source = open_source(run.config, split, directory)
    check_same_classes(run.dataset, source)
    if run.config.data.folds and source.fingerprint != run.dataset.fingerprint:
        raise InputError(
            f"{workdir} was trained on all but one fold of a dataset, and {directory} is another "
            "one, or was prepared again: its folds have videos that the run has seen; evaluate it "
            "on what it was trained on"
        )
    size = _batch_size(run, batch_size)
    return SplitInference(
        run=run,
        source=source,
        directory=directory,
        step=evaluation.make_evaluation_step(
            run.system, mesh, learned=run.learned_joints, details=True
        ),
        batches=_batches(run, source, mesh, size, workers, label),
        mesh=mesh,
        batch_size=size,
        workers=workers,
    )


def _batches(
    run: TrainedRun, source: RecordSource, mesh: Mesh, batch_size: int, workers: int, label: str
) -> Iterator[DeviceBatch]:
    batches = loader.eval_batches(
        source,
        **load_options(run.config) | {"image_size": run.dataset.image_size, "workers": workers},
        reader=run.system.reader,
        batch_size=batch_size,
    )
    return _with_progress(sharding.to_devices(mesh, batches), source, label)


def _batch_size(run: TrainedRun, wanted: int | None) -> int:
    devices = jax.device_count()
    if wanted is None:
        return -(-run.config.eval.batch_size // devices) * devices
    if wanted < 1 or wanted % devices:
        raise InputError(
            f"--batch_size={wanted} is not divisible by the {devices} devices; "
            "give each the same number of clips, at least one"
        )
    return wanted


def _with_progress(
    batches: Iterator[DeviceBatch], source: RecordSource, label: str
) -> Iterator[DeviceBatch]:
    with progress.bar(total=int(source.frame_counts.sum()), unit="frame", label=label) as bar:
        for batch in batches:
            yield batch
            bar.update(int(np.asarray(batch.arrays["valid"]).sum()))
