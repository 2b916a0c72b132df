"""How far the estimated box of the object in hand is from the true one, beside the mean box."""

import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from htt_jax import measures
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import BOX_POINTS
from htt_jax.measures import BOX, BoxErrors
from htt_jax.metrics import METRES_TO_MM

NAME = BOX
"""Where it stands in results."""

ESTIMATED = "estimated_object_box"
"""What of evaluation batches is looked at, besides their labels."""


def mean_box(training: RecordSource) -> Float[np.ndarray, "points 3"]:
    """Of all frames of a split where it is known, metres, camera space; NaN: it never is.

    Reads the labels alone; no image is decoded.
    """
    total, count = np.zeros((BOX_POINTS, 3)), 0
    for index in range(len(training)):
        boxes = training[index].object_boxes
        if boxes is not None:
            known = boxes[np.isfinite(boxes).all(axis=(1, 2))]
            total += known.sum(axis=0, dtype=np.float64)
            count += len(known)
    return total / count if count else np.full_like(total, np.nan)


class Collector:
    """Takes the errors from evaluation batches of a model that tells the box."""

    def __init__(self, object_names: Sequence[str], training: RecordSource):
        """Of a dataset with these objects; the mean box is that of the split `training`."""
        self._names = object_names
        self._training = training
        self._found: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []

    def add(self, found: Mapping[str, np.ndarray]) -> None:
        """Adds what a detailed step of `htt_jax.evaluation.results` returned for a batch."""
        if ESTIMATED not in found:
            return
        known = found["valid"] & found["object_box_known"]
        true = found["object_box"][known].astype(np.float64)
        of_frame = np.broadcast_to(found["object"][:, None], known.shape)[known]
        off = found[ESTIMATED][known] - true
        self._found.append((of_frame, _lengths(off), _lengths(self._mean_box - true)))

    def result(self) -> dict[str, Any]:
        """Under `NAME` `frames` where the box is known, and the measures of `htt_jax.measures`.

        Under `mean_box` those of the mean training box; under `per_object`, a list of all that for
        each object that has a frame, with its `name`. None stands where there is nothing known.
        Of a model that does not tell the box, nothing at all.
        """
        if not self._found:
            return {}
        parts = zip(*self._found, strict=True)
        of_frame, own, constant = (np.concatenate(arrays) for arrays in parts)
        by_object = [
            {"name": name, **_measured(own[of_frame == number], constant[of_frame == number])}
            for number, name in enumerate(self._names)
            if (of_frame == number).any()
        ]
        return {NAME: _measured(own, constant) | {"per_object": by_object}}

    @functools.cached_property
    def _mean_box(self) -> Float[np.ndarray, "points 3"]:
        return mean_box(self._training)


def _measured(
    own: Float[np.ndarray, "frames points"], constant: Float[np.ndarray, "frames points"]
) -> dict[str, Any]:
    return {"frames": len(own), **_of(own), "mean_box": _of(constant)}


def _of(errors: Float[np.ndarray, "frames points"]) -> dict[str, float | None]:
    known = len(errors) and np.isfinite(errors).all()
    found = BoxErrors(errors)
    return {
        measure.place[1]: measure.compute(found) if known else None
        for measure in measures.in_group(NAME)
    }


def _lengths(off: Float[np.ndarray, "frames points 3"]) -> Float[np.ndarray, "frames points"]:
    return METRES_TO_MM * np.linalg.norm(off, axis=-1)
