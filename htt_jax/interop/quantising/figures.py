"""What a model is judged by before and after: the figures of `evaluate`, and its speed."""

import dataclasses
import functools
import math
import statistics
import time
from collections.abc import Callable, Mapping

import jax
import numpy as np

from htt_jax import measures
from htt_jax.evaluation import results
from htt_jax.evaluation.split import SplitInference
from htt_jax.interop import agreement
from htt_jax.interop.formats import apply
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import HostProgram

POSES = ("mepe", "mepe_ra")
CLASSES = ("action_accuracy", "object_accuracy")
DEFAULT = 1.0

_SMALL = 0.005
"""Per cent that two decimals would not show."""
_REPEATS = 5, 50
"""Of a measured speed, the fewest and the most."""
_SECONDS = 3.0
"""After which the fewest will do: what else the machine does comes and goes."""


@dataclasses.dataclass(frozen=True)
class Bound:
    """The loss that is borne.

    Attributes:
        per_cent: of each error of poses; of accuracies, half as many points.

    Raises:
        InputError: it is no number from 0.
    """

    per_cent: float = DEFAULT

    def __post_init__(self) -> None:
        if not (math.isfinite(self.per_cent) and self.per_cent >= 0):
            raise InputError(f"--most-loss={self.per_cent} must be a number of per cent, 0 or more")

    def of(self, key: str) -> float:
        """Per cent, or points, of a figure."""
        return self.per_cent if key in POSES else self.per_cent / 2

    def exceeded(self, lost: Mapping[str, float]) -> list[str]:
        """What of `losses` is beyond it, in words."""
        beyond = {key: x for key, x in lost.items() if not x <= self.of(key)}
        return [
            f"{measures.headline()[key].title} by {x:{'.1g' if abs(x) < _SMALL else '.2f'}} "
            f"{unit_of(key)} (at most {self.of(key):g})"
            for key, x in beyond.items()
        ]


def losses(before: Mapping[str, float], after: Mapping[str, float]) -> dict[str, float]:
    """How much worse each figure is: per cent of errors of poses, points of accuracies."""
    lost = {key: 100 * (after[key] / before[key] - 1) for key in POSES if key in before}
    return lost | {key: 100 * (before[key] - after[key]) for key in CLASSES if key in before}


def unit_of(key: str) -> str:
    """Of what is lost of a figure."""
    return "%" if key in POSES else "points"


def evaluated(opened: SplitInference, run: TrainedRun) -> dict[str, float]:
    """The headline of a model on a split, whose batches it takes once.

    Args:
        opened: the split.
        run: the run that it was opened for, or a program in its place.
    """
    step = results.make_evaluation_step(run.system, opened.mesh, learned=run.learned_joints)
    mask = run.config.mask_unannotated_hands
    batches = opened.batches
    found = results.evaluate(step, run.variables, batches, run.dataset, mask_unannotated=mask)
    return results.headline(found)


def frames_per_second(run: TrainedRun, programs: Mapping[str, HostProgram]) -> dict[str, float]:
    """Of the run itself, 'jax', and of programs: whole windows, taken in turns in one go."""
    inputs = agreement.noise(run.signature)
    whole = {name: x[:1] for name, x in inputs.items()}  # the clip without padding
    frames = whole["valid"].size

    def jitted() -> object:
        return apply(run, run.variables, whole)

    calls: dict[str, Callable[[], object]] = {"jax": jitted}
    for name, program in programs.items():
        calls[name] = functools.partial(program.apply, {}, *whole.values())
    taken: dict[str, list[float]] = {name: [] for name in calls}
    fewest, most = _REPEATS
    end = math.inf
    while len(taken["jax"]) <= fewest or (len(taken["jax"]) <= most and time.monotonic() < end):
        for name, call in calls.items():
            start = time.perf_counter()
            jax.block_until_ready(call())
            taken[name].append(time.perf_counter() - start)
        if len(taken["jax"]) == 1:  # the first, which compiles, is not counted
            end = time.monotonic() + _SECONDS
    return {name: frames / statistics.median(times[1:]) for name, times in taken.items()}


def pose_errors(
    found: np.ndarray, truth: np.ndarray, known: np.ndarray, root: int
) -> dict[str, float]:
    """MEPE and MEPE-RA of frames (.., joints, 3) in millimetres, over hands that are annotated.

    `root`: the joint of each hand that the latter is relative to.
    """
    shape = (*known.shape, -1, 3)
    found, truth = found.reshape(shape)[known], truth.reshape(shape)[known]
    aligned = found - found[:, [root]], truth - truth[:, [root]]
    pairs = {"mepe": (found, truth), "mepe_ra": aligned}
    return {
        key: 1000 * float(np.linalg.norm(x - y, axis=-1).mean()) for key, (x, y) in pairs.items()
    }
