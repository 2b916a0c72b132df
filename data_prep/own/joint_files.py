"""Joints in the kinds of files that are written for us: a table, arrays, H2O's texts."""

import json
import pathlib
import zipfile
import zlib
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from data_prep import h2o_files, tables
from data_prep.folders import numbered_files
from data_prep.own.description import Description
from data_prep.own.footage import Footage
from data_prep.own.skeletons import FileJoints
from data_prep.raw import Note
from htt_jax.support.errors import InputError

_COORDINATES = ("x", "y", "z")


class Given(NamedTuple):
    """What a file says.

    Attributes:
        frames: the frames' numbers; None for all of the recording in their order.
        joints: metres in camera space, x, y, z; or pixels of the recording's frames, x, y. In the
            order of the prepared dataset; NaN where nothing is known.
        notes: what is to be known of them.
    """

    frames: list[int] | None
    joints: Float[np.ndarray, "frames hands joints axes"]
    notes: tuple[Note, ...] = ()


def json_content(path: pathlib.Path) -> Any:
    """What a JSON file of a tool holds, with a byte order mark or without.

    Raises:
        InputError: it cannot be read, or is none.
    """
    try:
        return json.loads(path.read_bytes().decode("utf-8-sig"))
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from error


def of_csv(path: pathlib.Path, described: Description, footage: Footage) -> Given:
    """joints.csv: frame, hand, and x, y and perhaps z of each joint by its name or number."""
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
            values.append(np.full((len(described.hands), len(columns), len(columns[0])), np.nan))
        cells = [row.cells[name] for names in columns for name in names]
        given = [tables.number(cell, where, "a joint") if cell else np.nan for cell in cells]
        values[rows[frame]][hand] = np.reshape(given, (len(columns), -1))
    if not values:
        raise InputError(f"{path} has no row; remove it where there are no joints")
    return Given(list(rows), _ours(np.stack(values), described))


def _ours(
    joints: Float[np.ndarray, "frames hands joints axes"], described: Description
) -> Float[np.ndarray, "frames hands joints axes"]:
    """In the dataset's order; what is in space in metres."""
    unit = described.metres if joints.shape[-1] == len(_COORDINATES) else 1.0
    return joints[:, :, list(described.joints.order)] * unit


def _joint_columns(
    path: pathlib.Path, columns: Sequence[str], joints: FileJoints
) -> list[tuple[str, ...]]:
    """The columns of each joint, x, y and perhaps z, in the order of the files' joints."""
    depths = {f"{name}_z" for name in joints.names} | {f"z{i}" for i in range(len(joints.names))}
    axes = _COORDINATES if depths.intersection(columns) else _COORDINATES[:2]
    of_names = [tuple(f"{name}_{c}" for c in axes) for name in joints.names]
    of_numbers = [tuple(f"{c}{i}" for c in axes) for i in range(len(joints.names))]
    fitting = [
        sum(name in columns for n in names for name in n) for names in (of_names, of_numbers)
    ]
    chosen = of_names if fitting[0] >= fitting[1] else of_numbers
    absent = [name for names in chosen for name in names if name not in columns]
    if absent:
        raise InputError(
            f"{path} {tables.lacks(absent)}; expected frame, hand and "
            f"{of_names[0][0]}, {of_names[0][1]}, ..., {of_names[-1][-1]}, or x0, y0, ...; z0, ... "
            "of joints in space, of all of them"
        )
    return chosen


def of_npz(path: pathlib.Path, described: Description, footage: Footage) -> Given:
    """joints.npz: `joints` (frames, hands, joints, 3 or 2), NaN if unknown; perhaps `frames`."""
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
    axes = 2 if joints.shape[-1:] == (2,) else 3
    expected = (len(described.hands), len(described.joints.names), axes)
    if joints.shape[1:] == expected[1:] and len(described.hands) == 1:
        joints = joints[:, None]
    if joints.shape[1:] != expected or joints.dtype.kind not in "fiu" or not len(joints):
        shape = ", ".join(map(str, expected[:2])) + ", 3 or 2"
        raise InputError(
            f"{path}: joints is {joints.dtype} {joints.shape}, expected numbers (frames, {shape})"
        )
    frames = arrays.get("frames")
    values = _ours(joints.astype(np.float64), described)
    if frames is None:
        return Given(None, values)
    if frames.shape != joints.shape[:1] or frames.dtype.kind not in "iu":
        raise InputError(
            f"{path}: frames is {frames.dtype} {frames.shape}, expected a whole number for each of "
            f"the {len(joints)} rows of joints"
        )
    if len(np.unique(frames)) < len(frames):
        raise InputError(f"{path}: a number is twice among frames; expected each frame once")
    return Given(frames.tolist(), values)


def of_h2o(path: pathlib.Path, described: Description, footage: Footage) -> Given:
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
    return Given(sorted(files), values)  # their order and unit are ours
