"""What was found of a run, kept beside it in a file, so that it is not done again."""

import json
import pathlib
from collections.abc import Callable, Mapping
from typing import Any

from ml_collections import ConfigDict

from htt_jax.data.records import RecordSource
from htt_jax.runs import directory
from htt_jax.runs.options import get_config, options_of
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

FIGURES_FILE = "figures.json"
"""What studies of several runs keep of each, beside it."""


def kept(
    path: pathlib.Path, config: ConfigDict, find: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """The figures in the file `path`, or those that `find` returns, which are written there.

    Args:
        path: a file of the run's folder.
        config: of the run, as `find` takes it.
        find: does the work; it may change the config.

    Raises:
        InputError: the file is of a run of another config; names the first difference.
    """
    if path.exists():
        return read(path, config)
    told = json.loads(config.to_json())
    figures = find()
    with atomic_write(path, "w") as file:
        json.dump({"config": told, "figures": figures}, file, indent=1)
    return figures


def check_same_data(path: pathlib.Path, source: RecordSource) -> None:
    """Checks that figures in the file `path`, or the run beside it, are of this training split.

    Figures may outlive the checkpoints of their run.

    Raises:
        InputError: they are of another one.
    """
    folder = path.parent
    if not (path.exists() or directory.exists(folder)):
        return
    there, here = directory.read(folder).dataset.fingerprint, source.fingerprint
    if there != here:
        raise InputError(
            f"{folder} was run on another dataset (fingerprint {there}) than {source.directory} "
            f"({here}); take another --out"
        )


def read(path: pathlib.Path, config: ConfigDict) -> dict[str, Any]:
    """The figures in the file `path`.

    Raises:
        InputError: it is of a run of another config, or damaged.
    """
    try:
        there = json.loads(path.read_text("utf-8"))
        figures, before = there["figures"], _compared(there["config"])
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(
            f"{path} is damaged ({type(error).__name__}); remove it, and it is found again"
        ) from error
    now = _compared(json.loads(config.to_json()))
    for name in sorted(before.keys() | now.keys()):
        if before.get(name) != now.get(name):
            raise InputError(
                f"{path.parent} was run with other options: {name} was {before.get(name)!r} there "
                f"and is {now.get(name)!r} here; take another --out"
            )
    return dict(figures)


def _compared(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options that change what is found; what came later is as it was before."""
    table = options_of(config["system"])
    kept_apart = {option.name for option in table if not option.compared}
    kept_apart -= {"seed", "checkpoint.best_metric"}
    defaults = json.loads(get_config(config["system"]).to_json())
    flat = trees.flatten(defaults, ".") | trees.flatten(config, ".")
    return {name: value for name, value in flat.items() if name not in kept_apart}
