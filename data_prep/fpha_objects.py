"""FPHA's poses of four objects: where their files lie, and the boxes that follow from them.

A pose takes the object's model to the annotations' world; the box is that around the model.
"""

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from jaxtyping import Float

from data_prep import camera_poses, folders, fpha_places, object_boxes, ply
from data_prep.folders import frames_text
from data_prep.fpha_files import read_object_pose
from data_prep.raw import Note, RawDataset, RawPath, with_part
from htt_jax.datasets.spec import BOX_POINTS
from htt_jax.support.errors import InputError

POSES = ("Object_6D_pose_annotation_v1_1", "Object_6D_pose_annotation_v1")
MODELS = "Object_models"
FILE = "object_pose.txt"

_SHORT_NAMES = {"juice_bottle": "juice"}
_TO_CAMERA = np.vstack([fpha_places.WORLD_TO_CAMERA * [1, 1, 1, 0.001], [0, 0, 0, 1]])  # metres


class ObjectPoses(NamedTuple):
    """The files about a video's object."""

    path: RawPath  # of the poses
    model: RawPath


Finder: TypeAlias = Callable[[str, str], ObjectPoses | None]
"""The files of a video and the name of its object; None: of neither, or without a model."""


def model_path(root: RawPath, name: str) -> RawPath:
    """Where an object's model lies, metres; it need not be there."""
    return root / MODELS / f"{name}_model" / f"{name}_model.ply"


def find(
    root: RawPath, subjects: Sequence[str], object_names: Sequence[str]
) -> tuple[Finder, list[Note]]:
    """What tells where a dataset has poses of objects, and notes on poses without a model."""
    tops = [place for name in POSES for place in folders.unpacked(root / name)]
    if not tops:
        return lambda video_id, name: None, []
    places = fpha_places.by_subject(tops, subjects)
    names = {name: (name, _SHORT_NAMES.get(name, name)) for name in object_names}
    found = {name: [model_path(root, one) for one in both] for name, both in names.items()}
    models = {name: next((p for p in paths if p.is_file()), None) for name, paths in found.items()}
    notes: list[Note] = []
    if not any(models.values()):
        what = f"no model of an object: its poses in {tops[0].name} alone tell no box"
        notes.append(Note("missing", str(root / MODELS), what))

    def of_video(video_id: str, name: str) -> ObjectPoses | None:
        model = models.get(name)
        if model is None:
            return None
        path = fpha_places.filled(places, video_id, FILE)
        return ObjectPoses(path, model) if path.is_file() else None

    return of_video, notes


def where_there_are_some(raw: RawDataset) -> RawDataset:
    """`raw`, with object boxes if any of its videos has poses of its object."""
    by_split: Mapping[str, Sequence[Any]] = raw.splits
    there = any(video.objects is not None for found in by_split.values() for video in found)
    return with_part(raw, "object_boxes") if there else raw


def read(
    found: ObjectPoses | None, numbers: Sequence[int]
) -> tuple[Float[np.ndarray, "frames points 3"], list[Note]]:
    """The boxes of the frames `numbers`, in the colour camera's space; unknown without files.

    Raises:
        InputError: a bad row or model, or most boxes have an impossible size or distance.
    """
    boxes = np.full((len(numbers), BOX_POINTS, 3), np.nan)
    if found is None:
        return boxes.astype(np.float32), []
    poses, box = read_object_pose(found.path), _box(found.model)
    missing, lost = [], []
    for one, number in zip(boxes, numbers, strict=True):
        pose = poses.get(number)
        if pose is None:
            missing.append(number)
        elif not np.isfinite(pose).all() or not pose[:3].any():
            lost.append(number)
        else:
            in_metres = pose * np.array([[1, 1, 1, 0.001]] * 3 + [[1, 1, 1, 1]])
            if wrong := camera_poses.fault(in_metres):
                raise InputError(
                    f"{found.path}: frame {number}: {wrong}; expected a 4x4 matrix, column after "
                    "column, object to world, millimetres; put it right, or leave its video out "
                    "with --skip-bad"
                )
            one[:] = object_boxes.placed(box, _TO_CAMERA @ in_metres)
    unknown = "kept, where the object is is not known"
    notes = [
        Note(kind, str(found.path), f"object's box, {frames_text(frames)}: {unknown}")
        for kind, frames in (("missing", missing), ("lost", lost))
        if frames
    ]
    kept, more = object_boxes.checked(boxes, numbers, str(found.path))
    return kept, [*notes, *more]


@functools.cache  # a model is that of many videos
def _box(model: RawPath) -> Float[np.ndarray, "points 3"]:
    points = ply.vertices(model)
    return object_boxes.around(points.min(axis=0), points.max(axis=0))
