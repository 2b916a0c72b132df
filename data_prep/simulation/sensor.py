"""What a depth camera makes of the depth before it: holes, steps, noise, limits.

As of a camera that projects a pattern of infrared light from one side: no reading where the
pattern does not reach, where too little of it comes back, and at edges, which are slanted.
"""

import cv2
import numpy as np
from jaxtyping import Float, UInt16

from data_prep.simulation.geometry import rays_through

NEAREST, FARTHEST = 0.12, 1.2
"""Metres; no reading beyond."""

_BASELINE = 0.03  # metres from the projector, on the left, to the camera
_STEP = 0.004  # of 1 / metres: 0.6 mm at 0.4 m, 4 mm at 1 m
_NOISE = 0.003  # of depth's square, metres: 0.5 mm at 0.4 m, 3 mm at 1 m
_SPECKLE = 0.35  # of the logarithm of the light that comes back
_CELL = 5  # pixels; noise has one value in so many, and is smooth between

Image = Float[np.ndarray, "height width"]


def measured(
    depth: Image,
    reflectance: Image,
    intrinsics: Float[np.ndarray, "3 3"],
    faintest: float,
    rng: np.random.Generator,
) -> UInt16[np.ndarray, "height width"]:
    """The map that the camera gives: millimetres, 0 = no reading.

    Args:
        depth: metres along the camera's axis.
        reflectance: of the surfaces, 0..1.
        intrinsics: pixels.
        faintest: light that can be read, see `light`.
        rng: of this frame.
    """
    speckle = _smooth(rng, depth.shape)
    known = light(depth, reflectance, intrinsics) * np.exp(_SPECKLE * speckle) > faintest
    known &= _lit(depth, float(intrinsics[0, 0]))
    known &= (depth > NEAREST) & (depth < FARTHEST)
    noisy = depth + _NOISE * depth * depth * _smooth(rng, depth.shape)
    steps = np.rint(1.0 / (_STEP * noisy.clip(NEAREST, FARTHEST)))
    return np.where(known, np.rint(1000.0 / (_STEP * steps)), 0.0).astype(np.uint16)


def light(depth: Image, reflectance: Image, intrinsics: Float[np.ndarray, "3 3"]) -> Image:
    """Light that comes back: less from dark, slanted and distant surfaces."""
    focal = float(intrinsics[0, 0])
    x, y = rays_through((depth.shape[1], depth.shape[0]), intrinsics)
    # A surface z(u, v) has the normal (-z_u, -z_v, z / f + x z_u + y z_v), here times f.
    z_u = cv2.Sobel(depth, cv2.CV_32F, 1, 0, ksize=1, scale=0.5 * focal)
    z_v = cv2.Sobel(depth, cv2.CV_32F, 0, 1, ksize=1, scale=0.5 * focal)
    for slope in (z_u.T, z_v):  # at the image's border one neighbour is missing
        slope[0], slope[-1] = slope[1], slope[-2]
    ahead = depth + x * z_u + y * z_v
    length = np.sqrt((z_u * z_u + z_v * z_v + ahead * ahead) * (1.0 + x * x + y * y))
    return reflectance / (depth * length)


def _lit(depth: Image, focal: float) -> np.ndarray:
    """Where the projector's light is not kept off by something nearer, to the left."""
    at = np.arange(depth.shape[1], dtype=np.float32) + np.float32(focal * _BASELINE) / depth
    return at > np.maximum.accumulate(at, axis=1) - 1.0


def _smooth(rng: np.random.Generator, shape: tuple[int, ...]) -> Image:
    """Random values around 0, of about unit size."""
    small = rng.standard_normal((shape[0] // _CELL + 1, shape[1] // _CELL + 1), np.float32)
    return cv2.resize(small, shape[::-1], interpolation=cv2.INTER_LINEAR)
