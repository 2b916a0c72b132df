"""The pinhole camera: between camera space (metres, x right, y down, z forward) and pixels.

Every function works on NumPy and on JAX arrays and returns the kind it was given. The axes of
cameras broadcast against those of the batch; in exports both may be symbols.
"""

from typing import TYPE_CHECKING, TypeVar

import numpy as np
from jaxtyping import Float

if TYPE_CHECKING:
    import jax

    Array = TypeVar("Array", np.ndarray, jax.Array)
else:  # data preparation has no use for JAX, which takes long to import
    Array = TypeVar("Array")


SHAPE_TOLERANCE = 0.02
"""Of the ratio of width to height: what differs by more is of another shape."""


def same_shape(one: tuple[float, float], other: tuple[float, float]) -> bool:
    """Whether two (width, height) have nearly the same ratio of the two."""
    return abs(one[0] / one[1] * other[1] / other[0] - 1) <= SHAPE_TOLERANCE


def project(
    joints_3d: Float[Array, "*batch joints 3"], intrinsics: Float[Array, "*cameras 3 3"]
) -> tuple[Float[Array, "*batch joints 2"], Float[Array, "*batch joints"]]:
    """Pixels (u, v) and depth in metres of points in camera space."""
    depth = joints_3d[..., 2]
    xy = joints_3d[..., :2] / depth[..., None]
    return xy * _focal(intrinsics) + _centre(intrinsics), depth


def project_ahead(
    points: Float[np.ndarray, "*batch points 3"], intrinsics: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "*batch points 2"]:
    """Pixels (u, v) of points in camera space; NaN of those that are not ahead of the camera."""
    return project(np.where(points[..., 2:] > 0, points, np.nan), intrinsics)[0]


def unproject(
    joints_2d: Float[Array, "*batch joints 2"],
    depth: Float[Array, "*batch joints"],
    intrinsics: Float[Array, "*cameras 3 3"],
) -> Float[Array, "*batch joints 3"]:
    """Points in camera space, metres, from pixels (u, v) and depth in metres."""
    xy = (joints_2d - _centre(intrinsics)) / _focal(intrinsics) * depth[..., None]
    xp = joints_2d.__array_namespace__()
    return xp.concatenate([xy, depth[..., None]], axis=-1)


def scale_intrinsics(
    intrinsics: Float[Array, "*batch 3 3"],
    from_size: tuple[float, float],
    to_size: tuple[float, float],
) -> Float[Array, "*batch 3 3"]:
    """Intrinsics of the same camera for images of another size; sizes are (width, height)."""
    factors = np.array([to_size[0] / from_size[0], to_size[1] / from_size[1], 1.0], np.float32)
    return intrinsics * factors[:, None]


def view(intrinsics: Float[np.ndarray, "3 3"], image_size: tuple[int, int]) -> tuple[float, float]:
    """(width, height) of what a camera sees a metre away, whatever the size of its images."""
    return image_size[0] / float(intrinsics[0, 0]), image_size[1] / float(intrinsics[1, 1])


def _focal(intrinsics: Array) -> Array:
    """(fx, fy) with an axis for the joints."""
    return intrinsics[..., None, (0, 1), (0, 1)]


def _centre(intrinsics: Array) -> Array:
    """(cx, cy) with an axis for the joints."""
    return intrinsics[..., None, :2, 2]
