"""Cameras as Kalibr writes them: https://github.com/ethz-asl/kalibr/wiki/yaml-formats."""

import re
from collections.abc import Mapping
from typing import Any

_CAMERA = re.compile(r"cam\d+")
_MODELS = {"radtan": "radial-tangential", "equidistant": "fisheye"}
_NONE = ("none", None)


def is_chain(content: Mapping[str, Any]) -> bool:
    """Whether named values are those of a camchain.yaml."""
    return any(_CAMERA.fullmatch(str(name)) for name in content)


def named(content: Mapping[str, Any]) -> dict[str, Any]:
    """The only camera of a camchain.yaml, by the names that other files have for the same.

    Raises:
        ValueError: there are several, it is no pinhole camera, or something is missing.
    """
    cameras = [name for name in map(str, content) if _CAMERA.fullmatch(name)]
    if len(cameras) > 1:
        raise ValueError(
            f"it has {len(cameras)} cameras, {' and '.join(cameras[:2])}; leave that one in it "
            "which filmed"
        )
    camera = content[cameras[0]]
    if not isinstance(camera, Mapping):
        raise ValueError(f"its {cameras[0]!r} is empty")
    for name in ("camera_model", "intrinsics", "resolution"):
        if name not in camera:
            raise ValueError(f"its {cameras[0]} has no {name!r}")
    if camera["camera_model"] != "pinhole":
        raise ValueError(
            f"its camera_model is {camera['camera_model']!r}; calibrate with 'pinhole-radtan', or "
            "for a fisheye 'pinhole-equi'"
        )
    fx, fy, cx, cy = _numbers(camera, "intrinsics", 4)
    width, height = _numbers(camera, "resolution", 2)
    found = {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": width, "height": height}
    model = camera.get("distortion_model")
    if model in _NONE:
        if any(camera.get("distortion_coeffs") or ()):
            raise ValueError(f"it has 'distortion_coeffs', and its distortion_model is {model!r}")
        return found
    if model not in _MODELS:
        raise ValueError(f"its distortion_model is {model!r}, expected {' or '.join(_MODELS)}")
    coefficients = _numbers(camera, "distortion_coeffs", 4)
    return found | {
        "distortion_model": _MODELS[model],
        "distortion_coefficients": coefficients,
    }


def _numbers(camera: Mapping[str, Any], name: str, count: int) -> list[Any]:
    values = camera.get(name)
    if not isinstance(values, list) or len(values) != count:
        raise ValueError(f"its {name!r} are not {count} numbers")
    return values
