"""Forecasts that need no network: hands that stay, or go on as they went."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

FITTED = 5
"""Last frames of the past to which least squares fit a line; all of a shorter one."""

Extrapolate: TypeAlias = Callable[
    [Float[np.ndarray, "pasts frames joints 3"], float], Float[np.ndarray, "pasts joints 3"]
]
"""From the joints of one hand in frames one apart, the root first, to those so many frames on."""


def zero_velocity(
    past: Float[np.ndarray, "pasts frames joints 3"], ahead: float
) -> Float[np.ndarray, "pasts joints 3"]:
    """The last pose."""
    return past[:, -1]


def constant_velocity(
    past: Float[np.ndarray, "pasts frames joints 3"], ahead: float
) -> Float[np.ndarray, "pasts joints 3"]:
    """Every joint goes on as between the last two frames; of one frame alone, it stays."""
    return past[:, -1] + ahead * (past[:, -1] - past[:, -2:][:, 0])


def fitted_velocity(
    past: Float[np.ndarray, "pasts frames joints 3"], ahead: float
) -> Float[np.ndarray, "pasts joints 3"]:
    """Every joint goes on along the line of least squares through its last `FITTED` places."""
    last = past[:, -FITTED:]
    time = np.arange(last.shape[1]) - (last.shape[1] - 1) / 2
    middle = last.mean(axis=1)
    square = (time**2).sum()
    slope = np.einsum("t,ptjc->pjc", time, last) / square if square else np.zeros_like(middle)
    return middle + (ahead - time[0]) * slope


def constant_root_velocity(
    past: Float[np.ndarray, "pasts frames joints 3"], ahead: float
) -> Float[np.ndarray, "pasts joints 3"]:
    """The root goes on as between the last two frames, the other joints keep their place to it."""
    return past[:, -1] - past[:, -1, :1] + constant_velocity(past[:, :, :1], ahead)


EXTRAPOLATIONS: Mapping[str, Extrapolate] = {
    "zero velocity": zero_velocity,
    "constant velocity": constant_velocity,
    f"velocity of {FITTED} frames": fitted_velocity,
    "constant root velocity": constant_root_velocity,
}
"""By their names in results and tables."""

MEAN_MOTION = "mean training motion"
"""The one that is told from videos: the last pose, moved as hands of the training split move."""
