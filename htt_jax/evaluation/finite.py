"""Refuses what a model says where training has gone astray."""

import numpy as np

from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError


def check_finite(run: TrainedRun, *found: np.ndarray) -> None:
    """Checks what a model says, before it is shown or written.

    Raises:
        InputError: a value of `found` is infinite or not a number.
    """
    if not all(np.isfinite(array).all() for array in found):
        raise InputError(
            f"the checkpoint of step {run.step} in {run.workdir} gives values that are not finite; "
            "choose another --step"
        )
