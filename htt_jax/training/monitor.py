"""Watching a run without holding it up: progress bar, logs, and the check for finite losses."""

import collections
import contextlib
import math
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import jax

from htt_jax.data.records import RecordSource
from htt_jax.devices import hosts
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.evaluation.results import Results, headline
from htt_jax.support import progress
from htt_jax.support.closing import Closing
from htt_jax.support.errors import InputError
from htt_jax.training.goodput import Goodput
from htt_jax.training.logs import MetricLog

LAG = 2
"""Steps that may run on the devices while the metrics of an earlier one are read."""


class Span(NamedTuple):
    """What a start of training has before it.

    Attributes:
        first: steps done; the next one is `first` + 1.
        last: the step with which training ends.
        per_epoch: steps of an epoch.
    """

    first: int
    last: int
    per_epoch: int


class _Pending(NamedTuple):
    step: int
    metrics: Mapping[str, jax.Array]
    batch: DeviceBatch


class Monitor(Closing):
    """Reads each step's metrics a little after the step was started, so the devices never wait."""

    def __init__(
        self,
        log: MetricLog | None,
        source: RecordSource,
        span: Span,
        log_every: int,
        goodput: Goodput,
    ):
        """Watches the steps of `span`, which now begin; `log` is None on all hosts but one."""
        self._log = log
        self._goodput = goodput
        goodput.begin_steps()
        self._source = source
        self._steps_per_epoch = span.per_epoch
        self._log_every = log_every
        self._pending: collections.deque[_Pending] = collections.deque()
        self._bar = progress.bar(total=span.last, initial=span.first, unit="step", label="training")
        self._since = time.perf_counter()
        self._steps = 0
        self._frames = 0.0
        self._waited = 0.0

    def close(self) -> None:
        """Closes the progress bar."""
        self._bar.close()

    @contextlib.contextmanager
    def waiting(self, step: int) -> Iterator[None]:
        """In which the batch of `step` is waited for."""
        hosts.reading(step)
        began = time.perf_counter()
        yield
        waited = time.perf_counter() - began
        self._waited += waited
        self._goodput.lose("data", waited)
        hosts.doing("training", step)

    def started(self, step: int, metrics: Mapping[str, jax.Array], batch: DeviceBatch) -> None:
        """Notes that `step` is under way.

        Raises:
            InputError: the loss of an earlier step is not finite.
        """
        self._pending.append(_Pending(step, metrics, batch))
        while len(self._pending) > LAG:
            self._finish(self._pending.popleft())

    def drain(self) -> None:
        """Waits for all steps under way.

        Raises:
            InputError: the loss of one is not finite.
        """
        while self._pending:
            self._finish(self._pending.popleft())

    def flush(self) -> None:
        """Brings the logs to where the run is: call it before a checkpoint is saved."""
        if self._log:
            self._log.flush()

    def evaluation(self, step: int, evaluate: Callable[[], Results]) -> Results:
        """Runs and logs an evaluation, whose time does not count in the rates."""
        self._bar.set_postfix_str("evaluating")
        began = time.perf_counter()
        with self._goodput.losing("evaluation"):
            results = evaluate()
        self._since += time.perf_counter() - began
        if self._log:
            numbers = headline(results)
            self._log.write(step, {f"eval_{name}": value for name, value in numbers.items()})
        return results

    def compiling(self) -> contextlib.AbstractContextManager[None]:
        """In which the program of a step is waited for."""
        return self._goodput.losing("start")

    def saving(self) -> contextlib.AbstractContextManager[None]:
        """In which a checkpoint is begun, once the one before is written."""
        return self._goodput.losing("checkpoints")

    def finish(self, step: int) -> None:
        """Logs and says where the time went, at the end or where the run was asked to stop."""
        self._bar.close()
        if self._log:
            self._log.write(step, self._goodput.scalars())
            print(f"goodput: {self._goodput}", file=sys.stderr)

    def _finish(self, pending: _Pending) -> None:
        metrics = {name: float(x) for name, x in jax.device_get(pending.metrics).items()}
        if not math.isfinite(metrics["loss"]) or not math.isfinite(metrics["gradient_norm"]):
            raise InputError(self._describe_failure(pending, metrics))
        frames = metrics.pop("real_frames")
        self._steps += 1
        self._frames += frames
        self._bar.update()
        elapsed = time.perf_counter() - self._since
        rate = self._frames / elapsed
        epoch = pending.step / self._steps_per_epoch
        self._bar.set_postfix_str(
            f"loss {metrics['loss']:.4g}, {rate:.0f} frames/s, epoch {epoch:.1f}", refresh=False
        )
        if pending.step % self._log_every == 0:
            rates = {
                "epoch": epoch,
                "frames_per_second": rate,
                "steps_per_second": self._steps / elapsed,
                "data_wait_share": self._waited / elapsed,
            }
            if self._log:
                self._log.write(pending.step, metrics | rates | self._goodput.scalars())
            self._since, self._steps, self._frames, self._waited = time.perf_counter(), 0, 0.0, 0.0

    def _describe_failure(self, pending: _Pending, metrics: Mapping[str, float]) -> str:
        terms = ", ".join(f"{name} {value:g}" for name, value in sorted(metrics.items()))
        clips = ", ".join(
            f"{self._source.video_ids[video]} from frame {start}"
            for video, start in zip(pending.batch.video, pending.batch.start, strict=True)
        )
        return (
            f"the loss of step {pending.step} is not finite: {terms}; its clips: {clips}; the last "
            "checkpoint is whole: look at these clips, or train with a smaller learning rate in a "
            "new --workdir"
        )
