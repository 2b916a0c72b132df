"""The camera that took the frames to be predicted: given, or assumed."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from htt_jax import camera
from htt_jax.datasets import DatasetSpec
from htt_jax.errors import InputError
from htt_jax.frames import Size


class InputCamera(NamedTuple):
    """Its matrix, in pixels of the input, and who says so."""

    matrix: Float[np.ndarray, "3 3"]
    source: str


def parse(text: str) -> tuple[float, ...]:
    """The numbers of 'fx,fy,cx,cy'.

    Raises:
        InputError: they are not four finite numbers.
    """
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4 or not all(map(math.isfinite, values)):
        raise InputError(
            f"--intrinsics={text} is not fx,fy,cx,cy; give four numbers in pixels of the input"
        )
    return values


def check(values: Sequence[float], size: Size) -> None:
    """Checks fx, fy, cx, cy in pixels of a frame of (width, height) `size`.

    Raises:
        InputError: they cannot be a camera's.
    """
    fx, fy, cx, cy = values
    given = f"--intrinsics={','.join(f'{value:g}' for value in values)}"
    if fx <= 0 or fy <= 0:
        raise InputError(f"{given}: the focal lengths must be positive")
    if not (0 <= cx <= size[0] and 0 <= cy <= size[1]):
        raise InputError(
            f"{given}: the centre ({cx:g}, {cy:g}) is outside the {size[0]}x{size[1]} image; "
            "give pixels of the input"
        )


def resolve(values: Sequence[float] | None, spec: DatasetSpec, size: Size) -> InputCamera:
    """The camera of fx, fy, cx, cy, or the dataset's where there are none.

    Raises:
        InputError: the values cannot be a camera's.
    """
    if values is None:
        matrix = camera.scale_intrinsics(spec.intrinsics, spec.native_size, size)
        source = f"the {spec.title} camera at this size; give your own with --intrinsics"
        return InputCamera(matrix, source)
    check(values, size)
    fx, fy, cx, cy = values
    return InputCamera(np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), "given")
