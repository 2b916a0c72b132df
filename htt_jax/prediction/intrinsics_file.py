"""Reads a camera's intrinsics from text, JSON and YAML files."""

import json
import pathlib
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import yaml

from htt_jax.prediction import kalibr
from htt_jax.prediction.frames import Size
from htt_jax.prediction.lens import Distortion, distortion
from htt_jax.support.errors import InputError

_VALUES = ("fx", "fy", "cx", "cy")
_SIZES = (("width", "height"), ("image_width", "image_height"))
_MATRIX = ("camera_matrix", "K", "k")
_MODEL = "distortion_model"
_COEFFICIENTS = ("distortion_coefficients", "dist_coeffs", "dist_coeff", "distortion", "D", "d")
_OF_SOME_LENS = re.compile(r"dist|radial|tangential|[kp]_?\d|xi$", re.IGNORECASE)
_EXPECTED = (
    "give a text file of 'fx fy cx cy' or 'fx fy cx cy width height', or a JSON or YAML of those "
    "names or with a 3x3 'camera_matrix', as OpenCV and ROS write it, or a camchain of Kalibr"
)


class CameraFile(NamedTuple):
    """What a file says of a camera.

    Attributes:
        values: fx, fy, cx, cy in pixels.
        size: (width, height) of the images they are for; None: it is not said.
        distortion: of the lens; None: it bends nothing.
    """

    values: tuple[float, ...]
    size: Size | None
    distortion: Distortion | None


def read(path: pathlib.Path) -> CameraFile:
    """What a file says of a camera.

    Args:
        path: a text file `fx fy cx cy [width height]`, as H2O's cam_intrinsics.txt; or a JSON or
            YAML of these names, or with a 3x3 `camera_matrix` and perhaps `image_width` and
            `image_height`, as OpenCV writes them, a `camera_info` of ROS, or Kalibr's camchain of
            one camera. In these may also stand the `distortion_coefficients` of a lens, and its
            `distortion_model`, see `lens`.

    Raises:
        InputError: it cannot be read or holds something else.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InputError(f"cannot read the intrinsics in {path}: {reason}; {_EXPECTED}") from None
    try:
        if text.lstrip().startswith("{"):
            return of_names(json.loads(text))
        if text.lstrip().startswith("<"):
            raise ValueError("it is XML; save it as .yml")
        if ":" in text:
            return of_names(_of_yaml(text))
        return _of_numbers([float(word) for word in text.replace(",", " ").split()])
    except json.JSONDecodeError as error:
        reason = f"line {error.lineno} is no JSON"
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        reason = f"line {mark.line + 1} is no YAML" if mark else "it is no YAML"
    except (ValueError, TypeError, RecursionError) as error:
        reason = " ".join(str(error).split())
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


def of_names(content: Mapping[str, Any]) -> CameraFile:
    """What named values say of a camera, see `read`.

    Raises:
        ValueError, TypeError: one is missing, or not what it must be.
    """
    if kalibr.is_chain(content):
        content = kalibr.named(content)
    sizes = [[content[name] for name in pair] for pair in _SIZES if set(pair) <= set(content)]
    size = _whole_size(sizes[0]) if sizes else None
    lens = _distortion(content)
    matrix = next((name for name in _MATRIX if name in content), None)
    if matrix is not None:
        return CameraFile(as_values(_rows(matrix, content[matrix])), size, lens)
    missing = [name for name in _VALUES if name not in content]
    if missing:
        raise ValueError(f"it has no {missing[0]!r}")
    return CameraFile(tuple(float(content[name]) for name in _VALUES), size, lens)


def _of_numbers(numbers: Sequence[float]) -> CameraFile:
    if len(numbers) not in (4, 6):
        raise ValueError(f"it holds {len(numbers)} numbers")
    return CameraFile(tuple(numbers[:4]), _whole_size(numbers[4:]) if numbers[4:] else None, None)


class _Loader(yaml.SafeLoader):
    """Of plain values, and of matrices as OpenCV's FileStorage tags them."""


_Loader.add_multi_constructor(
    "tag:yaml.org,2002:opencv-",  # matrix, or of one axis nd-matrix
    lambda loader, _, node: loader.construct_mapping(node, deep=True),
)


def _of_yaml(text: str) -> dict[str, Any]:
    lines = text.splitlines()
    if lines[0].startswith("%YAML:"):  # as OpenCV 4 begins it, which is no YAML
        lines[0] = ""
    documents = yaml.load_all("\n".join(lines), _Loader)
    content = next(iter(documents))  # ROS ends one with ---
    if not isinstance(content, dict):
        raise ValueError("it holds no names with values")
    return content


def _distortion(content: Mapping[str, Any]) -> Distortion | None:
    found = [name for name in _COEFFICIENTS if name in content]
    known = (*_COEFFICIENTS, _MODEL)
    other = [name for name in map(str, content) if _OF_SOME_LENS.match(name) and name not in known]
    if other:  # which would go unseen
        raise ValueError(
            f"its {other[0]!r} is not known; the coefficients of a lens are a list called "
            f"{_COEFFICIENTS[0]!r}, its model {_MODEL!r}"
        )
    if len(found) > 1:
        raise ValueError(f"it has both {found[0]!r} and {found[1]!r}")
    model = content.get(_MODEL) or None
    if model is None and content.get("fisheye_model"):  # OpenCV's sample says it so
        model = "fisheye"
    if found:
        return distortion(model, _flat(found[0], content[found[0]]))
    if model is not None:
        raise ValueError(f"it has a distortion model, and no {_COEFFICIENTS[0]!r}")
    return None


def _flat(name: str, values: Any) -> list[Any]:
    """Coefficients in a list, a row or column of lists, or as FileStorage writes them."""
    if isinstance(values, Mapping):
        values = values.get("data")
    if not isinstance(values, list):
        raise ValueError(f"{name!r} is no list of numbers")
    return [v for value in values for v in (value if isinstance(value, list) else [value])]


def _rows(name: str, matrix: Any) -> Any:
    """Rows of a matrix, also of one whose numbers are in a row, or in `data` as OpenCV's are."""
    data = matrix.get("data") if isinstance(matrix, Mapping) else matrix
    if isinstance(data, list) and len(data) == 9:
        return [data[0:3], data[3:6], data[6:9]]
    if isinstance(matrix, Mapping):
        raise ValueError(f"{name!r} has no 'data' of nine numbers")
    return matrix


def _whole_size(numbers: Sequence[Any]) -> Size:
    width, height = (float(number) for number in numbers)
    if not (width > 0 and height > 0 and width.is_integer() and height.is_integer()):
        raise ValueError(f"an image of {width:g}x{height:g} pixels cannot be")
    return int(width), int(height)
