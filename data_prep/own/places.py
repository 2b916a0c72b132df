"""Places of joints in images: which of them cannot be meant."""

import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from data_prep.folders import frames_text
from data_prep.own.description import Description
from data_prep.raw import Note
from htt_jax.prediction.frames import Size
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_CORNER = 2.0  # pixels: where all places lie that are shares of the image, or metres


def without_far(
    path: pathlib.Path,
    joints: Float[np.ndarray, "frames hands joints 2"],
    known: Bool[np.ndarray, "frames hands joints"],
    size: Size,
) -> tuple[Bool[np.ndarray, "frames hands joints"], list[Note]]:
    """Without joints far outside the image, where most lie in it or near it; and a note on them.

    Raises:
        InputError: most do not.
    """
    width, height = size
    places = joints[known]
    if len(places) and (np.abs(places) <= _CORNER).all():
        raise InputError(
            f"{path}: all joints lie within {_CORNER:g} pixels of the image's corner; expected "
            f"pixels of frames of {width}x{height}, or x, y and z in space"
        )
    beyond = ((joints < np.multiply(size, -0.5)) | (joints > np.multiply(size, 1.5))).any(axis=-1)
    beyond &= known
    if not beyond.any():
        return known, []
    x, y = joints[beyond][0]
    what = f"far outside the image, such as x = {x:.6g}, y = {y:.6g}"
    if 2 * beyond.sum() > len(places):
        raise InputError(
            f"{path}: {beyond.sum()} of {len(places)} joints lie {what}; expected pixels of frames "
            f"of {width}x{height}"
        )
    what = f"{counted(int(beyond.sum()), 'joint')} {what}; kept, as not annotated"
    return known & ~beyond, [Note("lost", str(path), what)]


def without_lost(
    path: pathlib.Path,
    numbers: Sequence[int],
    places: Float[np.ndarray, "frames hands joints 2"],
    known: Bool[np.ndarray, "frames hands joints"],
    described: Description,
) -> tuple[Bool[np.ndarray, "frames hands joints"], list[Note]]:
    """Without hands whose joints all have one place, and notes on them."""
    apart = np.where(known[..., None], places, np.nan)
    apart = apart - np.take_along_axis(apart, known.argmax(axis=2)[:, :, None, None], axis=2)
    moved = np.any(np.nan_to_num(apart) != 0, axis=(2, 3))
    lost = ~moved & (known.sum(axis=2) > 1)
    notes = []
    for hand, frames in zip(described.hands, lost.T, strict=True):
        if frames.any():
            which = frames_text(np.array(numbers)[frames].tolist())
            what = f"{hand} hand, {which}: all joints are in one place; kept, as not annotated"
            notes.append(Note("lost", str(path), what))
    return known & ~lost[..., None], notes
