"""Where the queries of joints and object looked in a few frames of a split, for the report."""

import dataclasses
import functools
from collections.abc import Mapping

import jax
import numpy as np
from jax.sharding import Mesh
from jaxtyping import Float

from htt_jax.devices import sharding
from htt_jax.devices.sharding import DeviceBatch
from htt_jax.runs.opening import TrainedRun
from htt_jax.systems import Batch, System, Variables

_SHOWN = 2  # frames, of different videos if there are


@dataclasses.dataclass(frozen=True)
class Look:
    """Of one frame.

    Attributes:
        video: its number in the split.
        frame: its number in the video.
        maps: from each joint and, the last one, from the object to places in the frame; see
            `models.htt.cells.as_picture`.
    """

    video: int
    frame: int
    maps: Float[np.ndarray, "tokens rows columns"]


class LookCollector:
    """Looks at the middle frames of a few clips of the first batch of a run with queries.

    Attributes:
        looks: found; none of a run without queries.
    """

    def __init__(self, run: TrainedRun, mesh: Mesh):
        """For an evaluation of a run on these devices."""
        self.looks: list[Look] = []
        self._run, self._mesh = run, mesh
        self._done = run.config.model.get("spatial") != "queries"

    def add(self, found: Mapping[str, np.ndarray], batch: DeviceBatch) -> None:
        """Takes what the step returned for a batch, and the batch; all but the first pass by."""
        if self._done:
            return
        self._done = True
        step = jax.jit(
            functools.partial(_maps, self._run.system),
            out_shardings=sharding.replicated(self._mesh),
        )
        maps = step(self._run.variables, batch.arrays)
        videos, first = np.unique(found["video"], return_index=True)
        for clip in first[videos >= 0][:_SHOWN].tolist():
            place = int(found["valid"][clip].sum()) // 2
            frame = int(found["start"][clip]) + self._run.config.data.spacing * place
            look = Look(int(found["video"][clip]), frame, np.asarray(maps[clip, place]))
            self.looks.append(look)


def _maps(system: System, variables: Variables, batch: Batch) -> jax.Array:
    return system.attention(variables, system.inputs(batch))["joint_attention"]
