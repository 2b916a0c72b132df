"""The error that the depth systems were published with, beside the one that weighs frames alike."""

import numpy as np
from jaxtyping import Float

METRES_TO_MM = 1000.0
PUBLISHED_ERROR = "published_error_mm"
"""Its name in results, where crops are the published ones."""


class BatchErrors:
    """Mean distance of all joints, the crop's centre among them, batch by batch.

    The published figure is the mean over batches of their means over frames: those of a batch
    with few frames weigh more, and it depends on how the split was cut into batches.
    """

    def __init__(self) -> None:
        """Of no batch yet."""
        self._of_batches: list[tuple[int, float]] = []  # frames, millimetres

    def update(
        self,
        predicted: Float[np.ndarray, "frames joints 3"],
        target: Float[np.ndarray, "frames joints 3"],
    ) -> None:
        """Adds the real frames of a batch; joints in metres, both relative to the same point."""
        if len(predicted):
            off = np.asarray(predicted, np.float64) - np.asarray(target, np.float64)
            error = METRES_TO_MM * np.linalg.norm(off, axis=-1).mean()
            self._of_batches.append((len(predicted), float(error)))

    def result(self) -> dict[str, float | None]:
        """In millimetres: `over_batches`, as published, and `over_frames`; None of no frames."""
        if not self._of_batches:
            return {"over_batches": None, "over_frames": None}
        frames, errors = zip(*self._of_batches, strict=True)
        return {
            "over_batches": float(np.mean(errors)),
            "over_frames": float(np.average(errors, weights=frames)),
        }
