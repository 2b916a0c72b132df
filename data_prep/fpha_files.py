"""FPHA's text files with a row a frame: poses of the hand, and of the object in it."""

import numpy as np
from jaxtyping import Float

from data_prep.folders import read_lines
from data_prep.raw import RawPath
from htt_jax.support.errors import InputError


def read_skeleton(path: RawPath) -> dict[int, Float[np.ndarray, "21 3"]]:
    """Poses by frame number: millimetres, world space, the file's joint order.

    Where tracking was lost they may be not finite.

    Raises:
        InputError: a row does not have 64 numbers, or two rows are of the same frame.
    """
    rows = _read_rows(path, 3 * 21, "21 joints")
    return {number: row.reshape(21, 3) for number, row in rows.items()}


def read_object_pose(path: RawPath) -> dict[int, Float[np.ndarray, "4 4"]]:
    """Poses by frame number, as rows of 17 numbers have them: object to world, millimetres.

    A file's matrices stand column after column. Where tracking was lost they may be not finite.

    Raises:
        InputError: as `read_skeleton`.
    """
    rows = _read_rows(path, 16, "a 4x4 matrix, column after column")
    return {number: row.reshape(4, 4).T for number, row in rows.items()}


def _read_rows(path: RawPath, count: int, meaning: str) -> dict[int, Float[np.ndarray, " count"]]:
    rows: dict[int, np.ndarray] = {}
    for line, words in read_lines(path):
        if len(words) != 1 + count:
            raise InputError(
                f"{path}, line {line}: {len(words)} columns, expected {1 + count} "
                f"(frame number and {meaning})"
            )
        try:
            values = np.array(words, np.float64)
        except ValueError as error:
            raise InputError(f"{path}, line {line}: {error}; expected numbers only") from error
        if not values[0].is_integer() or values[0] < 0:
            raise InputError(
                f"{path}, line {line}: {words[0]!r} is no frame's number; expected 0, 1, ..."
            )
        number, row = int(values[0]), values[1:]
        if not np.array_equal(rows.setdefault(number, row), row, equal_nan=True):
            raise InputError(
                f"{path}, line {line}: frame {number} again, with another pose; expected each "
                "frame once; put it right, or leave its video out with --skip-bad"
            )
    return rows
