"""Metrics of a run as files: JSON lines always, TensorBoard beside them.

On disk they grow line by line. Objects in a bucket cannot grow: there both are parts, each whole as
soon as it is there, which in their order are what a file would hold.
"""

import contextlib
import json
import os
import pathlib
import socket
import tempfile
import time
from collections.abc import Mapping

from etils import epath

from htt_jax.support.closing import Closing
from htt_jax.support.files import atomic_write
from htt_jax.support.imports import without
from htt_jax.support.paths import BucketPath, place

with without("torch"):  # tensorboardX would load it, for more than a second, and not for this
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter, directory_check

JSON_LINES = "metrics.jsonl"
TENSORBOARD = "tensorboard"
PART_SECONDS = 60.0
"""After which a part in a bucket is closed, so that the run can be followed."""


class MetricLog(Closing):
    """Appends scalars to `metrics.jsonl` and to TensorBoard event files."""

    def __init__(self, workdir: epath.PathLike, first_step: int):
        """Continues the logs of `workdir` after `first_step`.

        What an interrupted run logged of later steps, which are now done again, is dropped.
        """
        self._workdir = place(workdir)
        self._started = int(time.time())
        self._part = _drop_after(self._workdir, first_step)
        self._temporary: tempfile.TemporaryDirectory[str] | None = None
        if isinstance(self._workdir, BucketPath):
            self._temporary = tempfile.TemporaryDirectory()
        self._folder = pathlib.Path(self._temporary.name if self._temporary else self._workdir)
        self._open()
        start = SessionLog(status=SessionLog.START)
        self._add(Event(step=first_step + 1, session_log=start))

    def close(self) -> None:
        """Closes both logs."""
        with self._temporary or contextlib.nullcontext():
            self._close_files()
            self._upload()

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs `scalars` of one step; on disk they are there when this returns."""
        line = {"step": step, **{name: float(x) for name, x in scalars.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        values = [Summary.Value(tag=name, simple_value=float(x)) for name, x in scalars.items()]
        self._add(Event(step=step, summary=Summary(value=values)))
        if time.monotonic() > self._due:
            self.flush()

    def flush(self) -> None:
        """Uploads what a bucket has not got yet: call it before a checkpoint is saved.

        A killed run has then lost no line of a step that its checkpoints have behind them.
        """
        if self._temporary:
            self._close_files()
            self._upload()
            self._open()

    def _open(self) -> None:
        self._due = time.monotonic() + PART_SECONDS
        self._file = (self._folder / JSON_LINES).open("a", encoding="utf-8")
        # Not a SummaryWriter: that writes in a thread, and when the disk is full waits for it
        # forever.
        folder = os.fspath(self._folder / TENSORBOARD)
        directory_check(folder)
        name = f"events.out.tfevents.{self._started}.{socket.gethostname()}"
        if self._temporary:
            name += f".{self._part:06d}"
        self._events = RecordWriter(os.path.join(folder, name))
        self._add(Event(file_version="brain.Event:2"))

    def _close_files(self) -> None:
        with contextlib.closing(self._events), contextlib.closing(self._file):
            pass

    def _upload(self) -> None:
        """Makes a part of what lies on disk; none of nothing."""
        if not isinstance(self._workdir, BucketPath):
            return
        lines = self._folder / JSON_LINES
        (events,) = (self._folder / TENSORBOARD).iterdir()
        if lines.stat().st_size:
            (self._workdir / TENSORBOARD / events.name).upload(events)
            (self._workdir / JSON_LINES / f"{self._part:06d}").upload(lines)
            self._part += 1
        lines.unlink()
        events.unlink()

    def _add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._events.write(event.SerializeToString())
        self._events.flush()


def read(workdir: epath.PathLike) -> list[dict[str, float]]:
    """The lines of `metrics.jsonl`, but one that a crash cut off; none when it is missing."""
    return [line for part in _parts(place(workdir)) for line in _lines(part)]


def _parts(workdir: epath.Path) -> list[epath.Path]:
    """The files that are the log, in order."""
    path = workdir / JSON_LINES
    if isinstance(path, BucketPath):
        return list(path.iterdir())
    return [path] if path.exists() else []


def _lines(path: epath.Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in path.read_text().split("\n")[:-1]]


def _drop_after(workdir: epath.Path, step: int) -> int:
    """Drops what was logged of later steps; returns the number of the next part."""
    parts = _parts(workdir)
    for path in parts:
        lines = _lines(path)
        kept = [line for line in lines if line["step"] <= step]
        if kept != lines or not isinstance(path, BucketPath):  # a line on disk may be cut off
            with atomic_write(path, "w") as file:
                file.writelines(json.dumps(line) + "\n" for line in kept)
    return int(parts[-1].name) + 1 if parts and isinstance(parts[-1], BucketPath) else 0
