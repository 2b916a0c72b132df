"""Metrics of a run as files: JSON lines always, TensorBoard beside them."""

import json
from collections.abc import Mapping

import numpy as np
from etils import epath
from tensorboardX import SummaryWriter

from htt_jax.support.closing import Closing

JSON_LINES = "metrics.jsonl"
TENSORBOARD = "tensorboard"


class MetricLog(Closing):
    """Appends scalars to `metrics.jsonl` and to TensorBoard event files."""

    def __init__(self, workdir: epath.PathLike, first_step: int):
        """Continues the logs of `workdir` after `first_step`.

        What an interrupted run logged of later steps, which are now done again, is dropped.
        """
        self._path = epath.Path(workdir) / JSON_LINES
        kept = [line for line in read(workdir) if line["step"] <= first_step]
        temporary = self._path.with_name(f".{JSON_LINES}.tmp")
        temporary.write_text("".join(json.dumps(line) + "\n" for line in kept))
        temporary.replace(self._path)
        self._file = self._path.open("a")
        self._tensorboard = SummaryWriter(
            str(epath.Path(workdir) / TENSORBOARD), purge_step=first_step + 1
        )

    def close(self) -> None:
        """Closes both logs."""
        self._file.close()
        self._tensorboard.close()

    def write(self, step: int, scalars: Mapping[str, float]) -> None:
        """Logs `scalars` of one step; they are on disk when this returns."""
        line = {"step": step, **{name: float(x) for name, x in scalars.items()}}
        self._file.write(json.dumps(line) + "\n")
        self._file.flush()
        for name, value in scalars.items():
            self._tensorboard.add_scalar(name, np.float64(value), step)


def read(workdir: epath.PathLike) -> list[dict[str, float]]:
    """The lines of `metrics.jsonl`, but one that a crash cut off; none when it is missing."""
    path = epath.Path(workdir) / JSON_LINES
    if not path.exists():
        return []
    whole_lines = path.read_text().split("\n")[:-1]
    return [json.loads(line) for line in whole_lines]
