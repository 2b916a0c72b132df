"""How steady estimated poses are over time: their acceleration beside that of the truth.

An estimate that is near the truth in every frame may still tremble around it, which no error of
single frames tells.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.metrics import METRES_TO_MM

NAME = "steadiness"
"""Where it stands in results."""

ERROR = "acceleration_error"
"""The mean over the hands, as comparison calls it."""


def measured(
    estimates: Estimates,
    frame_numbers: Int[np.ndarray, " frames"],
    spec: DatasetSpec,
    *,
    mask_unannotated: bool,
) -> dict[str, dict[str, Any]]:
    """Means over all joints in all frames where they count and have counted neighbours, by hand.

    Neighbours are frames that were recorded one after the other: between some of a dataset others
    are missing. A hand is left out if no joint of it counts in three frames in a row in any video.

    Args:
        estimates: of a split.
        frame_numbers: of its videos' frames, as recorded.
        spec: the split's dataset.
        mask_unannotated: do not count hands marked as not annotated, see `PoseMetrics`.

    Returns:
        `frames`; in millimetres per squared frame, camera space: the length of the estimated
        joints' `acceleration` and of the true ones' `true_acceleration`, and of their difference,
        the `acceleration_error` ("Accel" of works on poses in video).
    """
    results = {}
    in_a_row = _in_a_row(frame_numbers, estimates.video_of_frame)
    counted = estimates.counted(mask_unannotated=mask_unannotated)
    for hand in spec.hands:
        joints = spec.joints_of(hand)
        known = counted[:, joints]
        inner = known[:-2] & known[1:-1] & known[2:] & in_a_row[:, None]
        if not inner.any():
            continue
        found, true = (
            _acceleration(positions[:, joints])[inner]
            for positions in (estimates.joints_3d, estimates.target_3d)
        )
        results[hand] = {
            "frames": int(inner.any(axis=1).sum()),
            "acceleration": _mean_length(found),
            "true_acceleration": _mean_length(true),
            ERROR: _mean_length(found - true),
        }
    return results


def _in_a_row(
    numbers: Int[np.ndarray, " frames"], video: Int[np.ndarray, " frames"]
) -> Bool[np.ndarray, " inner_frames"]:
    """Of every frame but the first and the last: it lies between two neighbours of its video."""
    steps = np.where(np.diff(video) == 0, np.diff(numbers), 0)
    follows = (steps > 0) & (steps == steps[steps > 0].min(initial=np.iinfo(steps.dtype).max))
    return follows[:-1] & follows[1:]


def _acceleration(
    positions: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "inner_frames joints 3"]:
    return np.diff(METRES_TO_MM * positions.astype(np.float64), 2, axis=0)


def _mean_length(vectors: Float[np.ndarray, "joints_of_frames 3"]) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean())
