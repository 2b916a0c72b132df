"""Starting a run whose parts were trained by runs of their own."""

from collections.abc import Collection, Mapping
from typing import Any

from jax.sharding import Mesh
from ml_collections import ConfigDict

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.runs.opening import open_run
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.systems import System


def trained_parts(
    config: ConfigDict,
    system: System,
    dataset: DatasetFacts,
    expected: Mapping[str, Any],
    mesh: Mesh,
) -> dict[str, Any]:
    """Variables of all parts that a system starts from; none of a system that is trained whole.

    Args:
        config: names the run of each part, `init.NAME`.
        system: to be trained.
        dataset: it is trained on.
        expected: its variables, or their shapes.
        mesh: they lie on.

    Raises:
        InputError: a run is not named, cannot be read, is of other classes, or its part is of
            another size.
    """
    wanted = trees.flatten(expected)
    found: dict[str, Any] = {}
    places = [part.place for part in system.parts.values()]
    for name, part in system.parts.items():
        option, path = f"config.init.{name}", config.init[name]
        if not path:
            raise InputError(f"{option} is empty; name the run that trained this part of the model")
        run = open_run(path, None, mesh)
        if run.dataset.action_names != dataset.action_names:
            raise InputError(
                f"{option}={path} was trained for other actions than {config.data.directory} has; "
                "train it on the same dataset"
            )
        there = trees.flatten(run.variables)
        for full in (full for full in wanted if _part_of(full, places) == part.place):
            source = full.replace(f"/{part.place}/", f"/{part.source}/", 1)
            _check_shape(option, path, source, there, wanted[full].shape)
            found[full] = there[source]
    return trees.unflatten(found)


def _part_of(name: str, parts: Collection[str]) -> str | None:
    """The smallest of the parts that an array, by its full name, belongs to."""
    return max((part for part in parts if f"/{part}/" in name), key=len, default=None)


def _check_shape(
    option: str, path: str, name: str, there: Mapping[str, Any], expected: tuple[int, ...]
) -> None:
    shape = there[name].shape if name in there else None
    if shape != expected:
        raise InputError(
            f"{option}={path} does not fit: {name} has shape {shape} there, expected "
            f"{expected}; set config.model as it was trained, or name another run"
        )
