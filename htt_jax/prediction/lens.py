"""Lenses that bend lines: frames and points as a pinhole camera would see them, and back.

The models and their coefficients are OpenCV's, which does the computing.
"""

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeAlias

import cv2
import numpy as np
from jaxtyping import Bool, Float

from htt_jax.prediction.frames import DepthMap, Pixels, Size
from htt_jax.support.errors import InputError

RADIAL_TANGENTIAL, FISHEYE = "radial-tangential", "fisheye"

MODELS = {
    **dict.fromkeys((RADIAL_TANGENTIAL, "plumb_bob", "rational_polynomial"), RADIAL_TANGENTIAL),
    **dict.fromkeys((FISHEYE, "equidistant", "kannala-brandt"), FISHEYE),
}
"""What people call them: ROS's names, and those of the papers."""

_COEFFICIENTS = {
    RADIAL_TANGENTIAL: ((4, 5, 8), "4, 5 or 8: k1 k2 p1 p2 [k3 [k4 k5 k6]]"),
    FISHEYE: ((4,), "4: k1 k2 k3 k4"),
}
_BACK = 0.1  # pixels: how near a point that was undistorted must come back to where it was
_GRID = (97, 129)  # points, down and across, at which a lens is looked at
_Map: TypeAlias = Callable[[np.ndarray], np.ndarray]
_PRECISELY = (cv2.TERM_CRITERIA_COUNT | cv2.TERM_CRITERIA_EPS, 200, 1e-10)


class Distortion(NamedTuple):
    """What a lens does to a pinhole camera's picture, whatever its size.

    Attributes:
        model: `RADIAL_TANGENTIAL` (Brown and Conrady) or `FISHEYE` (Kannala and Brandt).
        coefficients: k1 k2 p1 p2 [k3 [k4 k5 k6]], or k1 k2 k3 k4.
    """

    model: str
    coefficients: tuple[float, ...]


def distortion(model: Any, coefficients: Sequence[Any]) -> Distortion | None:
    """What a file says of a lens; None: it bends nothing.

    Args:
        model: one of `MODELS`, in any case; None: it is not said.
        coefficients: numbers.

    Raises:
        ValueError: there is no such model, or it has another number of coefficients.
    """
    name = None if model is None else MODELS.get(str(model).lower().replace(" ", "-"))
    if model is not None and name is None:
        raise ValueError(f"its distortion model is {model!r}, expected one of {', '.join(MODELS)}")
    values = [float(value) for value in coefficients]
    if not all(map(math.isfinite, values)):
        raise ValueError("not every coefficient of its distortion is finite")
    if not any(values) and name != FISHEYE:
        return None
    if name is None and len(values) == 4:
        raise ValueError(
            "4 coefficients of distortion are k1 k2 p1 p2, or a fisheye's k1 k2 k3 k4; say so by "
            f"'distortion_model': {RADIAL_TANGENTIAL!r} or {FISHEYE!r}"
        )
    name = name or RADIAL_TANGENTIAL
    counts, expected = _COEFFICIENTS[name]
    while len(values) > max(counts) and not values[-1]:  # of models with more, that are not used
        values.pop()
    if len(values) not in counts:
        raise ValueError(
            f"it has {len(values)} coefficients of distortion; a {name} lens has {expected}"
        )
    return Distortion(name, tuple(values))


class Lens:
    """The lens of a camera, for frames of one size.

    The pinhole camera has the same matrix, and pictures of the same size: at the centre nothing
    changes, and of the margin it sees less than a wide lens does.

    Attributes:
        distortion: of the lens.
        share: of a frame's area, what is in the undistorted one.
    """

    def __init__(self, distortion: Distortion, matrix: Float[np.ndarray, "3 3"], size: Size):
        """Of a camera.

        Args:
            distortion: of its lens.
            matrix: 3x3, pixels.
            size: (width, height) of its frames.

        Raises:
            ValueError: what the pinhole camera sees lies twice in a frame.
        """
        self.distortion = distortion
        self._matrix = matrix
        self._size = size
        self._check()
        seen = self.undistorted_points(self._over_frame())
        self.share = float(self._is_inside(seen).mean())

    def undistorted(self, frame: Pixels | DepthMap) -> Pixels | DepthMap:
        """The frame as the pinhole camera sees it; black, or no depth, where the lens sees nothing.

        Colours are interpolated, depths are not.
        """
        how = cv2.INTER_LINEAR if frame.ndim == 3 else cv2.INTER_NEAREST
        return cv2.remap(frame, *self._maps, how)

    def undistorted_points(
        self, points: Float[np.ndarray, "*batch 2"]
    ) -> Float[np.ndarray, "*batch 2"]:
        """Where points of a frame, pixels, lie in the undistorted one.

        NaN of those that no pinhole camera sees, or that the model of the lens has no answer for.
        """
        return _there_and_back(points, self._to_pinhole, self._from_pinhole)

    def distorted_points(
        self, points: Float[np.ndarray, "*batch 2"]
    ) -> Float[np.ndarray, "*batch 2"]:
        """Where points of an undistorted frame, pixels, lie in the camera's own; NaN as above."""
        return _there_and_back(points, self._from_pinhole, self._to_pinhole)

    def is_near(self, points: Float[np.ndarray, "*batch 2"]) -> Bool[np.ndarray, "*batch"]:
        """Whether points of an undistorted frame lie in it, or beside it by less than half."""
        return self._is_inside(points, beside=0.5)

    def __str__(self) -> str:
        """What it is, and what is done with it."""
        return (
            f"{self.distortion.model} distortion, undistorted to a pinhole camera that sees "
            f"{100 * self.share:.0f} % of each frame"
        )

    @functools.cached_property
    def _maps(self) -> tuple[np.ndarray, np.ndarray]:
        """Where each pixel of the undistorted frame is taken from: once a video."""
        coefficients, unturned = np.array(self.distortion.coefficients, np.float64), np.eye(3)
        module = cv2.fisheye if self.distortion.model == FISHEYE else cv2
        return module.initUndistortRectifyMap(
            self._matrix, coefficients, unturned, self._matrix, self._size, cv2.CV_16SC2
        )

    def _from_pinhole(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        focal, centre = self._matrix[(0, 1), (0, 1)], self._matrix[:2, 2]
        rays = (points - centre) / focal
        coefficients = np.array(self.distortion.coefficients, np.float64)
        if self.distortion.model == FISHEYE:
            found = cv2.fisheye.distortPoints(rays[:, None], self._matrix, coefficients)
        else:
            ahead, nowhere = np.column_stack([rays, np.ones(len(rays))]), np.zeros(3)
            found, _ = cv2.projectPoints(ahead, nowhere, nowhere, self._matrix, coefficients)
        return found[:, 0]

    def _to_pinhole(self, points: Float[np.ndarray, "n 2"]) -> Float[np.ndarray, "n 2"]:
        coefficients = np.array(self.distortion.coefficients, np.float64)
        if self.distortion.model == FISHEYE:
            found = cv2.fisheye.undistortPoints(
                points[:, None], self._matrix, coefficients, P=self._matrix, criteria=_PRECISELY
            )
        else:
            found = cv2.undistortImagePoints(points, self._matrix, coefficients, arg1=_PRECISELY)
        return found[:, 0]

    def _over_frame(self) -> Float[np.ndarray, "down across 2"]:
        """Points all over a frame, from edge to edge."""
        down, across = _GRID
        x, y = np.linspace(0, self._size[0], across), np.linspace(0, self._size[1], down)
        return np.stack(np.meshgrid(x, y), axis=-1)

    def _is_inside(
        self, points: Float[np.ndarray, "*batch 2"], beside: float = 0.0
    ) -> Bool[np.ndarray, "*batch"]:
        places = points / self._size
        return np.asarray(((places >= -beside) & (places <= 1 + beside)).all(axis=-1))

    def _check(self) -> None:
        """Checks that no part of a frame is in the undistorted one twice, or mirrored.

        Raises:
            ValueError: one is.
        """
        grid = self._over_frame()
        from_ = self._from_pinhole(grid.reshape(-1, 2)).reshape(grid.shape)
        with np.errstate(invalid="ignore", over="ignore"):
            right, down = from_[:-1, 1:] - from_[:-1, :-1], from_[1:, :-1] - from_[:-1, :-1]
            turns = right[..., 0] * down[..., 1] - right[..., 1] * down[..., 0]
        folded = ~(turns > 0) & self._is_inside(from_[:-1, :-1])
        if folded.any():
            x, y = from_[:-1, :-1][folded][0]
            raise ValueError(
                f"its distortion folds the image over, at x = {x:.0f}, y = {y:.0f} of "
                f"{self._size[0]}x{self._size[1]}; are the coefficients in OpenCV's order, k1 k2 "
                "p1 p2 k3, and of the right model? If so, calibrate again, with the board in every "
                "corner"
            )


def _there_and_back(
    points: Float[np.ndarray, "*batch 2"], there: _Map, back: _Map
) -> Float[np.ndarray, "*batch 2"]:
    """Where points go; NaN of those that do not come back."""
    flat = np.asarray(points, np.float64).reshape(-1, 2)
    found = np.full_like(flat, np.nan)
    known = np.isfinite(flat).all(axis=1)
    if known.any():
        went = there(flat[known])
        with np.errstate(invalid="ignore", over="ignore"):
            off = np.abs(back(went) - flat[known]).max(axis=1, keepdims=True)
        found[known] = np.where(off < _BACK, went, np.nan)
    return found.reshape(points.shape)


@functools.lru_cache(maxsize=4)
def lens_of(distortion: Distortion, values: tuple[float, ...], size: Size, given: str) -> Lens:
    """The lens of a camera with these fx, fy, cx, cy, kept for the next part of a video.

    Raises:
        InputError: what the pinhole camera sees lies twice in a frame; names what is `given`.
    """
    fx, fy, cx, cy = values
    try:
        return Lens(distortion, np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), size)
    except ValueError as error:
        raise InputError(f"{given}: {error}") from None
