"""The camera that took the frames to be predicted: given, or assumed."""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from htt_jax import camera
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.prediction import intrinsics_file
from htt_jax.prediction.frames import Size
from htt_jax.prediction.lens import Distortion, Lens, lens_of
from htt_jax.support.errors import InputError

WIDEST_VIEW = 175.0
"""Degrees; a pinhole camera that saw more would put every hand kilometres to the side."""


class InputCamera(NamedTuple):
    """A pinhole camera, and what its frames went through before.

    Attributes:
        matrix: in pixels of the input, undistorted.
        source: who says so.
        lens: that bent the input's lines; None: they are straight.
    """

    matrix: Float[np.ndarray, "3 3"]
    source: str
    lens: Lens | None = None

    def __str__(self) -> str:
        """Its values, pixels, and who says so."""
        (fx, _, cx), (_, fy, cy), _ = self.matrix.tolist()
        return f"fx {fx:.2f}, fy {fy:.2f}, cx {cx:.2f}, cy {cy:.2f} ({self.source})"

    @property
    def notes(self) -> list[str]:
        """What is to be known of its frames, a line each."""
        if self.lens is None:
            return []
        return ["pictures, joints_2d and intrinsics are of your frames undistorted"]


@dataclasses.dataclass(frozen=True)
class Intrinsics:
    """Of a camera, for images of one size.

    Attributes:
        values: fx, fy, cx, cy, pixels.
        size: (width, height) of the images they are for; None: the input's.
        given: what to call them in messages.
        source: who says so.
        distortion: of its lens; None: it is a pinhole camera.
    """

    values: tuple[float, ...]
    size: Size | None = None
    given: str = "intrinsics"
    source: str = "given"
    distortion: Distortion | None = None


@dataclasses.dataclass(frozen=True)
class FieldOfView:
    """What a camera with square pixels, its centre in the middle, sees from left to right."""

    degrees: float


GivenCamera: TypeAlias = (
    Intrinsics | FieldOfView | Sequence[float] | np.ndarray | str | os.PathLike[str]
)
"""What a user may say of a camera: a file's path, see `intrinsics_file.read`; or fx, fy, cx, cy or
the matrix in pixels of the input."""


def from_options(
    intrinsics: str | None, intrinsics_size: str | None, hfov: str | None
) -> Intrinsics | FieldOfView | None:
    """What the options --intrinsics, --intrinsics_size and --hfov say.

    Args:
        intrinsics: 'fx,fy,cx,cy' or the path of a file, see `intrinsics_file.read`.
        intrinsics_size: 'WxH', the images that `intrinsics` are for.
        hfov: horizontal field of view, degrees.

    Raises:
        InputError: something is given twice, or is not what it should be.
    """
    if intrinsics is not None and hfov is not None:
        raise InputError("both --intrinsics and --hfov are given; a camera needs one of them")
    if intrinsics_size is not None and intrinsics is None:
        raise InputError(
            f"--intrinsics_size={intrinsics_size} is given without --intrinsics; it says which "
            "size of images these are for"
        )
    if hfov is not None:
        return FieldOfView(_degrees(hfov))
    if intrinsics is None:
        return None
    size = None if intrinsics_size is None else _size(intrinsics_size)
    path = pathlib.Path(intrinsics)
    if not os.path.exists(path):  # which takes any text
        return Intrinsics(_numbers(intrinsics), size, f"--intrinsics={intrinsics}")
    given = of_file(path, f"--intrinsics={intrinsics}")
    if size and given.size:
        raise InputError(
            f"{path} says itself that it is for {given.size[0]}x{given.size[1]} images; leave "
            "--intrinsics_size away"
        )
    return dataclasses.replace(given, size=given.size or size)


def of_file(path: pathlib.Path, called: str | None = None) -> Intrinsics:
    """The camera that a file tells of.

    Args:
        path: see `intrinsics_file.read`.
        called: in messages; None: as the file is.

    Raises:
        InputError: it cannot be read or holds something else.
    """
    found = intrinsics_file.read(path)
    given = called or str(path)
    return Intrinsics(found.values, found.size, given, f"from {path}", found.distortion)


def resolve(
    given: GivenCamera | Any, spec: DatasetSpec, size: Size, kind: str = "color"
) -> InputCamera:
    """The camera for frames of (width, height) `size`; the dataset's where nothing is given.

    Raises:
        InputError: what is given cannot be a camera's, or a depth camera is not given.
    """
    return assumed(spec, size, kind) if given is None else at_size(given, size)


def assumed(spec: DatasetSpec, size: Size, kind: str = "color") -> InputCamera:
    """The dataset's camera for frames of (width, height) `size`, if they are in colour.

    Raises:
        InputError: `kind` is 'depth'.
    """
    if kind == "depth":
        raise InputError(
            "no intrinsics given, and a depth camera's cannot be guessed; give "
            "--intrinsics=fx,fy,cx,cy in pixels of its maps or a file, or --hfov=DEGREES; in "
            "Python, intrinsics"
        )
    matrix = camera.scale_intrinsics(spec.intrinsics, spec.native_size, size)
    source = f"the {spec.title} camera at this size; give your own with --intrinsics or --hfov"
    return InputCamera(matrix, source)


def at_size(given: GivenCamera | Any, size: Size) -> InputCamera:
    """The given camera for frames of (width, height) `size`.

    Raises:
        InputError: what is given cannot be a camera's.
    """
    if isinstance(given, FieldOfView):
        return _of_field_of_view(given.degrees, size)
    if not isinstance(given, Intrinsics):
        given = _of_python(given)
    their_size = given.size or size
    _check(given, their_size)
    fx, fy, cx, cy = given.values
    matrix, source = np.array([[fx, 0, cx], [0, fy, cy], [0, 0, 1]]), given.source
    if their_size != size:
        matrix = camera.scale_intrinsics(matrix, their_size, size)
        source += f", scaled from {their_size[0]}x{their_size[1]}"
    if not camera.same_shape(their_size, size):
        source += f", an image of another shape than {size[0]}x{size[1]}: as if it were stretched"
    if given.distortion is None:
        return InputCamera(matrix, source)
    lens = _lens(given, given.distortion, matrix, size)
    return InputCamera(matrix, f"{source}, {lens}", lens)


def _lens(
    given: Intrinsics, distortion: Distortion, matrix: Float[np.ndarray, "3 3"], size: Size
) -> Lens:
    """The lens before a camera that has this `matrix` in frames of `size`."""
    if given.size is None:
        raise InputError(
            f"{given.given} tells of a lens's distortion, and not of images of what size; add "
            "width and height to the file, or give --intrinsics_size=WxH"
        )
    if not camera.same_shape(given.size, size):
        width, height = given.size
        raise InputError(
            f"{given.given} tells of a lens's distortion in images of {width}x{height}, and these "
            f"are {size[0]}x{size[1]}, of another shape; calibrate with images of this shape"
        )
    return lens_of(distortion, intrinsics_file.as_values(matrix), size, given.given)


def _of_field_of_view(degrees: float, size: Size) -> InputCamera:
    if not 0 < degrees <= WIDEST_VIEW:
        raise InputError(
            f"--hfov={degrees:g}: a pinhole camera's field of view lies between 0 and "
            f"{WIDEST_VIEW:g} degrees; most cameras' is 40 to 120"
        )
    width, height = size
    focal = _focal_length(width, degrees)
    matrix = np.array([[focal, 0, width / 2], [0, focal, height / 2], [0, 0, 1]])
    return InputCamera(matrix, f"of a horizontal field of view of {degrees:g} degrees")


def _focal_length(length: float, degrees: float) -> float:
    """Of a camera that sees so much along a side of the image, `length` pixels long."""
    return length / 2 / math.tan(math.radians(degrees) / 2)


def _of_python(given: Any) -> Intrinsics:
    if isinstance(given, str | os.PathLike):
        return of_file(pathlib.Path(given))
    try:
        if np.ndim(given) == 2:
            return Intrinsics(intrinsics_file.as_values(given))
        values = tuple(float(value) for value in given)
    except (TypeError, ValueError) as error:
        raise InputError(f"the intrinsics given are no camera's: {error}") from error
    if len(values) != 4:
        raise InputError(
            f"the intrinsics given are {len(values)} numbers; give fx, fy, cx, cy or a 3x3 matrix"
        )
    return Intrinsics(values)


def _check(given: Intrinsics, size: Size) -> None:
    fx, fy, cx, cy = given.values
    if not all(map(math.isfinite, given.values)):
        raise InputError(f"{given.given}: not every number of fx, fy, cx, cy is finite")
    if fx <= 0 or fy <= 0:
        raise InputError(f"{given.given}: the focal lengths, {fx:g} and {fy:g}, must be positive")
    for name, focal, length in (("fx", fx, size[0]), ("fy", fy, size[1])):
        shortest = _focal_length(length, WIDEST_VIEW)
        if focal < shortest:
            raise InputError(
                f"{given.given}: {name} = {focal:g} in a {size[0]}x{size[1]} image is a field of "
                f"view above {WIDEST_VIEW:g} degrees, expected {shortest:.3g} or more; give focal "
                "lengths in its pixels"
            )
    if not (0 <= cx <= size[0] and 0 <= cy <= size[1]):
        raise InputError(
            f"{given.given}: the centre ({cx:g}, {cy:g}) is outside the {size[0]}x{size[1]} image; "
            "they must be in its pixels (--intrinsics_size says which other image they are for)"
        )


def _numbers(text: str) -> tuple[float, ...]:
    try:
        values = tuple(float(word) for word in text.split(","))
    except ValueError:
        values = ()
    if len(values) != 4:
        raise InputError(
            f"--intrinsics={text} is neither fx,fy,cx,cy nor a file; give four numbers in pixels, "
            "or the path of a file with them"
        )
    return values


def _size(text: str) -> Size:
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise InputError(f"--intrinsics_size={text} is not WIDTHxHEIGHT, such as 1920x1080")
    return int(found[1]), int(found[2])


def _degrees(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise InputError(f"--hfov={text} is not a number; give degrees") from None
