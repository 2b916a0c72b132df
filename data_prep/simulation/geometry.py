"""Rotations and smooth functions of time that the simulator is built from."""

import numpy as np
from jaxtyping import Float

Vector = Float[np.ndarray, "*batch"]


def rotation(axis: int, degrees: Vector | float) -> Float[np.ndarray, "*batch 3 3"]:
    """Rotations by `degrees` about coordinate axis 0, 1 or 2 (right-handed)."""
    radians = np.deg2rad(np.asarray(degrees, np.float64))
    i, j = (axis + 1) % 3, (axis + 2) % 3
    result = np.zeros((*radians.shape, 3, 3))
    result[..., axis, axis] = 1.0
    result[..., i, i] = result[..., j, j] = np.cos(radians)
    result[..., j, i] = np.sin(radians)
    result[..., i, j] = -np.sin(radians)
    return result


def unit(vectors: Float[np.ndarray, "*batch 3"]) -> Float[np.ndarray, "*batch 3"]:
    """The vectors, each divided by its length."""
    return vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)


def rays_through(
    size: tuple[int, int], intrinsics: Float[np.ndarray, "3 3"]
) -> tuple[Float[np.ndarray, "1 width"], Float[np.ndarray, "height 1"]]:
    """X and y of the rays (x, y, 1) through the pixel centres of `size` (width, height)."""
    x = (np.arange(size[0]) - intrinsics[0, 2]) / intrinsics[0, 0]
    y = (np.arange(size[1]) - intrinsics[1, 2]) / intrinsics[1, 1]
    return x.astype(np.float32)[None], y.astype(np.float32)[:, None]


def step(time: Vector, start: float, end: float) -> Vector:
    """Rises smoothly from 0 before `start` to 1 after `end`."""
    x = np.clip((time - start) / (end - start), 0.0, 1.0)
    return x * x * (3.0 - 2.0 * x)


def bump(time: Vector, start: float, full: float, wane: float, end: float) -> Vector:
    """Rises smoothly from 0 to 1 over start..full and falls back over wane..end."""
    return step(time, start, full) - step(time, wane, end)


def drift(
    rng: np.random.Generator, dimensions: int, waves: int = 3, fastest: float = 2.0
) -> "Drift":
    """A random smooth curve of about unit size; its law is the same forwards and backwards."""
    return Drift(
        rng.uniform(0.4, fastest, (waves, dimensions)),
        rng.uniform(0.0, 2.0 * np.pi, (waves, dimensions)),
    )


class Drift:
    """A sum of sine waves; call it with times to get values."""

    def __init__(
        self,
        frequencies: Float[np.ndarray, "waves dimensions"],
        phases: Float[np.ndarray, "waves dimensions"],
    ):
        """Waves of `frequencies` (per unit of time) starting at `phases` (radians)."""
        self._frequencies = frequencies
        self._phases = phases

    def __call__(
        self, time: Float[np.ndarray, " frames"]
    ) -> Float[np.ndarray, "frames dimensions"]:
        """Values at the times."""
        angles = 2.0 * np.pi * self._frequencies * time[:, None, None] + self._phases
        return np.sin(angles).sum(1) / len(self._phases) ** 0.5
