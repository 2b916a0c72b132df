"""Hands shards to the workers of Apache Beam: processes here, or the machines of a cluster.

Workers write shards as `parallel`'s processes do, each under its final name only when it is whole;
whether one is finished is read from the dataset itself. So a worker that dies loses no more than
the shard it was at.
"""

import contextlib
import dataclasses
import io
import logging
import pickle
import re
import sys
from collections.abc import Callable, Sequence
from concurrent import futures
from typing import Any

import apache_beam
from apache_beam.options.pipeline_options import DirectOptions, PipelineOptions
from apache_beam.runners.runner import create_runner
from etils import epath

from data_prep import beam_processes, shards
from data_prep.parallel import DIED
from data_prep.raw import RawPath
from data_prep.shards import ShardTask
from htt_jax.data import tfrecord
from htt_jax.data.records import ShardIndex
from htt_jax.support import progress
from htt_jax.support.buckets import NoAnswer
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.paths import is_bucket

_FAILED = ".failed.tmp"  # removed by the next run, as all that ends like this
_POLL_SECONDS = {False: 0.5, True: 10.0}  # by whether it is a bucket that is looked into


def check_places(name: str, raw: RawPath, out: epath.Path) -> None:
    """Checks that the workers of a runner see both folders; warns where only the user can know.

    Raises:
        InputError: they do not.
    """
    on_disk = [str(path) for path in (raw, out) if not is_bucket(path)]
    if _is_here(name) or not on_disk:
        return
    what, where = " and ".join(on_disk), "addresses in buckets, such as gs://NAME"
    if name.lower().startswith("dataflow"):
        raise InputError(f"the machines of {name} do not see {what}; name {where}")
    print(
        f"warning: all workers of {name} must see {what} under the same name; if they do not, "
        f"name {where}",
        file=sys.stderr,
    )


def _is_here(name: str) -> bool:
    return name.lower() in ("directrunner", "direct")  # Beam takes both


class Runner:
    """One of Beam's runners, with its options."""

    def __init__(self, name: str, options: Sequence[str], workers: int) -> None:
        """Checks both.

        Args:
            name: what Beam calls it.
            options: of Beam and of the runner, as on a command line.
            workers: processes of DirectRunner, unless `options` say how many.

        Raises:
            InputError: there is no such runner, a package it needs is missing, or an option is
                wrong.
        """
        self.name = name
        self._is_here = _is_here(name)
        if self._is_here:
            # What is logged, with tracebacks, is raised as well.
            logging.getLogger("apache_beam").setLevel(logging.CRITICAL + 1)
            options = [f"--direct_num_workers={workers}", *options]
        self._options, unknown = _parsed(options)
        if self._is_here and unknown:  # of other runners Beam does not know all options
            raise InputError(f"{name} has no option --{unknown[0]}")
        if self._is_here:  # another mode has processes that are not `beam_processes`
            self._options.view_as(DirectOptions).direct_running_mode = "in_memory"
        try:
            self._runner = None if self._is_here else create_runner(name)
        except (ValueError, ImportError, AttributeError) as error:
            raise InputError(f"--runner={name}: {_last_line(error)}") from error

    def write(self, tasks: Sequence[ShardTask]) -> list[ShardIndex]:
        """Has the shards written; their indexes, in the order of `tasks`.

        Raises:
            InputError: why one could not be written.
        """
        if tasks:
            self._run(tasks)
        found = {task.path: tfrecord.stored_index(task.path) for task in tasks}
        missing = [path for path, index in found.items() if index is None]
        if missing:
            raise InputError(
                f"{self.name} has ended, but {len(missing)} of {len(tasks)} shards are not there, "
                f"such as {missing[0]}; do its workers write to the same place?"
            )
        return [index for index in found.values() if index is not None]

    def _run(self, tasks: Sequence[ShardTask]) -> None:
        with contextlib.ExitStack() as stack:
            runner, stop = self._runner, None
            if self._is_here:
                runner, stop = stack.enter_context(beam_processes.processes())
            try:
                pipeline = apache_beam.Pipeline(runner, self._options)
            except ValueError as wrong:  # of all options together
                raise InputError(f"{self.name}: {_last_line(wrong)}") from wrong
            # Created elements are spread over the workers.
            data = [pickle.dumps(dataclasses.replace(t, path=t.path.resolve())) for t in tasks]
            elements = pipeline | "shards" >> apache_beam.Create(data)
            _ = elements | "write" >> apache_beam.Map(_write)
            error = _error_of(pipeline, tasks, stop)
        failures = _failures(tasks[0].path.parent)
        if error is not None and failures:
            raise InputError(next(iter(failures.values()))) from error
        if error is not None and DIED in str(error):
            raise InputError(DIED) from error
        if error is not None and self._is_here and InputError.__name__ not in str(error):
            raise error
        if error is not None:
            raise InputError(f"{self.name}: {_last_line(error)}") from error
        for path in failures:  # of attempts that others made good
            path.unlink(missing_ok=True)


def _error_of(
    pipeline: apache_beam.Pipeline, tasks: Sequence[ShardTask], stop: Callable[[], None] | None
) -> BaseException | None:
    """Runs the pipeline, with progress; why it has failed, if it has.

    Args:
        pipeline: writes `tasks`.
        tasks: their shards are counted.
        stop: ends what runs the pipeline at once; None: it can only be asked to.
    """
    out, names = tasks[0].path.parent, {task.path.name for task in tasks}
    results: list[Any] = []

    def run() -> None:
        results.append(pipeline.run())
        results[0].wait_until_finish()

    def cancel() -> None:
        with contextlib.suppress(Exception):  # there is none yet, or it knows no cancelling
            results[0].cancel()

    bar = progress.bar(total=len(tasks), unit="shard", label="preparing")
    with futures.ThreadPoolExecutor(1) as thread, bar:
        running = thread.submit(run)
        try:
            while futures.wait([running], _POLL_SECONDS[is_bucket(out)]).not_done:
                with contextlib.suppress(NoAnswer):  # of a store, which Beam's workers ask again
                    bar.update(len(names & {path.name for path in out.iterdir()}) - bar.n)
                if stop is not None and _failures(out):
                    break  # Beam would have the other processes go on first
        finally:
            if not running.done():
                (stop or cancel)()
    return running.exception()


def _write(data: bytes) -> None:
    """Writes a shard, on whatever machine this is; its failure is left in a file."""
    task: ShardTask = pickle.loads(data)
    if tfrecord.stored_index(task.path) is not None:
        return  # by an attempt at these shards that did not come to its end
    try:
        shards.write_shard(task)
    except InputError as error:
        path = task.path.with_name(f".{task.path.name}{_FAILED}")
        with contextlib.suppress(OSError, InputError), atomic_write(path, "w") as file:
            file.write(str(error))
        raise


def _failures(out: epath.Path) -> dict[epath.Path, str]:
    """What attempts at shards have failed of, by the file that says it."""
    return {path: path.read_text("utf-8") for path in sorted(out.glob(f".*{_FAILED}"))}


def _parsed(options: Sequence[str]) -> tuple[PipelineOptions, list[str]]:
    """The options, and the names of those that Beam does not know.

    Raises:
        InputError: a value is wrong.
    """
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            parsed = PipelineOptions(list(options))
            known = parsed.get_all_options()
            every = parsed.get_all_options(retain_unknown_options=True)
            return parsed, [name for name in every if name not in known]
    except SystemExit as error:
        if not error.code:  # --help, which has been printed
            raise
        reason = said.getvalue().strip().splitlines()[-1].partition("error: ")[2]
        raise InputError(f"{reason} (of Beam, after --)") from error


def _last_line(error: BaseException) -> str:
    """What an error says in the end, without the traceback of a worker before it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    last = lines[-1] if lines else type(error).__name__
    return re.sub(rf"^\S*{InputError.__name__}: | \[while running .*\]$", "", last)
