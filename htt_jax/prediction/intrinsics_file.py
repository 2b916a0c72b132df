"""Reads a camera's intrinsics from text and JSON files."""

import json
import pathlib
from collections.abc import Mapping, Sequence
from typing import Any

from htt_jax.prediction.frames import Size
from htt_jax.support.errors import InputError

_VALUES = ("fx", "fy", "cx", "cy")
_SIZES = (("width", "height"), ("image_width", "image_height"))
_EXPECTED = (
    "give a text file of 'fx fy cx cy' or 'fx fy cx cy width height', or a JSON of those names or "
    "with a 3x3 'camera_matrix'"
)


def read(path: pathlib.Path) -> tuple[tuple[float, ...], Size | None]:
    """fx, fy, cx, cy in pixels, and the (width, height) they are for if the file says so.

    Args:
        path: a text file `fx fy cx cy [width height]`, as H2O's cam_intrinsics.txt; or a JSON of
            these names, or with a 3x3 `camera_matrix` and perhaps `image_width` and
            `image_height`, as OpenCV writes them.

    Raises:
        InputError: it cannot be read or holds something else.
    """
    try:
        text = path.read_text()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"cannot read the intrinsics in {path}: {reason}; {_EXPECTED}") from None
    try:
        if text.lstrip().startswith("{"):
            return _of_json(json.loads(text))
        return _of_numbers([float(word) for word in text.replace(",", " ").split()])
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno} is no JSON"
    except (ValueError, TypeError) as error:
        reason = str(error)
    raise InputError(f"no intrinsics in {path}: {reason}; {_EXPECTED}")


def as_values(matrix: Any) -> tuple[float, ...]:
    """fx, fy, cx, cy of a 3x3 camera matrix.

    Raises:
        ValueError: it is none of a pinhole camera without skew.
    """
    rows = [[float(value) for value in row] for row in matrix]
    if [len(row) for row in rows] != [3, 3, 3]:
        raise ValueError("the camera matrix is not 3x3")
    (fx, skew, cx), (zero, fy, cy), last = rows
    if skew or zero or last != [0, 0, 1]:
        raise ValueError("the camera matrix is not [fx 0 cx; 0 fy cy; 0 0 1]")
    return fx, fy, cx, cy


def _of_numbers(numbers: Sequence[float]) -> tuple[tuple[float, ...], Size | None]:
    if len(numbers) not in (4, 6):
        raise ValueError(f"it holds {len(numbers)} numbers")
    return tuple(numbers[:4]), _whole_size(numbers[4:]) if numbers[4:] else None


def _of_json(content: Mapping[str, Any]) -> tuple[tuple[float, ...], Size | None]:
    sizes = [[content[name] for name in pair] for pair in _SIZES if set(pair) <= set(content)]
    size = _whole_size(sizes[0]) if sizes else None
    if "camera_matrix" in content:
        return as_values(_rows(content["camera_matrix"])), size
    missing = [name for name in _VALUES if name not in content]
    if missing:
        raise ValueError(f"it has no {missing[0]!r}")
    return tuple(float(content[name]) for name in _VALUES), size


def _rows(matrix: Any) -> Any:
    """Rows of a matrix, also of one as OpenCV's FileStorage writes it: all numbers in `data`."""
    if not isinstance(matrix, Mapping):
        return matrix
    data = matrix.get("data")
    if not isinstance(data, list) or len(data) != 9:
        raise ValueError("'camera_matrix' has no 'data' of nine numbers")
    return [data[0:3], data[3:6], data[6:9]]


def _whole_size(numbers: Sequence[Any]) -> Size:
    width, height = (float(number) for number in numbers)
    if not (width > 0 and height > 0 and width.is_integer() and height.is_integer()):
        raise ValueError(f"an image of {width:g}x{height:g} pixels cannot be")
    return int(width), int(height)
