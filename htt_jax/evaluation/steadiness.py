"""How steady estimated poses are over time: their acceleration beside that of the truth.

An estimate that is near the truth in every frame may still tremble around it, which no error of
single frames tells.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.metrics import METRES_TO_MM

NAME = "steadiness"
"""Where it stands in results."""

ERROR = "acceleration_error"
"""The mean over the hands, as comparison calls it."""


def measured(
    estimates: Estimates, spec: DatasetSpec, *, mask_unannotated: bool
) -> dict[str, dict[str, Any]]:
    """Means over all joints and all frames that have counted neighbours, by hand.

    A hand without three counted frames in a row in any video is left out.

    Args:
        estimates: of a split.
        spec: the split's dataset.
        mask_unannotated: do not count hands marked as not annotated, see `PoseMetrics`.

    Returns:
        `frames`; in millimetres per squared frame, camera space: the length of the estimated
        joints' `acceleration` and of the true ones' `true_acceleration`, and of their difference,
        the `acceleration_error` ("Accel" of works on poses in video).
    """
    results = {}
    for i, hand in enumerate(spec.hands):
        counted = estimates.hand_annotated[:, i] | (not mask_unannotated)
        inner = _has_neighbours(counted, estimates)
        if not inner.any():
            continue
        joints = spec.joints_of(hand)
        found, true = (
            _acceleration(positions[:, joints])[inner]
            for positions in (estimates.joints_3d, estimates.target_3d)
        )
        results[hand] = {
            "frames": int(inner.sum()),
            "acceleration": _mean_length(found),
            "true_acceleration": _mean_length(true),
            ERROR: _mean_length(found - true),
        }
    return results


def _has_neighbours(
    counted: Bool[np.ndarray, " frames"], estimates: Estimates
) -> Bool[np.ndarray, " inner_frames"]:
    """Of every frame but the first and the last: it counts, as its neighbours in its video do."""
    video = estimates.video_of_frame
    return counted[:-2] & counted[1:-1] & counted[2:] & (video[:-2] == video[2:])


def _acceleration(
    positions: Float[np.ndarray, "frames joints 3"],
) -> Float[np.ndarray, "inner_frames joints 3"]:
    return np.diff(METRES_TO_MM * positions.astype(np.float64), 2, axis=0)


def _mean_length(vectors: Float[np.ndarray, "frames joints 3"]) -> float:
    return float(np.linalg.norm(vectors, axis=-1).mean())
