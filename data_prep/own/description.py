"""dataset.toml: what the files of recordings do not say themselves."""

import dataclasses
import math
import pathlib
import re
import tomllib
from collections.abc import Mapping, Sequence
from fractions import Fraction
from typing import Any

from data_prep.own import skeletons
from data_prep.own.fitting import lengths
from data_prep.own.fitting.lengths import HandLengths
from data_prep.own.skeletons import FileJoints
from htt_jax.datasets.skeleton import HAND, Skeleton
from htt_jax.prediction.input_camera import WIDEST_VIEW, FieldOfView, Intrinsics, of_file
from htt_jax.prediction.lens import Distortion, distortion
from htt_jax.support.errors import InputError

FILE = "dataset.toml"
METRES = {"m": 1.0, "cm": 0.01, "mm": 0.001}

_NAME = re.compile(r"[a-z][a-z0-9_]*")
_KEYS = (
    *("name", "title", "times", "hands", "skeleton", "joints", "bones", "fingers", "root"),
    *("units", "swap_hands", "frame_rate", "simulated", "camera", lengths.KEY),
)
_CAMERA = ("fx", "fy", "cx", "cy")
_LENS = ("distortion_model", "distortion")
_HAND_KEYS = ("bones", "fingers", "root")  # of joints that are listed


@dataclasses.dataclass(frozen=True, eq=False)  # itself alone, so that it can be a cache's key
class Description:
    """What dataset.toml says.

    Attributes:
        name: of the dataset, as in the names of its files.
        title: for people.
        times: 'seconds' or 'frames': what labels.csv gives.
        hands: their names, in order.
        joints: how joints stand in files.
        metres: a unit of the joints' files.
        swap_hands: whether a hand that MediaPipe calls left is the right one, as it sees mirrored
            images; None where it is not said.
        rate: frames a second of folders of frames; None where it is not said.
        camera: of all recordings that have none of their own; None where it is not said.
        simulated: rendered, not filmed.
        fit: bones of the hands whose joints, labelled in images, are fitted into space; None: they
            stay there.
    """

    name: str
    title: str
    times: str
    hands: tuple[str, ...]
    joints: FileJoints
    metres: float
    swap_hands: bool | None
    rate: Fraction | None
    camera: Intrinsics | FieldOfView | None
    simulated: bool
    fit: HandLengths | None


def read_description(path: pathlib.Path) -> Description:
    """The description of the recordings beside it.

    Raises:
        InputError: it is not there, no TOML, or a key is unknown, missing or not what it must be.
    """
    content = _content(path)
    _only(path, content, _KEYS, "")
    name = _text(path, content, "name", _slug(path.parent.resolve().name))
    if not _NAME.fullmatch(name):
        raise InputError(
            f"{path}: name is {name!r}; expected lower-case letters, digits and _, such as "
            "'my_kitchen'"
        )
    if content.get("times") not in ("seconds", "frames"):
        raise InputError(
            f"{path}: times is {content.get('times')!r}; say what start and end in labels.csv are: "
            'times = "seconds" or times = "frames"'
        )
    hands = tuple(_names(path, content, "hands", ["left", "right"]))
    joints = _joints(path, content)
    metres = METRES[_one_of(path, content, "units", METRES, "m")]
    return Description(
        name=name,
        title=_text(path, content, "title", name),
        times=content["times"],
        hands=hands,
        joints=joints,
        metres=metres,
        swap_hands=_flag(path, content, "swap_hands", None),
        rate=_rate(path, content),
        camera=_camera(path, content["camera"]) if "camera" in content else None,
        simulated=bool(_flag(path, content, "simulated", False)),
        fit=_fit(path, lengths.read(path, content, metres), hands, joints),
    )


def _content(path: pathlib.Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_bytes().decode("utf-8-sig"))
    except FileNotFoundError:
        raise InputError(
            f"no {path}; `python -m data_prep.own --new DIR` writes an example with one, "
            "docs/own_layout.md says what stands in it"
        ) from None
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValueError as error:
        raise InputError(f"{path} is no TOML (texts stand in quotes): {error}") from error


def _only(path: pathlib.Path, content: Mapping[str, Any], keys: Sequence[str], of: str) -> None:
    unknown = [key for key in content if key not in keys]
    if unknown:
        raise InputError(f"{path}: unknown key {of}{unknown[0]}; known are {', '.join(keys)}")


def _text(path: pathlib.Path, content: Mapping[str, Any], key: str, default: str) -> str:
    value = content.get(key, default)
    if not (isinstance(value, str) and value.strip()):
        raise InputError(f"{path}: {key} is {value!r}, expected text")
    return value


def _flag(
    path: pathlib.Path, content: Mapping[str, Any], key: str, default: bool | None
) -> bool | None:
    value = content.get(key, default)
    if value is not default and not isinstance(value, bool):
        raise InputError(f"{path}: {key} is {value!r}, expected true or false")
    return value


def _one_of(
    path: pathlib.Path, content: Mapping[str, Any], key: str, known: Mapping[str, Any], default: str
) -> str:
    value = content.get(key, default)
    if not isinstance(value, str) or value not in known:
        raise InputError(f"{path}: {key} is {value!r}, expected one of {', '.join(known)}")
    return value


def _names(
    path: pathlib.Path, content: Mapping[str, Any], key: str, default: list[str]
) -> list[str]:
    value = content.get(key, default)
    is_list = isinstance(value, list) and all(isinstance(name, str) and name for name in value)
    if not is_list or not value or len({name.lower() for name in value}) < len(value):
        raise InputError(f'{path}: {key} is {value!r}, expected names, each once, such as ["a"]')
    return value


def _joints(path: pathlib.Path, content: Mapping[str, Any]) -> FileJoints:
    if "joints" not in content:
        extra = next((key for key in _HAND_KEYS if key in content), None)
        if extra is not None:
            raise InputError(f"{path}: {extra} is for joints of your own; give `joints` too")
        return skeletons.named(_one_of(path, content, "skeleton", skeletons.NAMED, "ours"))
    if "skeleton" in content:
        raise InputError(f"{path} names both a skeleton and joints; give one of them")
    names = _names(path, content, "joints", [])
    known = skeletons.listed(names)
    if known is not None:
        extra = next((key for key in _HAND_KEYS if key in content), None)
        if extra is not None:
            raise InputError(
                f"{path}: {extra} is for joints of your own, but `joints` are those of a known "
                f"skeleton, which has its own; leave {extra} away"
            )
        return known
    fingers = content.get("fingers", {})
    bones = content.get("bones", [])
    try:
        at = {name: i for i, name in enumerate(names)}
        skeleton = Skeleton(
            joints=tuple(names),
            bones=tuple((at[a], at[b]) for a, b in bones),
            fingers={finger: tuple(at[j] for j in chain) for finger, chain in fingers.items()},
            root=at[content.get("root", names[0])],
        )
    except KeyError as error:
        raise InputError(f"{path}: there is no joint {error} among {', '.join(names)}") from error
    except (TypeError, ValueError, AttributeError) as error:
        raise InputError(
            f"{path}: bones must be pairs of joints, fingers lists of joints by name: {error}"
        ) from error
    return skeletons.own(skeleton)


def _fit(
    path: pathlib.Path, fit: HandLengths | None, hands: Sequence[str], joints: FileJoints
) -> HandLengths | None:
    """`fit`, where it can be done.

    Raises:
        InputError: hands or joints are others than those of the hand that is fitted.
    """
    if fit is None:
        return None
    if joints.skeleton is not HAND:
        raise InputError(
            f"{path}: {lengths.KEY} needs the {len(HAND.joints)} joints of a known skeleton "
            f"({', '.join(skeletons.NAMED)}), which `joints` are not; leave it away"
        )
    unknown = [hand for hand in hands if hand.lower() not in ("left", "right")]
    if unknown:
        raise InputError(
            f"{path}: {lengths.KEY} must know which hand is which; call {unknown[0]!r} in `hands` "
            "left or right"
        )
    return fit


def _rate(path: pathlib.Path, content: Mapping[str, Any]) -> Fraction | None:
    value = content.get("frame_rate")
    if value is None:
        return None
    if not _is_number(value) or not 0.01 <= value <= 1000:
        raise InputError(
            f"{path}: frame_rate is {value!r}, expected frames a second, from 0.01 to 1000"
        )
    return Fraction(value).limit_denominator(1001)


def _camera(path: pathlib.Path, content: Any) -> Intrinsics | FieldOfView:
    if not isinstance(content, dict):
        raise InputError(f"{path}: camera is {content!r}, expected a table [camera]")
    _only(path, content, (*_CAMERA, "width", "height", *_LENS, "hfov", "file"), "camera.")
    if "file" in content:
        name = content["file"]
        if len(content) > 1 or not isinstance(name, str):
            raise InputError(
                f"{path}: camera.file is {name!r}; expected a name, and no other key of the camera "
                "beside it"
            )
        return read_camera(path.parent / name)
    numbers = {key: value for key, value in content.items() if key not in _LENS}
    wrong = next((key for key, value in numbers.items() if not _is_number(value)), None)
    if wrong is not None:
        raise InputError(f"{path}: camera.{wrong} is {content[wrong]!r}, expected a number")
    if "hfov" in content:
        if len(content) > 1 or not 0 < content["hfov"] <= WIDEST_VIEW:
            raise InputError(
                f"{path}: camera.hfov is {content['hfov']!r}; expected degrees from 0 to "
                f"{WIDEST_VIEW:g}, and no other key of the camera beside it"
            )
        return FieldOfView(float(content["hfov"]))
    absent = [key for key in (*_CAMERA, "width", "height") if key not in content]
    if absent:
        raise InputError(
            f"{path}: the camera has no {', '.join(absent)}; give fx, fy, cx, cy in pixels of "
            "images of width and height, or hfov alone, in degrees"
        )
    values = tuple(float(content[key]) for key in _CAMERA)
    size = (int(content["width"]), int(content["height"]))
    if min(size) < 1 or size != (content["width"], content["height"]):
        raise InputError(
            f"{path}: the camera's images are {content['width']}x{content['height']}, expected "
            "whole pixels"
        )
    given = f"{path}, camera"
    return Intrinsics(values, size, given, f"from {path}", _distortion(given, content))


def read_camera(path: pathlib.Path) -> Intrinsics:
    """The camera that a file tells of, see `intrinsics_file.read`.

    Raises:
        InputError: it cannot be read, or does not say of images of what size.
    """
    given = of_file(path)
    if given.size is None:
        raise InputError(
            f"{path} does not say of images of what size its pixels are; expected width and height "
            "after fx, fy, cx, cy, or under these names in JSON or YAML"
        )
    return given


def _distortion(given: str, content: Mapping[str, Any]) -> Distortion | None:
    coefficients = content.get("distortion", [])
    if not isinstance(coefficients, list) or not all(map(_is_number, coefficients)):
        raise InputError(f"{given}: distortion is {coefficients!r}, expected a list of numbers")
    try:
        return distortion(content.get("distortion_model"), coefficients)
    except ValueError as error:
        raise InputError(f"{given}: {error}") from None


def _is_number(value: Any) -> bool:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and math.isfinite(value)


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", text.lower()).strip("_") or "own"
