"""What H2O keeps in small text files: hand poses and a recording's camera."""

import numpy as np
from jaxtyping import Bool, Float

from data_prep import images
from data_prep.folders import read_lines
from data_prep.raw import Note, RawPath
from htt_jax import camera
from htt_jax.datasets.spec import H2O
from htt_jax.support.errors import InputError

DEFAULT_INTRINSICS = (*H2O.camera, *map(float, H2O.native_size))
"""fx fy cx cy width height, used where cam_intrinsics.txt is missing."""

_POSE_COLUMNS = 2 * (1 + 3 * 21)


def read_pose(
    path: RawPath,
) -> tuple[Float[np.ndarray, "42 3"], Bool[np.ndarray, "2"]] | None:
    """Joints of the left and the right hand, metres, and which is annotated; None: empty file.

    Where tracking was lost they may be not finite.

    Raises:
        InputError: it is not one line of 128 numbers, or a flag is not finite.
    """
    values = read_numbers(path, _POSE_COLUMNS, "a flag and 21 joints for each hand")
    if values is None:
        return None
    hands = values.reshape(2, -1)
    if not np.isfinite(hands[:, 0]).all():
        raise InputError(f"{path}, line 1: the flags are {hands[:, 0]}, expected 0 or 1")
    with np.errstate(over="ignore"):  # lost poses may be infinite
        return hands[:, 1:].reshape(42, 3).astype(np.float32), hands[:, 0] > 0.5


def read_intrinsics(path: RawPath) -> tuple[Float[np.ndarray, "3 3"], list[Note]]:
    """Intrinsics for the stored size, from cam_intrinsics.txt or the dataset's default.

    Raises:
        InputError: it is not one line of six numbers that can be a camera's.
    """
    values = None
    if path.is_file():
        values = read_numbers(path, 6, "fx fy cx cy width height")
    notes = []
    if values is None:
        kind = "empty" if path.is_file() else "missing"
        notes.append(Note(kind, str(path), f"used instead: {DEFAULT_INTRINSICS}"))
        values = np.array(DEFAULT_INTRINSICS)
    fx, fy, cx, cy, width, height = values
    if not (fx > 0 and fy > 0 and width > 0 and height > 0 and np.isfinite(values).all()):
        raise InputError(
            f"{path}, line 1: {values.tolist()}, expected focal lengths and a size > 0"
        )
    matrix = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]])
    return camera.scale_intrinsics(matrix, (width, height), images.SIZE).astype("f"), notes


def read_numbers(path: RawPath, count: int, meaning: str) -> Float[np.ndarray, " count"] | None:
    """The numbers of a file of one line; None: it is empty.

    Raises:
        InputError: there is more than a line, or another count of numbers than `meaning` has.
    """
    lines = read_lines(path)
    if not lines:
        return None
    line, words = lines[0]
    if len(words) != count or len(lines) > 1:
        found = f"{len(words)} columns in {len(lines)} line(s)"
        raise InputError(f"{path}, line {line}: {found}, expected one line of {count}: {meaning}")
    try:
        values = np.array(words, np.float64)
    except ValueError as error:
        raise InputError(f"{path}, line {line}: {error}; expected {count} numbers") from error
    return values
