"""Principal components of poses, fitted on the host."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float


class PrincipalComponents(NamedTuple):
    """Unit rows of falling variance, and the mean they start from."""

    components: Float[np.ndarray, "components features"]
    mean: Float[np.ndarray, " features"]


def fit(poses: Float[np.ndarray, "poses features"], components: int) -> PrincipalComponents:
    """The first `components` of `poses`; of each, the entry of largest magnitude is positive.

    Raises:
        ValueError: there are fewer poses or features than components.
    """
    if min(poses.shape) < components:
        raise ValueError(f"{components} principal components cannot be fitted to {poses.shape}")
    poses = poses.astype(np.float64)
    mean = poses.mean(axis=0)
    # Of the covariance, not of the poses: there may be 200 000, and no more than 63 numbers each.
    _, vectors = np.linalg.eigh(np.cov(poses, rowvar=False))
    rows = vectors.T[::-1][:components]
    largest = np.take_along_axis(rows, np.abs(rows).argmax(axis=1)[:, None], axis=1)
    rows = rows * np.sign(largest)
    return PrincipalComponents(rows.astype(np.float32), mean.astype(np.float32))
