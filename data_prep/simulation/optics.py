"""The rays of a camera, and the light on what they meet."""

import functools

import cv2
import numpy as np
from jaxtyping import Float, Int

_SMOOTHING = 0.013  # of the focal length: the square in which normals are averaged


@functools.lru_cache(maxsize=8)
def pixel_rays(
    size: tuple[int, int],
    camera: tuple[float, float, float, float],
    jitter: tuple[float, float],
) -> Float[np.ndarray, "3 height width"]:
    """Unit vectors from the camera through the pixel centres, moved by `jitter` pixels.

    Kept, since all videos of a dataset have one camera: focal lengths and centre in `camera`.
    """
    fx, fy, cx, cy = camera
    x, y = np.meshgrid(
        (np.arange(size[0]) + jitter[0] - cx) / fx, (np.arange(size[1]) + jitter[1] - cy) / fy
    )
    rays = np.stack([x, y, np.ones_like(x)])
    rays = (rays / np.linalg.norm(rays, axis=0)).astype(np.float32)
    rays.flags.writeable = False
    return rays


def lit(
    albedo: Float[np.ndarray, "pixels 3"],
    normals: Float[np.ndarray, "3 pixels"],
    rays: Float[np.ndarray, "3 pixels"],
    light: Float[np.ndarray, "3"],
) -> Float[np.ndarray, "pixels 4"]:
    """Colours under a lamp and a sky, with a slight shine and darker rims; coverage 1."""
    lamp = light @ normals
    facing = -np.einsum("ij,ij->j", rays, normals)
    shine = 2.0 * lamp * facing + light @ rays  # mirrored ray against the lamp
    strength = 0.38 - 0.08 * normals[1]
    strength += 0.58 * np.maximum(lamp * 0.85 + 0.15, 0.0)
    strength *= 0.72 + 0.28 * np.sqrt(facing.clip(0.0, 1.0))
    shine = shine.clip(0.0, 1.0) ** 2
    shine *= shine
    shine *= 34.0 * shine * shine
    result = np.ones((len(albedo), 4), np.float32)
    result[:, :3] = albedo * strength[:, None] + shine[:, None]
    return result


def smoothed(
    normals: Float[np.ndarray, "3 pixels"],
    places: Int[np.ndarray, " pixels"],
    shape: tuple,
    intrinsics: Float[np.ndarray, "3 3"],
) -> Float[np.ndarray, "3 pixels"]:
    """Normals at the flat `places` of a window of this `shape` averaged with their neighbours'.

    So rounded cones that touch look like one skin, not like a bundle of sticks.
    """
    image = np.zeros((shape[0] * shape[1], 3), np.float32)
    image[places] = normals.T
    reach = 2 * round(_SMOOTHING * intrinsics[0, 0] / 2) + 1
    soft = cv2.blur(image.reshape(*shape, 3), (reach, reach), borderType=cv2.BORDER_REPLICATE)
    result = np.ascontiguousarray(soft.reshape(-1, 3).take(places, axis=0).T)
    return result / np.sqrt(np.einsum("ij,ij->j", result, result)).clip(1e-9)
