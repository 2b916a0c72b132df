"""What a model consists of, told at the start of its training."""

import math
import sys
from collections.abc import Mapping
from typing import Any

import jax
from etils import epath

from htt_jax.support import trees
from htt_jax.support.paths import place

FILE = "parameters.txt"

_DEPTH = 2
"""Names from the root of the tree that make a part: `backbone/layer1_0`."""


def announce(workdir: epath.PathLike, variables: Mapping[str, Any]) -> None:
    """Prints the parts of a model to stderr and writes every array to `FILE` (process 0).

    Args:
        workdir: of the run.
        variables: arrays, or their abstract shapes, by collection: params, batch_stats.
    """
    if jax.process_index() > 0:
        return
    (place(workdir) / FILE).write_text(arrays_table(variables) + "\n")
    print(parts_table(variables["params"]), file=sys.stderr)
    fixed = _count(trees.flatten({**variables, "params": {}}))
    print(f"and {fixed:,} frozen statistics; every array: {FILE}", file=sys.stderr)


def parts_table(params: Mapping[str, Any]) -> str:
    """A line for each part of a model, with its types, arrays and parameters, and their total."""
    parts: dict[str, dict[str, Any]] = {}
    for name, array in trees.flatten(params).items():
        module, _, _ = name.rpartition("/")
        part = "/".join((module or name).split("/")[:_DEPTH])
        parts.setdefault(part, {})[name] = array
    parts["total"] = trees.flatten(params)
    rows = [
        (part, _types(arrays), str(len(arrays)), f"{_count(arrays):,}")
        for part, arrays in parts.items()
    ]
    return _table([("part", "type", "arrays", "parameters"), *rows], left=2)


def arrays_table(variables: Mapping[str, Any]) -> str:
    """A line for each array: its name, shape, type and number of values."""
    rows = [
        (name, "x".join(map(str, x.shape)) or "scalar", str(x.dtype), f"{math.prod(x.shape):,}")
        for name, x in trees.flatten(variables).items()
    ]
    return _table([("name", "shape", "type", "values"), *rows], left=3)


def _count(arrays: Mapping[str, Any]) -> int:
    return sum(math.prod(x.shape) for x in arrays.values())


def _types(arrays: Mapping[str, Any]) -> str:
    return ", ".join(sorted({str(x.dtype) for x in arrays.values()}))


def _table(rows: list[tuple[str, ...]], left: int) -> str:
    """Aligned columns, the first `left` of them to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        for row in rows
    )
