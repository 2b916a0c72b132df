"""Joints of a recording, from the kinds of files that people have."""

import dataclasses
import functools
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from data_prep import h2o_files, poses, tables
from data_prep.folders import frames_text, numbered_files
from data_prep.own.description import Description
from data_prep.own.footage import Footage
from data_prep.own.skeletons import FileJoints
from data_prep.raw import Note
from htt_jax.support.errors import InputError
from htt_jax.support.words import counted

_H2O = "hand_pose"
_COORDINATES = ("x", "y", "z")


@dataclasses.dataclass(frozen=True)
class Joints:
    """The joints of a recording, those of all hands in a row.

    Attributes:
        rows: where the frames are that have any, by their numbers.
        joints: metres, camera space; zero where not annotated.
        annotated: which hands are known.
        seen: which hands are known and can be, in any frame.
        notes: what is to be known of them.
    """

    rows: dict[int, int]
    joints: Float[np.ndarray, "frames joints 3"]
    annotated: Bool[np.ndarray, "frames hands"]
    seen: Bool[np.ndarray, " hands"]
    notes: tuple[Note, ...]

    def of(
        self, numbers: Sequence[int]
    ) -> tuple[Float[np.ndarray, "wanted joints 3"], Bool[np.ndarray, "wanted hands"]]:
        """Joints and hands of the frames with these numbers; nothing is known of others."""
        joints = np.zeros((len(numbers), *self.joints.shape[1:]), np.float32)
        annotated = np.zeros((len(numbers), self.annotated.shape[1]), bool)
        found = [(i, self.rows[n]) for i, n in enumerate(numbers) if n in self.rows]
        if found:
            wanted, rows = map(list, zip(*found, strict=True))
            joints[wanted], annotated[wanted] = self.joints[rows], self.annotated[rows]
        return joints, annotated


def find(folder: pathlib.Path) -> pathlib.Path | None:
    """What holds the joints in the folder of a recording; None: nothing.

    Raises:
        InputError: several do.
    """
    found = [folder / name for name in _READERS if (folder / name).exists()]
    if len(found) > 1:
        names = " and ".join(path.name for path in found)
        raise InputError(f"{folder} holds joints twice, in {names}; keep one")
    return found[0] if found else None


@functools.lru_cache(maxsize=2)  # of the recording whose segments are read in turn
def read(path: pathlib.Path, described: Description, frames: pathlib.Path) -> Joints:
    """The joints in a file or folder that `find` found.

    Args:
        path: of the file or folder.
        described: how joints stand in it.
        frames: the video file or folder of frames that they are of.

    Raises:
        InputError: it is not as docs/own_data.md says, or of frames that are not there, or most
            hands are such as cannot be.
    """
    given, values = _READERS[path.name](path, described)
    numbers, notes = _numbers(path, given, len(values), Footage(frames, described.rate))
    if path.name != _H2O:  # whose order and unit are ours
        values = values[:, :, list(described.joints.order)] * described.metres
    known = np.isfinite(values)
    annotated = np.asarray(known.all(axis=(2, 3)))
    partly = np.asarray(known.any(axis=(2, 3))) & ~annotated
    if partly.any():
        row, hand = map(int, np.argwhere(partly)[0])
        count = int(known[row, hand].all(axis=-1).sum())
        raise InputError(
            f"{path}: of the {described.hands[hand]} hand of frame {numbers[row]} {count} of "
            f"{values.shape[2]} joints are whole (x, y and z); give all of them, or nothing of "
            "that hand"
        )
    joints = np.where(annotated[..., None, None], values, 0).astype(np.float32)
    rows = {number: row for row, number in enumerate(numbers)}
    seen = _seen(path, joints, annotated, described)
    return Joints(rows, joints.reshape(len(joints), -1, 3), annotated, seen, notes)


def _seen(
    path: pathlib.Path,
    joints: Float[np.ndarray, "frames hands joints 3"],
    annotated: Bool[np.ndarray, "frames hands"],
    described: Description,
) -> Bool[np.ndarray, " hands"]:
    """Which hands are somewhere as they can be.

    Raises:
        InputError: most of one hand's are not, which is no slip of a tracker.
    """
    seen = np.zeros(len(described.hands), bool)
    for i, hand in enumerate(described.hands):
        can_be, impossible, what = poses.possible(
            joints[annotated[:, i], i], is_rigid=bool(described.joints.skeleton.bones)
        )
        wrong, tracked = int(impossible.sum()), int((can_be | impossible).sum())
        if 2 * wrong > tracked:
            raise InputError(
                f"{path}: {hand} hand, {wrong} of {tracked} frames: {what}; are its numbers in "
                "another unit, its axes not x to the right, y down, z forward, or its origin not "
                "the camera? Put them right, or leave the recording out with --skip-bad"
            )
        seen[i] = can_be.any()
    return seen


def _numbers(
    path: pathlib.Path, given: list[int] | None, count: int, footage: Footage
) -> tuple[list[int], tuple[Note, ...]]:
    """The frame of each of `count` rows, and a note on those between others that are not there.

    Raises:
        InputError: they are not frames of the recording.
    """
    there = footage.numbers()
    if _misfit(path, given, count, footage.path, there):
        there = footage.numbers(exactly=True)
        misfit = _misfit(path, given, count, footage.path, there)
        if misfit:
            raise InputError(misfit)
    if given is None:
        return list(there), ()
    absent = sorted(set(given) - set(there))
    what = f"{frames_text(absent)}: {footage.path} has no such image; the joints are not read"
    return given, (Note("ignored", str(path), what),) if absent else ()


def _misfit(
    path: pathlib.Path,
    given: list[int] | None,
    count: int,
    frames: pathlib.Path,
    there: Sequence[int],
) -> str:
    """Why the rows cannot be of the frames `there`; '' where they can."""
    if given is None:
        if count == len(there):
            return ""
        return (
            f"{path} has joints of {counted(count, 'frame')}, but {frames} has {len(there)}; give "
            "`frames`, the number of each row's frame, too"
        )
    rule = "count from 0" if isinstance(there, range) else "its images' names number them"
    if not there or max(given) > there[-1]:
        last = f"the last of {frames} is {there[-1]}" if there else f"{frames} has none"
        return f"{path} names frame {max(given)}, {last}; {rule}"
    if min(given) < there[0]:
        return f"{path} names frame {min(given)}, the first of {frames} is {there[0]}; {rule}"
    return ""


_Numbered = tuple[list[int] | None, Float[np.ndarray, "frames hands joints 3"]]
"""The frames' numbers, None for all of the recording in their order, and their joints."""


def _of_csv(path: pathlib.Path, described: Description) -> _Numbered:
    """joints.csv: frame, hand, and x, y, z of each joint by its name or number."""
    table = tables.read_table(path, ("frame", "hand"))
    columns = _joint_columns(path, table.columns, described.joints)
    hands = {hand.lower(): i for i, hand in enumerate(described.hands)}
    rows: dict[int, int] = {}
    values: list[np.ndarray] = []
    seen: set[tuple[int, int]] = set()
    for row in table.rows:
        where = table.where(row)
        frame = tables.frame_number(row.cells["frame"], where, "frame")
        hand = hands.get(row.cells["hand"].lower())
        if hand is None:
            known = ", ".join(described.hands)
            raise InputError(
                f"{where}: hand is {row.cells['hand']!r}, expected one of {known} (dataset.toml)"
            )
        if (frame, hand) in seen:
            raise InputError(f"{where}: the {described.hands[hand]} hand of frame {frame} again")
        seen.add((frame, hand))
        if frame not in rows:
            rows[frame] = len(values)
            values.append(np.full((len(described.hands), len(columns), 3), np.nan))
        cells = [row.cells[name] for names in columns for name in names]
        given = [tables.number(cell, where, "a joint") if cell else np.nan for cell in cells]
        values[rows[frame]][hand] = np.reshape(given, (-1, 3))
    if not values:
        raise InputError(f"{path} has no row; remove it where there are no joints")
    return list(rows), np.stack(values)


def _joint_columns(
    path: pathlib.Path, columns: Sequence[str], joints: FileJoints
) -> list[tuple[str, ...]]:
    """The three columns of each joint, in the order of the files' joints."""
    of_names = [tuple(f"{name}_{c}" for c in _COORDINATES) for name in joints.names]
    of_numbers = [tuple(f"{c}{i}" for c in _COORDINATES) for i in range(len(joints.names))]
    fitting = [
        sum(name in columns for n in names for name in n) for names in (of_names, of_numbers)
    ]
    chosen = of_names if fitting[0] >= fitting[1] else of_numbers
    absent = [name for names in chosen for name in names if name not in columns]
    if absent and all(name.startswith("z") or name.endswith("_z") for name in absent):
        raise InputError(
            f"{path} has no z of {len(absent)} joints; poses are learned in three dimensions, in "
            "the camera's space: give x, y and z, or remove the file to train without these poses"
        )
    if absent:
        raise InputError(
            f"{path}: no column {absent[0]!r} and {len(absent) - 1} more; expected frame, hand and "
            f"{of_names[0][0]}, {of_names[0][1]}, ..., {of_names[-1][2]}, or x0, y0, z0, ..."
        )
    return chosen


def _of_npz(path: pathlib.Path, described: Description) -> _Numbered:
    """joints.npz: `joints` (frames, hands, joints, 3), NaN where unknown; perhaps `frames`."""
    try:
        with zipfile.ZipFile(path):  # else numpy would read another format
            pass
        with np.load(path, allow_pickle=False) as file:
            arrays: dict[str, Any] = {name: file[name] for name in file.files}
    except (OSError, ValueError, EOFError, RuntimeError, zipfile.BadZipFile, zlib.error) as error:
        raise InputError(f"cannot read {path}: {error}; expected arrays by numpy.savez") from error
    if "joints" not in arrays:
        raise InputError(f"{path} has no array 'joints', but {', '.join(arrays) or 'none'}")
    joints = arrays["joints"]
    expected = (len(described.hands), len(described.joints.names), 3)
    if joints.shape[1:] == expected[1:] and len(described.hands) == 1:
        joints = joints[:, None]
    if joints.shape[1:] != expected or joints.dtype.kind not in "fiu" or not len(joints):
        shape = ", ".join(map(str, expected))
        raise InputError(
            f"{path}: joints is {joints.dtype} {joints.shape}, expected numbers (frames, {shape})"
        )
    frames = arrays.get("frames")
    if frames is None:
        return None, joints.astype(np.float64)
    if frames.shape != joints.shape[:1] or frames.dtype.kind not in "iu":
        raise InputError(
            f"{path}: frames is {frames.dtype} {frames.shape}, expected a whole number for each of "
            f"the {len(joints)} rows of joints"
        )
    if len(np.unique(frames)) < len(frames):
        raise InputError(f"{path}: a number is twice among frames; expected each frame once")
    return frames.tolist(), joints.astype(np.float64)


def _of_h2o(path: pathlib.Path, described: Description) -> _Numbered:
    """hand_pose/000000.txt, as H2O has them: a flag and 21 joints of the left, then the right."""
    if [hand.lower() for hand in described.hands] != ["left", "right"] or len(
        described.joints.names
    ) != 21:
        raise InputError(
            f"{path}: files as H2O's hold 21 joints of a left and a right hand, but dataset.toml "
            f"names {len(described.joints.names)} of {', '.join(described.hands)}"
        )
    files, _ = numbered_files(path, "", (".txt",))
    if not files:
        raise InputError(f"{path} holds no file such as 000000.txt")
    values = np.full((len(files), 2, 21, 3), np.nan)
    for i, number in enumerate(sorted(files)):
        pose = h2o_files.read_pose(files[number])
        if pose is not None:
            joints, annotated = pose
            values[i, annotated] = joints.reshape(2, 21, 3)[annotated]
    return sorted(files), values


_READERS: dict[str, Callable[[pathlib.Path, Description], _Numbered]] = {
    "joints.csv": _of_csv,
    "joints.npz": _of_npz,
    _H2O: _of_h2o,
}

NAMES = tuple(_READERS)
"""What holds the joints of a recording, in its folder."""
