"""Writes predictions: `predictions.npz` for programs, `predictions.json` for people and for both.

Both hold poses in pixels of the input and in metres, camera space, and of each frame the action as
it stands there (`action_over_time`, see `predictions.Predictions`): all classes in the .npz, the
first few in the .json. Of a model that tells the box of the object in hand both have its centre and
corners in each frame, `object_box_3d`. Of poses that are smoothed both tell each filter's
parameters (`smoothing`, see `smoothing.Smoothing`), in the .npz an array of cutoff and slope for
each. Of frames that were undistorted are `joints_2d` and `intrinsics`, and both tell where the
joints lie in the input as it is, `joints_2d_input`, NaN or null where that is not known.
`attention.npz` holds where the model looked, see `prediction.attention`.
"""

import dataclasses
import json
import pathlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.models.outputs import OF_JOINTS, OF_NAME
from htt_jax.prediction.lens import Lens
from htt_jax.prediction.predictions import Predictions
from htt_jax.support.files import atomic_write

NPZ_FILE = "predictions.npz"
JSON_FILE = "predictions.json"
ATTENTION_FILE = "attention.npz"
TOP_ACTIONS = 5

_TOP_OF_FRAME = 3  # actions in each frame of the .json

UNITS = {
    **{output.name: f"{output.unit}, {output.meaning}" for output in OF_JOINTS},
    "intrinsics": "pixels of the input",
    "seconds": "since the first frame",
}
_OF_UNDISTORTED = {
    "joints_2d": "pixels of the input, undistorted; where each joint is; x right, y down",
    "joints_2d_input": "pixels of the input as it is",
    "intrinsics": "pixels of the input, undistorted",
}
_OF_BOX = {"object_box_3d": "metres, centre and eight corners of the object's box in camera space"}


@dataclasses.dataclass(frozen=True)
class Origin:
    """Where predictions come from.

    Attributes:
        input: the frames' folder or file.
        workdir: of the run.
        step: of its checkpoint.
        dataset: the run was trained on.
        image_size: (width, height) of the input's frames.
        intrinsics: pixels, at that size.
        intrinsics_source: who says so.
        window: t of the run, frames the pose block sees together.
        whole_frames: whether the model sees them whole, and not a part of them.
        notes: what to know of the frames, a line each.
        lens: that bent the frames' lines, which were undistorted; None: they were straight.
    """

    input: str
    workdir: str
    step: int
    dataset: DatasetFacts
    image_size: tuple[int, int]
    intrinsics: Float[np.ndarray, "3 3"]
    intrinsics_source: str
    window: int
    whole_frames: bool = True
    notes: tuple[str, ...] = ()
    lens: Lens | None = None


def write(out: pathlib.Path, predictions: Predictions, origin: Origin) -> list[str]:
    """Writes all files into the folder `out`; returns their names."""
    with atomic_write(out / NPZ_FILE) as file:
        np.savez_compressed(file, **_arrays(predictions, origin))
    with atomic_write(out / JSON_FILE, "w") as file:
        file.writelines(_json_lines(predictions, origin))
    if predictions.attention is None:
        return [NPZ_FILE, JSON_FILE]
    attention = dataclasses.asdict(predictions.attention)
    with atomic_write(out / ATTENTION_FILE) as file:
        found = {name: array for name, array in attention.items() if array is not None}
        if predictions.joint_attention is not None:
            of_joints = dataclasses.asdict(predictions.joint_attention)
            found |= {f"joint_{name}": array for name, array in of_joints.items()}
        np.savez_compressed(file, clip_start=predictions.clip_start, **found)
    return [NPZ_FILE, JSON_FILE, ATTENTION_FILE]


def top_actions(predictions: Predictions, names: Sequence[str]) -> list[dict[str, Any]]:
    """The most probable actions of the video, best first; none if nothing is said of them."""
    if predictions.action_probabilities is None:
        return []
    best = _best(names, predictions.action_probabilities, TOP_ACTIONS)
    return [{"name": name, "probability": probability} for name, probability in best.items()]


def _arrays(predictions: Predictions, origin: Origin) -> dict[str, Any]:
    own = {"attention", "joint_attention", "ahead", "smoothing"}  # made of several themselves
    names = [field.name for field in dataclasses.fields(predictions) if field.name not in own]
    values = {name: getattr(predictions, name) for name in (*names, "action_probabilities")}
    found = {name: np.asarray(value) for name, value in values.items() if value is not None}
    if predictions.ahead is not None:
        found |= {f"ahead_{name}": x for name, x in dataclasses.asdict(predictions.ahead).items()}
    if predictions.smoothing is not None:
        filters = dataclasses.asdict(predictions.smoothing).items()
        found |= {f"smoothing_{name}": np.array(list(x.values())) for name, x in filters}
    if origin.lens is not None:
        places = origin.lens.distorted_points(predictions.joints_2d)
        found["joints_2d_input"] = places.astype(np.float32)
        found["distortion_model"] = np.array(origin.lens.distortion.model)
        found["distortion_coefficients"] = np.array(origin.lens.distortion.coefficients)
    return {
        "frame": np.arange(len(predictions.frame_names)),
        "frame_name": found.pop("frame_names"),
        **found,
        "action_names": np.array(origin.dataset.action_names),
        "object_names": np.array(origin.dataset.object_names),
        "joint_names": np.array(origin.dataset.joint_names),
        "intrinsics": np.asarray(origin.intrinsics),
        "image_size": np.array(origin.image_size),
        "step": np.array(origin.step),
    }


def _json_lines(predictions: Predictions, origin: Origin) -> Iterator[str]:
    """JSON, written entry by entry, so that long videos never become one large string."""
    yield "{\n"
    for name, value in _head(predictions, origin).items():
        yield f' "{name}": {_json(value)},\n'
    frames = range(len(predictions.frame_names))
    if predictions.action_over_time is not None:
        yield from _json_list("actions", top_actions(predictions, origin.dataset.action_names), ",")
        if predictions.decided_frame is not None:
            decided = predictions.decided_frame
            seconds = _rounded(predictions.seconds[decided], 6)
            yield f' "decided": {_json({"frame": decided, "seconds": seconds})},\n'
        yield from _json_list("clips", _clips(predictions, origin.dataset), ",")
    entries = (
        {**_frame(predictions, origin.dataset, i), **_in_input(predictions, origin, i)}
        for i in frames
    )
    yield from _json_list("frames", entries, "")
    yield "}\n"


def _json_list(name: str, entries: Iterable[Mapping[str, Any]], end: str) -> Iterator[str]:
    """A named list with a line for each entry."""
    separator = "["
    yield f' "{name}": '
    for entry in entries:
        yield f"{separator}\n  {_json(entry)}"
        separator = ","
    yield f"\n ]{end}\n"


def _json(value: Any) -> str:
    return json.dumps(value, allow_nan=False)


def _head(predictions: Predictions, origin: Origin) -> dict[str, Any]:
    matrix = origin.intrinsics
    return {
        "input": origin.input,
        "run": {"workdir": origin.workdir, "step": origin.step, "dataset": origin.dataset.name},
        "image_size": list(origin.image_size),
        "intrinsics": {
            "fx": float(matrix[0, 0]),
            "fy": float(matrix[1, 1]),
            "cx": float(matrix[0, 2]),
            "cy": float(matrix[1, 2]),
            "source": origin.intrinsics_source,
        },
        "distortion": origin.lens and origin.lens.distortion._asdict(),
        "smoothing": predictions.smoothing and dataclasses.asdict(predictions.smoothing),
        "notes": list(origin.notes),
        "units": {
            **UNITS,
            **({} if predictions.object_box_3d is None else _OF_BOX),
            **({} if origin.lens is None else _OF_UNDISTORTED),
        },
        "joint_names": list(origin.dataset.spec.skeleton.joints),
    }


def _clips(predictions: Predictions, dataset: DatasetFacts) -> Iterator[Mapping[str, Any]]:
    assert predictions.clip_action_probabilities is not None
    clips = zip(
        predictions.clip_start,
        predictions.clip_frames,
        predictions.clip_action_probabilities,
        strict=True,
    )
    for start, count, probabilities in clips:
        yield {
            "first_frame": int(start),
            "frames": int(count),
            "action": dataset.action_names[int(probabilities.argmax())],
            "action_probabilities": _by_name(dataset.action_names, probabilities),
        }


def _frame(predictions: Predictions, dataset: DatasetFacts, frame: int) -> Mapping[str, Any]:
    found: dict[str, Any] = {
        "frame": frame,
        "name": predictions.frame_names[frame],
        "seconds": _rounded(predictions.seconds[frame], 6),
    }
    if predictions.object_probabilities is not None:
        probabilities = predictions.object_probabilities[frame]
        found["object"] = dataset.object_names[int(probabilities.argmax())]
        found["object_probabilities"] = _by_name(dataset.object_names, probabilities)
    if predictions.object_box_3d is not None:
        decimals = OF_NAME["joints_3d"].decimals
        found["object_box_3d"] = _rounded(predictions.object_box_3d[frame], decimals)
    if predictions.action_over_time is not None:
        so_far = predictions.action_over_time[frame]
        found["actions_so_far"] = _best(dataset.action_names, so_far, _TOP_OF_FRAME)
    if dataset.spec.joints != NO_JOINTS:
        hands = enumerate(dataset.spec.hands)
        found["hands"] = {name: _hand(predictions, dataset, frame, i) for i, name in hands}
    return found


def _in_input(predictions: Predictions, origin: Origin, frame: int) -> Mapping[str, Any]:
    """Where the joints of each hand lie in a frame as it was before it was undistorted."""
    spec = origin.dataset.spec
    if origin.lens is None or spec.joints == NO_JOINTS:
        return {}
    places = origin.lens.distorted_points(predictions.joints_2d[frame])
    rounded = _rounded(places, OF_NAME["joints_2d"].decimals)
    known = np.isfinite(places).all(axis=-1)
    shown = [place if is_known else None for place, is_known in zip(rounded, known, strict=True)]
    return {"joints_2d_input": {hand: shown[spec.joints_of(hand)] for hand in spec.hands}}


def _hand(
    predictions: Predictions, dataset: DatasetFacts, frame: int, hand: int
) -> Mapping[str, Any]:
    joints = dataset.spec.joints_of(dataset.spec.hands[hand])
    found: dict[str, Any] = {}
    if predictions.hand_seen is not None:
        found["seen"] = bool(predictions.hand_seen[frame, hand])
    return found | {
        output.name: _rounded(getattr(predictions, output.name)[frame, joints], output.decimals)
        for output in OF_JOINTS
        if output.unit == "pixels" or dataset.spec.joints != IN_IMAGES  # whose depth is not learned
    }


def _by_name(names: Sequence[str], probabilities: np.ndarray) -> dict[str, float]:
    return dict(zip(names, _rounded(probabilities, 4), strict=True))


def _best(names: Sequence[str], probabilities: np.ndarray, count: int) -> dict[str, float]:
    """The most probable classes, best first."""
    best = np.argsort(-probabilities, kind="stable")[:count]
    return _by_name([names[i] for i in best], probabilities[best])


def _rounded(values: Any, decimals: int) -> Any:
    """Plain numbers, without digits that mean nothing."""
    return np.round(np.asarray(values, np.float64), decimals).tolist()
