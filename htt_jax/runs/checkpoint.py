"""Saving and restoring training states; the only importer of Orbax.

A checkpoint has two parts, so that evaluation need not read the optimizer's: `model` (params and
batch_stats) and `training` (step and what the optimizer remembers).
"""

import contextlib
import math
import os
import shlex
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import jax
import numpy as np
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint import v1 as ocp

from htt_jax import measures
from htt_jax.runs import checkpoint_metrics
from htt_jax.runs.directory import check_holds_checkpoints
from htt_jax.runs.state import TrainState
from htt_jax.support import trees
from htt_jax.support.closing import Closing
from htt_jax.support.errors import InputError
from htt_jax.support.files import NO_ROOM, remedy
from htt_jax.support.paths import BucketPath, place

_READ, _UNREADABLE, _ANOTHER_MODEL = range(3)  # what came of it, the worse the larger
_NO_STEP = 2**31 - 1
# Of a single process nothing needs to be merged: its part is the whole.
_MERGE = (
    'for own in */*/ocdbt.process_0; do [ -e "$own/../manifest.ocdbt" ] || '
    'mv "$own"/* "${own%/*}"; done'
)
_Result = TypeVar("_Result")


class Checkpoints(Closing):
    """The checkpoints of one run: the newest few and the best one."""

    def __init__(
        self, directory: epath.PathLike, *, keep: int, best_metric: str, read_only: bool = False
    ):
        """Opens, and creates if need be, `directory`.

        Args:
            directory: one sub-directory per step.
            keep: how many of the newest stay.
            best_metric: of `measures.headline`; the checkpoint with its best value stays too.
            read_only: nothing on disk is created or removed, so that a run which is writing
                there at this moment is left in peace.

        Raises:
            InputError: `read_only`, and there is no such directory, or a checkpoint's metrics are
                damaged.
        """
        check_holds_checkpoints(directory)
        if read_only and not place(directory).exists():
            raise InputError(f"no checkpoints: {directory} is missing; train first")
        _, error = _attempt(checkpoint_metrics.remove_damaged, place(directory), read_only)
        if _largest(error is not None):  # all processes see the same, and end together
            said = str(error) if error else f"process 0 cannot open {directory}; see what it says"
            raise InputError(said) from error
        policies = ocp.training.preservation_policies
        self._checkpointer = ocp.training.Checkpointer(
            _for_orbax(directory),
            preservation_policy=policies.AnyPreservationPolicy(
                [policies.LatestN(keep), _best(best_metric)]
            ),
            cleanup_tmp_directories=not read_only,
        )
        logging.get_absl_logger().addFilter(_raised_too)
        self._best_metric = best_metric

    def close(self) -> None:
        """Waits until everything is on disk.

        Raises:
            InputError: it could not be written.
        """
        with self._explained_writes():
            self._checkpointer.close()

    @property
    def steps(self) -> list[int]:
        """Steps with a checkpoint, ascending."""
        return [checkpoint.step for checkpoint in self._checkpointer.checkpoints]

    def best_step(self) -> int | None:
        """The step of the best checkpoint; the newest one where none was evaluated."""
        steps = {
            checkpoint.step: checkpoint.metrics[self._best_metric]
            for checkpoint in self._checkpointer.checkpoints
            if checkpoint.metrics and self._best_metric in checkpoint.metrics
        }
        if not steps:
            return max(self.steps, default=None)
        sign = -1 if measures.headline()[self._best_metric].smaller_is_better else 1
        return max(steps, key=lambda step: (sign * steps[step], step))

    def save(
        self, step: int, state: TrainState, metrics: Mapping[str, float] | None = None
    ) -> None:
        """Saves in the background; a later save, or leaving the context, waits for it.

        Raises:
            InputError: this state, or the one before, could not be written.
        """
        with self._explained_writes():
            self._checkpointer.save_checkpointables_async(
                step,
                {
                    "model": state.variables,
                    "training": {"step": state.step, "opt_state": state.opt_state},
                },
                # The caller decides when; a damaged checkpoint of this step may be in the way.
                force=True,
                overwrite=True,
                metrics=dict(metrics) if metrics else None,
            )

    def restore_newest(self, abstract_state: TrainState) -> TrainState | None:
        """The newest state that can be read, on the devices that `abstract_state` names.

        Unreadable checkpoints are passed over with a warning; one that any process cannot read is
        passed over by all of them. None when there is no checkpoint.

        Raises:
            InputError: there are checkpoints and none can be read, or one is of another shape.
        """
        tried: list[int] = []
        while (step := self._newest_before(min(tried, default=_NO_STEP))) is not None:
            tried.append(step)
            # Nobody begins to load what somebody cannot: Orbax numbers what processes load, and
            # the numbers must stay equal.
            _, error = _attempt(self._check_model, step, abstract_state)
            worst = _largest(_severity(error))
            if worst == _READ:
                state, error = _attempt(self._restore, step, abstract_state)
                worst = _largest(_severity(error))
                if worst == _READ:
                    return state
            if worst == _ANOTHER_MODEL:
                raise error if isinstance(error, InputError) else self._another_model(step)
            reason = _one_line(error) if error else "another process cannot read it"
            logging.warning("checkpoint %d cannot be read and is passed over: %s", step, reason)
        if tried:
            raise InputError(
                f"none of the checkpoints {sorted(tried)} in {self._checkpointer.directory} can be "
                "read; remove them to start again"
            )
        return None

    def _another_model(self, step: int) -> InputError:
        """Where this process reads nothing wrong, but another one does."""
        where = f"checkpoint {step} in {self._checkpointer.directory}"
        return InputError(f"{where} is of another model, by what another process reads")

    def _newest_before(self, step: int) -> int | None:
        """The newest checkpoint before `step` that any process sees."""
        found = _largest(max((have for have in self.steps if have < step), default=-1))
        return None if found < 0 else found

    def restore_variables(
        self, abstract_variables: Mapping[str, Any], step: int | None = None
    ) -> tuple[int, dict[str, Any]]:
        """The step and variables of one checkpoint: `step`, or the best.

        Raises:
            InputError: no such checkpoint, it is unreadable, or of another shape.
        """
        wanted = self._existing(step)
        with self._explained(wanted):
            self._check_shapes(wanted, "model", abstract_variables)
            loaded = self._checkpointer.load_checkpointables(wanted, {"model": abstract_variables})
        return wanted, loaded["model"]

    def restore_state(self, abstract_state: TrainState, step: int | None = None) -> TrainState:
        """The whole state of one checkpoint: `step`, or the best.

        Raises:
            InputError: no such checkpoint, it is unreadable, or of another shape.
        """
        wanted = self._existing(step)
        with self._explained(wanted):
            self._check_model(wanted, abstract_state)
            return self._restore(wanted, abstract_state)

    def metrics(self, step: int) -> dict[str, float]:
        """What the checkpoint was saved with: the evaluation's headline, or nothing."""
        (found,) = (c.metrics for c in self._checkpointer.checkpoints if c.step == step)
        return dict(found or {})

    def _existing(self, step: int | None) -> int:
        wanted = self.best_step() if step is None else step
        if wanted not in self.steps or wanted is None:
            have = ", ".join(map(str, self.steps)) or "none"
            raise InputError(
                f"no checkpoint {'' if wanted is None else f'of step {wanted} '}in "
                f"{self._checkpointer.directory}; there are: {have}"
            )
        return wanted

    @contextlib.contextmanager
    def _explained_writes(self) -> Iterator[None]:
        try:
            yield
        except Exception as error:  # TensorStore has kinds of its own for a full disk.
            said = (number for number in NO_ROOM if os.strerror(number) in str(error))
            number = next(said, None)
            reason = _one_line(error) if number is None else os.strerror(number)
            raise InputError(
                f"cannot write a checkpoint to {self._checkpointer.directory}: {reason}; "
                f"the earlier ones are whole: {remedy(number)}, and the same command continues"
            ) from error

    @contextlib.contextmanager
    def _explained(self, step: int) -> Iterator[None]:
        try:
            yield
        except InputError:
            raise
        except Exception as error:  # Orbax raises many kinds for damaged files.
            raise InputError(
                f"checkpoint {step} in {self._checkpointer.directory} cannot be read: "
                f"{_one_line(error)}; take another with --step"
            ) from error

    def _restore(self, step: int, abstract_state: TrainState) -> TrainState:
        """Loads one checkpoint; processes do not wait for each other, as one of them may fail."""
        abstract = {
            "model": abstract_state.variables,
            "training": {"step": abstract_state.step, "opt_state": abstract_state.opt_state},
        }
        (path,) = (c.path for c in self._checkpointer.checkpoints if c.step == step)
        process = jax.process_index()
        alone = ocp.Context()
        alone.multiprocessing.primary_host = process
        alone.multiprocessing.active_processes = {process}
        with alone:
            loaded = ocp.load_checkpointables(path, abstract)
        return TrainState(**loaded["model"], **loaded["training"])

    def _check_model(self, step: int, abstract_state: TrainState) -> None:
        self._check_shapes(step, "model", abstract_state.variables)

    def _check_shapes(self, step: int, part: str, abstract: Any) -> None:
        """Orbax would report another model's checkpoint as an unreadable one."""
        self._check_merged(step, part)
        metadata = self._checkpointer.checkpointables_metadata(step).metadata[part]
        found = {name: x.shape for name, x in trees.flatten(metadata).items()}
        if not found:  # Orbax passes over metadata that is cut off
            raise ValueError(f"the metadata of its {part} cannot be read")
        wanted = {name: x.shape for name, x in trees.flatten(abstract).items()}
        for name in sorted(found.keys() | wanted.keys()):
            if found.get(name) != wanted.get(name):
                raise InputError(
                    f"checkpoint {step} in {self._checkpointer.directory} is of another model: "
                    f"{name} has shape {found.get(name)} there, expected {wanted.get(name)}"
                )

    def _check_merged(self, step: int, part: str) -> None:
        """Versions that took `[` in a path for a pattern did not find what they were to merge."""
        folder = self._checkpointer.directory / str(step) / part
        if (folder / "manifest.ocdbt").exists() or not (folder / "ocdbt.process_0").exists():
            return
        raise InputError(
            f"checkpoint {step} in {self._checkpointer.directory} was left unmerged, as it was in "
            f"folders with *, ? or [ in their path; nothing is lost, this command repairs the "
            f"run: cd {shlex.quote(str(self._checkpointer.directory))} && {_MERGE}"
        )


def _for_orbax(directory: epath.PathLike) -> epath.Path:
    """A path that does what Orbax expects, which in a bucket is what its own kind does."""
    path = place(directory).resolve()
    return epath.Path(os.fspath(path)) if isinstance(path, BucketPath) else path


def _attempt(work: Callable[..., _Result], *arguments: Any) -> tuple[_Result | None, Any]:
    """What `work` returns, or the error that it ends with."""
    try:
        return work(*arguments), None
    except Exception as error:  # Orbax raises many kinds for damaged files.
        return None, error


def _severity(error: Exception | None) -> int:
    if error is None:
        return _READ
    return _ANOTHER_MODEL if isinstance(error, InputError) else _UNREADABLE


def _largest(number: int) -> int:
    """The largest of the numbers that all processes name here."""
    return int(np.max(multihost_utils.process_allgather(np.int32(number))))


def _best(metric: str) -> Any:
    smaller_is_better = measures.headline()[metric].smaller_is_better
    worst = math.inf if smaller_is_better else -math.inf
    return ocp.training.preservation_policies.BestN(
        get_metric_fn=lambda metrics: metrics.get(metric, worst),
        reverse=smaller_is_better,
        n=1,
        keep_checkpoints_without_metrics=False,
    )


def _raised_too(record: Any) -> bool:
    """Keeps out of the log what Orbax's threads fail with, which is raised to their caller, too."""
    return not (record.exc_info and "orbax" in record.pathname)


def _one_line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:200]
