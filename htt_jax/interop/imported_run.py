"""Writes a file of PyTorch weights as the directory of a run."""

import dataclasses
import pathlib
import tempfile

import jax
import jax.numpy as jnp
import optax
from etils import epath

from htt_jax import systems
from htt_jax.interop.imported import Imported
from htt_jax.optimizer import with_moments
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import CHECKPOINTS, Run, check_holds_checkpoints, start
from htt_jax.runs.state import TrainState, create_state
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable, explained_writes, make_folder
from htt_jax.support.paths import BucketPath, place


def write_run(found: Imported, run: Run, workdir: epath.Path) -> int:
    """Writes the run's directory, whole or not at all; returns its checkpoint's step.

    Half of one in a bucket holds no run (see `directory.exists`), but must be removed first.

    Args:
        found: the file.
        run: it is taken as, see `imported.make_run`.
        workdir: must not exist yet, or be empty.

    Raises:
        InputError: there is something in `workdir`, or it cannot be written.
    """
    check_new(workdir)
    state = _state(found, run)
    if isinstance(workdir, BucketPath):
        _write(workdir, run, state)
        return int(state.step)
    make_folder(workdir.parent)
    final = pathlib.Path(workdir).resolve()
    with (
        explained_writes(final),
        tempfile.TemporaryDirectory(dir=final.parent, prefix=f".{final.name}.") as folder,
    ):
        written = place(folder) / final.name
        _write(written, run, state)
        pathlib.Path(written).replace(final)
    return int(state.step)


def _write(workdir: epath.Path, run: Run, state: TrainState) -> None:
    start(workdir, run)
    with Checkpoints(
        workdir / CHECKPOINTS,
        keep=run.config.checkpoint.keep,
        best_metric=run.config.checkpoint.best_metric,
    ) as checkpoints:
        checkpoints.save(int(state.step), state)


def check_new(workdir: epath.Path) -> None:
    """Checks, before the work, that a run can be written to `workdir`.

    Raises:
        InputError: there is something in it, or it cannot be written.
    """
    check_holds_checkpoints(workdir)
    check_writable(workdir if isinstance(workdir, BucketPath) else workdir.parent)
    if workdir.exists() and (not workdir.is_dir() or any(workdir.iterdir())):
        raise InputError(
            f"{workdir} exists and is not an empty folder; name a new folder with --out"
        )


def _state(found: Imported, run: Run) -> TrainState:
    """The state of a run that has come as far as the file."""
    system = systems.make(run.config, run.dataset)
    optimizer = system.optimizer(optax.constant_schedule(run.config.optimizer.learning_rate))
    state = create_state(jax.tree.map(jnp.asarray, found.variables), optimizer)
    if found.moments is None:
        return state
    assert run.config.training.optimizer == "adam", "see Imported.for_optimizer"
    step = _step(found, run)
    adam_state = optax.ScaleByAdamState(
        count=jnp.asarray(found.moments.steps, jnp.int32),
        mu=jax.tree.map(jnp.asarray, found.moments.mean),
        nu=jax.tree.map(jnp.asarray, found.moments.square),
    )
    return dataclasses.replace(
        state,
        step=jnp.asarray(step, jnp.int32),
        opt_state=with_moments(state.opt_state, adam_state, step),
    )


def _step(found: Imported, run: Run) -> int:
    """Where the run's schedule and data go on."""
    assert found.moments is not None
    before = found.exported_run
    if before and before.steps_per_epoch in (None, run.steps_per_epoch) and found.step is not None:
        return found.step
    if run.steps_per_epoch is None or found.file.epoch is None:
        return found.moments.steps
    return found.file.epoch * run.steps_per_epoch
