"""The forecasts of a split, from the batches in which a model makes them."""

import dataclasses
from collections.abc import Mapping

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.data.clips import ClipSpec
from htt_jax.evaluation.estimates import Estimates


@dataclasses.dataclass(frozen=True)
class Collected:
    """What a model expects after each window that is full, its past.

    Attributes:
        last: the last seen frame, among all of the split as `Estimates` has them.
        joints_3d: of the frames ahead, each in the camera of its own frame, metres.
        action_probabilities: of the action that goes on then.
        action: the true one's class; -1 where it is hidden.
    """

    last: Int[np.ndarray, " pasts"]
    joints_3d: Float[np.ndarray, "pasts steps joints 3"]
    action_probabilities: Float[np.ndarray, "pasts actions"]
    action: Int[np.ndarray, " pasts"]


def of_full_windows(
    found: Mapping[str, np.ndarray], valid: Bool[np.ndarray, "clips frames"]
) -> list[np.ndarray]:
    """What a batch tells of the future after windows without padding; nothing of other models."""
    told = [x for name, x in found.items() if name.startswith("forecast_")]
    return [x[valid.reshape(*x.shape[:2], -1).all(axis=2)] for x in told]


def none_of(estimates: Estimates) -> Collected:
    """Of a model that expects nothing, after the same pasts; what needs no network does."""
    full = estimates.window_position == estimates.window - 1
    last = np.flatnonzero(full)
    joints = estimates.joints_3d.shape[1:]
    return Collected(
        last,
        np.zeros((len(last), 0, *joints), np.float32),
        np.zeros((len(last), estimates.action_over_time.shape[-1]), np.float32),
        np.full(len(last), -1),
    )


class Collector:
    """Takes them from evaluation batches."""

    def __init__(self, frame_counts: Int[np.ndarray, " videos"], clips: ClipSpec) -> None:
        """Of a split whose videos have `frame_counts` raw frames."""
        self._first = np.concatenate([[0], np.cumsum(frame_counts, dtype=np.int64)])
        self._spec = clips
        self._found: list[tuple[np.ndarray, ...]] = []

    def add(self, found: Mapping[str, np.ndarray]) -> None:
        """Adds what a detailed step of `htt_jax.evaluation.results` returned for a batch."""
        window = self._spec.window
        for clip in np.flatnonzero(found["video"] >= 0):
            full = int(found["valid"][clip].sum()) // window
            place = window * np.arange(1, full + 1) - 1
            first = self._first[found["video"][clip]] + found["start"][clip]
            self._found.append(
                (
                    first + self._spec.spacing * place,
                    found["forecast_joints_3d"][clip, :full],
                    found["forecast_action_probabilities"][clip, :full],
                    np.full(full, found["action"][clip]),
                )
            )

    def result(self) -> Collected:
        """All of the split, in the order of their last seen frames."""
        last, *others = (np.concatenate(arrays) for arrays in zip(*self._found, strict=True))
        order = np.argsort(last, kind="stable")
        joints, probabilities, action = (array[order] for array in others)
        return Collected(last[order], joints, probabilities, action)
