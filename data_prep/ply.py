"""The vertices of a PLY file, as which FPHA has its object models."""

import io
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from data_prep.raw import RawPath
from htt_jax.support.errors import InputError

_TYPES = {
    "char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4",
    "float": "f4", "double": "f8", "int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2",
    "int32": "i4", "uint32": "u4", "float32": "f4", "float64": "f8",
}  # fmt: skip
_ORDERS = {"ascii": "=", "binary_little_endian": "<", "binary_big_endian": ">"}
_END = b"end_header"


def vertices(path: RawPath) -> Float[np.ndarray, "vertices 3"]:
    """The places of all vertices, float64, in the file's unit.

    Raises:
        InputError: it cannot be read, or is no PLY file that begins with finite vertices.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}; expected a PLY file") from error
    head, end, rest = data.partition(_END)
    try:
        if not (head.startswith(b"ply") and end):
            raise ValueError("no header")
        lines = [line.split() for line in head.decode("ascii").splitlines()]
        form, count, properties = _layout(lines)
        body = rest.partition(b"\n")[2]
        found = _read(body, form, count, properties)
        if not (len(found) and np.isfinite(found).all()):
            raise ValueError("no vertices, or not all finite")
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise InputError(
            f"{path}: {error}; expected a PLY file whose first element is its vertices with "
            "x, y and z"
        ) from error
    return found


def _layout(lines: Sequence[Sequence[str]]) -> tuple[str, int, list[tuple[str, str]]]:
    """Format, number of vertices, and name and type of each of their properties."""
    form, count, properties, element = "", 0, [], 0
    for words in lines:
        if words[:1] == ["format"]:
            form = words[1]
        elif words[:1] == ["element"]:
            element += 1
            if element == 1 and words[1] != "vertex":
                raise ValueError(f"its first element is {words[1]!r}")
            count = int(words[2]) if element == 1 else count
        elif words[:1] == ["property"] and element == 1:
            properties.append((words[2], _ORDERS[form] + _TYPES[words[1]]))
    return form, count, properties


def _read(
    body: bytes, form: str, count: int, properties: list[tuple[str, str]]
) -> Float[np.ndarray, "vertices 3"]:
    if form == "ascii":
        text = io.BytesIO(body)
        table = np.loadtxt(text, np.float64, max_rows=count, ndmin=2) if count else np.empty((0, 3))
        names = [name for name, _ in properties]
        table = table[:, [names.index(axis) for axis in "xyz"]]
    else:
        rows = np.frombuffer(body, np.dtype(properties), count)
        table = np.stack([rows[axis].astype(np.float64) for axis in "xyz"], axis=1)
    if len(table) != count:
        raise ValueError(f"{len(table)} vertices, its header says {count}")
    return table
