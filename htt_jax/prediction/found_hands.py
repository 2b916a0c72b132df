"""Which hands a run has found, and what of their joints says something."""

import numpy as np
from jaxtyping import Bool, Float

from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS, DatasetSpec


def unless_trained(spec: DatasetSpec, *frames: int) -> Bool[np.ndarray, "*frames hands"] | None:
    """Hands that are not found, by a run that was trained on no joints; None of any other."""
    return np.zeros((*frames, len(spec.hands)), bool) if spec.joints == NO_JOINTS else None


def shown(
    spec: DatasetSpec,
    hand_seen: Bool[np.ndarray, " hands"] | None,
    joints_2d: Float[np.ndarray, "joints 2"],
    joints_3d: Float[np.ndarray, "joints 3"],
) -> tuple[Float[np.ndarray, "joints 2"], Float[np.ndarray, "joints 3"]]:
    """The joints of a frame to be drawn; not a number of a hand that was not found in it.

    Likewise those in space of a run that was trained on places in images alone.
    """
    if spec.joints == IN_IMAGES:
        joints_3d = np.full_like(joints_3d, np.nan)
    if hand_seen is None:
        return joints_2d, joints_3d
    is_seen = np.repeat(hand_seen, len(joints_2d) // len(hand_seen))[:, None]
    return np.where(is_seen, joints_2d, np.nan), np.where(is_seen, joints_3d, np.nan)
