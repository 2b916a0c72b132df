"""What a model consists of, told at the start of its training."""

import math
import sys
from collections.abc import Collection, Mapping
from typing import Any

import jax
from etils import epath

from htt_jax.support import trees
from htt_jax.support.paths import place

FILE = "parameters.txt"

_DEPTH = 2
"""Names from the root of the tree that make a part: `backbone/layer1_0`."""


def announce(
    workdir: epath.PathLike,
    variables: Mapping[str, Any],
    *,
    frozen: Collection[str] = (),
    taken_over: Mapping[str, Any] | None = None,
) -> None:
    """Prints the parts of a model to stderr and writes every array to `FILE` (process 0).

    Args:
        workdir: of the run.
        variables: arrays, or their abstract shapes, by collection: params, batch_stats.
        frozen: parts that are not trained.
        taken_over: of the variables, those that a new run did not start random.
    """
    if jax.process_index() > 0:
        return
    (place(workdir) / FILE).write_text(arrays_table(variables) + "\n")
    given = None if taken_over is None else taken_over["params"]
    print(parts_table(variables["params"], frozen, given), file=sys.stderr)
    fixed = _count(trees.flatten({**variables, "params": {}}))
    print(f"and {fixed:,} frozen statistics; every array: {FILE}", file=sys.stderr)


def parts_table(
    params: Mapping[str, Any],
    frozen: Collection[str] = (),
    taken_over: Mapping[str, Any] | None = None,
) -> str:
    """A line for each part of a model, with its types, arrays and parameters, and their total.

    Where something was taken over, it says of what of a part; where something is frozen, of which.
    """
    parts: dict[str, dict[str, Any]] = {}
    for name, array in trees.flatten(params).items():
        module, _, _ = name.rpartition("/")
        part = "/".join((module or name).split("/")[:_DEPTH])
        parts.setdefault(part, {})[name] = array
    parts["total"] = trees.flatten(params)
    rows = [["part", "type", "arrays", "parameters"]]
    rows += [
        [part, _types(arrays), str(len(arrays)), f"{_count(arrays):,}"]
        for part, arrays in parts.items()
    ]
    more: list[list[str]] = []
    if taken_over is not None:
        known = trees.flatten(taken_over)
        more.append(["starts", *(_begins(arrays, known) for arrays in parts.values())])
    if frozen:
        more.append(["", *("frozen" * (part.split("/")[0] in frozen) for part in parts)])
    table = [(*row, *cells) for row, *cells in zip(rows, *more, strict=True)]
    return _table(table, left=(0, 1, 4, 5))


def _begins(arrays: Mapping[str, Any], taken_over: Collection[str]) -> str:
    """Where the arrays of a part come from."""
    count = sum(name in taken_over for name in arrays)
    if count in (0, len(arrays)):
        return "taken over" if count else "random"
    return f"{count} taken over, {len(arrays) - count} random"


def arrays_table(variables: Mapping[str, Any]) -> str:
    """A line for each array: its name, shape, type and number of values."""
    rows = [
        (name, "x".join(map(str, x.shape)) or "scalar", str(x.dtype), f"{math.prod(x.shape):,}")
        for name, x in trees.flatten(variables).items()
    ]
    return _table([("name", "shape", "type", "values"), *rows], left=(0, 1, 2))


def _count(arrays: Mapping[str, Any]) -> int:
    return sum(math.prod(x.shape) for x in arrays.values())


def _types(arrays: Mapping[str, Any]) -> str:
    return ", ".join(sorted({str(x.dtype) for x in arrays.values()}))


def _table(rows: list[tuple[str, ...]], left: Collection[int]) -> str:
    """Aligned columns, those of the numbers `left` to the left."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if column in left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )
