"""Where the camera was in each frame: read from files of one 4x4 matrix each, and checked.

A pose takes points of the camera's space to the world's, both in metres. Where it is not known, all
of its numbers are NaN.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep.folders import frames_text, numbered_files, read_lines
from data_prep.raw import Note, RawDataset, RawPath, with_part
from htt_jax.support.errors import InputError

FARTHEST = 100.0
"""Metres from the world's origin; farther away, numbers are of another unit."""

_NAMES = ("", (".txt",))
_ROUNDING = 0.01  # of a rotation's entries, as text files round them


def where_there_are_some(raw: RawDataset) -> RawDataset:
    """`raw`, with camera poses if any of its videos has one.

    Its videos have a folder `camera_poses` and a field `with_camera_poses`.
    """
    by_split: Mapping[str, Sequence[Any]] = raw.splits
    folders = dict.fromkeys(video.camera_poses for found in by_split.values() for video in found)
    there = any(numbered_files(folder, *_NAMES)[0] for folder in folders)
    return with_part(raw, "camera_poses") if there else raw


def read(
    folder: RawPath, numbers: Sequence[int]
) -> tuple[Float[np.ndarray, "frames 4 4"], list[Note]]:
    """The poses of the frames `numbers`, float32, from the files of `folder`, which may be absent.

    Raises:
        InputError: a file does not hold a pose.
    """
    paths, notes = numbered_files(folder, *_NAMES)
    poses = np.full((len(numbers), 4, 4), np.nan, np.float32)
    missing, lost = [], []
    for pose, number in zip(poses, numbers, strict=True):
        if number not in paths:
            missing.append(number)
        elif (found := read_one(paths[number])) is not None:
            pose[:] = found
        else:
            lost.append(number)
    for kind, frames in (("missing", missing), ("lost", lost)):
        if frames:
            what = f"{frames_text(frames)}: kept, where the camera was is not known"
            notes.append(Note(kind, str(folder), what))
    return poses, notes


def read_one(path: RawPath) -> Float[np.ndarray, "4 4"] | None:
    """The pose in a file of 16 numbers, in one line or four; None: empty, or tracking was lost.

    Raises:
        InputError: it holds something else.
    """
    words = [word for _, line in read_lines(path) for word in line]
    if not words:
        return None
    expected = "expected the 16 numbers of a 4x4 matrix, camera to world, metres"
    if len(words) != 16:
        raise InputError(f"{path}: {len(words)} numbers, {expected}")
    try:
        pose = np.array(words, np.float64).reshape(4, 4)
    except ValueError as error:
        raise InputError(f"{path}: {error}; {expected}") from error
    if not np.isfinite(pose).all() or not pose[:3].any():
        return None
    if wrong := fault(pose):
        raise InputError(f"{path}: {wrong}; {expected}")
    return pose


def fault(pose: Float[np.ndarray, "4 4"]) -> str | None:
    """Why a finite matrix is no pose, if it is none."""
    turn, place = pose[:3, :3], pose[:3, 3]
    if not np.allclose(pose[3], (0, 0, 0, 1), atol=_ROUNDING):
        return f"its last row is {pose[3].tolist()}, not 0 0 0 1"
    if not np.allclose(turn.T @ turn, np.eye(3), atol=_ROUNDING) or np.linalg.det(turn) < 0:
        return "its first three columns are no rotation"
    if np.abs(place).max() > FARTHEST:
        return f"it is {np.abs(place).max():.0f} m from the world's origin; another unit?"
    return None


def problems(poses: Float[np.ndarray, "frames 4 4"], numbers: Sequence[int]) -> Iterator[str]:
    """What is wrong with the stored poses of the frames `numbers`."""
    for pose, number in zip(poses, numbers, strict=True):
        if np.isnan(pose).all():
            continue
        wrong = fault(pose) if np.isfinite(pose).all() else "it is not finite"
        if wrong:
            yield f"camera pose of frame {number}: {wrong}"
