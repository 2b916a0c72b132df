"""H2O's files that say where the object in hand is, one for each frame.

A file has a class, 0 for none, and 21 points in camera space, metres: the centre of the object's
box, its eight corners, and the middles of its twelve edges, which follow from the corners.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep import object_boxes
from data_prep.folders import frames_text, numbered_files
from data_prep.h2o_files import read_numbers
from data_prep.raw import Note, RawDataset, RawPath, with_part
from htt_jax.datasets.spec import BOX_POINTS, H2O
from htt_jax.support.errors import InputError

POINTS = 21
_NAMES = ("", (".txt",))
_NONE = 0  # no object


def where_there_are_some(raw: RawDataset) -> RawDataset:
    """`raw`, with object boxes if any of its segments has a file about its object."""
    by_split: Mapping[str, Sequence[Any]] = raw.splits
    folders = dict.fromkeys(
        segment.object_poses for found in by_split.values() for segment in found
    )
    there = any(numbered_files(folder, *_NAMES)[0] for folder in folders)
    return with_part(raw, "object_boxes") if there else raw


def read(
    folder: RawPath, numbers: Sequence[int], held: int
) -> tuple[Float[np.ndarray, "frames points 3"], list[Note]]:
    """The boxes of the frames `numbers`, from the files of `folder`, which may be absent.

    Args:
        folder: of a recording.
        numbers: of its frames.
        held: class of the action's object, from 0; -1 where it is not known.

    Raises:
        InputError: a file is no object's, or most have an impossible size or distance.
    """
    paths, notes = numbered_files(folder, *_NAMES)
    boxes = np.full((len(numbers), BOX_POINTS, 3), np.nan)
    missing, lost, others = [], [], []
    for box, number in zip(boxes, numbers, strict=True):
        if number not in paths:
            missing.append(number)
            continue
        found = read_one(paths[number])
        if found is None or (found[0] != _NONE and not np.isfinite(found[1]).all()):
            lost.append(number)
        elif found[0] != _NONE:
            box[:] = found[1]
            if held >= 0 and found[0] - 1 != held:
                others.append(number)
    unknown = "kept, where the object is is not known"
    for kind, frames, what in (
        ("missing", missing, unknown),
        ("lost", lost, unknown),
        ("mismatch", others, "the box is of another object than the action's; kept"),
    ):
        if frames:
            notes.append(Note(kind, str(folder), f"object's box, {frames_text(frames)}: {what}"))
    kept, more = object_boxes.checked(boxes, numbers, str(folder))
    return kept, [*notes, *more]


def read_one(path: RawPath) -> tuple[int, Float[np.ndarray, "points 3"]] | None:
    """Class, 0 for none, and the box; None: an empty file.

    Where tracking was lost points may be not finite.

    Raises:
        InputError: it is not one line of 64 numbers that begins with a class.
    """
    values = read_numbers(path, 1 + 3 * POINTS, f"a class and {POINTS} points")
    if values is None:
        return None
    known = len(H2O.object_names)
    if values[0] not in range(known + 1):
        raise InputError(
            f"{path}, line 1: class {values[0]:g}, expected 0 (no object) to {known}; put it "
            "right, or leave its video out with --skip-bad"
        )
    return int(values[0]), values[1:].reshape(POINTS, 3)[:BOX_POINTS]
