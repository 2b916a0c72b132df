"""Metrics of a run as files: JSON lines always, TensorBoard beside them."""

import contextlib
import json
import os
import socket
import time
from collections.abc import Mapping

from etils import epath

from htt_jax.support.closing import Closing
from htt_jax.support.imports import without
from htt_jax.support.paths import place

with without("torch"):  # tensorboardX would load it, for more than a second, and not for this
    from tensorboardX.proto.event_pb2 import Event, SessionLog
    from tensorboardX.proto.summary_pb2 import Summary
    from tensorboardX.record_writer import RecordWriter, directory_check

JSON_LINES = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class MetricLog(Closing):
    """Appends scalars to `metrics.jsonl` and to TensorBoard event files."""

    def __init__(self, workdir: epath.PathLike, first_step: int):
        """Continues the logs of `workdir` after `first_step`.

        What an interrupted run logged of later steps, which are now done again, is dropped.
        """
        self._path = place(workdir) / JSON_LINES
        kept = [line for line in read(workdir) if line["step"] <= first_step]
        temporary = self._path.with_name(f".{JSON_LINES}.tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        temporary.replace(self._path)
        self._file = self._path.open("a")
        # Not a SummaryWriter: that writes in a thread, and when the disk is full waits for it
        # forever.
        folder = os.fspath(place(workdir) / TENSORBOARD)
        directory_check(folder)
        name = f"events.out.tfevents.{int(time.time())}.{socket.gethostname()}"
        self._events = RecordWriter(os.path.join(folder, name))
        self._add(Event(file_version="brain.Event:2"))
        self._add(Event(step=first_step + 1, session_log=SessionLog(status=SessionLog.START)))

    def close(self) -> None:
        """Closes both logs."""
        with contextlib.closing(self._events), contextlib.closing(self._file):
            pass

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs `scalars` of one step; they are on disk when this returns."""
        line = {"step": step, **{name: float(x) for name, x in scalars.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        values = [Summary.Value(tag=name, simple_value=float(x)) for name, x in scalars.items()]
        self._add(Event(step=step, summary=Summary(value=values)))

    def _add(self, event: Event) -> None:
        event.wall_time = time.time()
        self._events.write(event.SerializeToString())
        self._events.flush()


def read(workdir: epath.PathLike) -> list[dict[str, float]]:
    """The lines of `metrics.jsonl`, but one that a crash cut off; none when it is missing."""
    path = place(workdir) / JSON_LINES
    if not path.exists():
        return []
    whole_lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in whole_lines]
