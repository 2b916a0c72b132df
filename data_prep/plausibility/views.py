"""Whether hands lie in the images that the camera took."""

import numpy as np
from jaxtyping import Float

from data_prep.plausibility import known
from data_prep.raw import Note
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import STORED_SIZE, DatasetSpec
from htt_jax.support.errors import InputError

FAR, VERY_FAR = 0.5, 1.0
"""Of the image's width or height, beyond its border, where the nearest joint of all hands lies."""

FEWEST = 10
"""Frames with hands, below which nothing is refused."""

CERTAIN = 0.9
"""Of the frames with hands, very far outside, from which on the camera is wrong."""

CENTRED = (0.25, 0.75)
"""Of the image's width and height, where a camera's axis is expected."""


def misses(video: Video, spec: DatasetSpec) -> Float[np.ndarray, " frames"]:
    """How far from the image the nearest joint of all hands is, in image sizes; NaN: none is."""
    places = camera.project_ahead(
        video.joints_3d.astype(np.float64), video.intrinsics.astype(np.float64)
    ) / np.array(STORED_SIZE)
    beyond = np.maximum(np.maximum(-places, places - 1), 0).max(axis=2)
    beyond[~known.in_images(video, spec).reshape(beyond.shape) | np.isnan(beyond)] = np.inf
    nearest = beyond.min(axis=1)
    return np.where(np.isinf(nearest), np.nan, nearest)


def notes(video: Video, spec: DatasetSpec, source: str) -> list[Note]:
    """Notes on a camera that does not fit the images, going by itself or by the hands.

    Raises:
        InputError: it cannot have taken them: hardly a hand is anywhere near.
    """
    away = misses(video, spec)
    with_hands = int(np.isfinite(away).sum())
    far, very_far = away > FAR, away > VERY_FAR
    width, height = STORED_SIZE
    if with_hands >= FEWEST and very_far.sum() >= CERTAIN * with_hands:
        raise InputError(
            f"{source}: {_text(video, spec, away, very_far)}; is the camera another, or for images "
            "of another size? Put it right, or leave its video out with --skip-bad"
        )
    found = []
    if 2 * far.sum() > with_hands:
        what = f"{_text(video, spec, away, far)}; is the camera another, or of another size?"
        found.append(Note("outside", source, what))
    x, y = (float(video.intrinsics[i, 2]) / size for i, size in enumerate(STORED_SIZE))
    if not all(CENTRED[0] <= share <= CENTRED[1] for share in (x, y)):
        what = (
            f"the camera's axis meets images of {width}x{height} at ({x * width:.0f}, "
            f"{y * height:.0f}), far from their centre; is the camera for images of another size?"
        )
        found.append(Note("off centre", source, what))
    return found


def _text(video: Video, spec: DatasetSpec, away: np.ndarray, wrong: np.ndarray) -> str:
    first = int(np.flatnonzero(wrong)[0])
    places = camera.project_ahead(
        video.joints_3d[first].astype(np.float64), video.intrinsics.astype(np.float64)
    )
    shown = places[known.in_images(video, spec)[first].ravel() & np.isfinite(places).all(axis=1)]
    x, y = np.median(shown, axis=0)
    width, height = STORED_SIZE
    return (
        f"hands lie far outside the image in {wrong.sum()} of {np.isfinite(away).sum()} frames, "
        f"first {video.frame_numbers[first]}: around ({x:.0f}, {y:.0f}) of {width}x{height}"
    )
