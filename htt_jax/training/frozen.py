"""Parts of a model that are not trained: whether there is something that they can stay."""

from collections.abc import Collection, Mapping
from typing import Any

from htt_jax.support.errors import InputError


def check(
    frozen: Collection[str], params: Mapping[str, Any], given: Mapping[str, Any] | None
) -> None:
    """Checks the parts that `config.training.frozen` names.

    Args:
        frozen: their names.
        params: the model's parameters, or their shapes.
        given: those that a new run starts with, None where there are none; of a run that goes on
            `params`.

    Raises:
        InputError: there is no such part, it would stay random, or nothing would be trained.
    """
    where = f"config.training.frozen={','.join(frozen)}"
    for name in frozen:
        if name not in params:
            raise InputError(f"{where}: the model has no part {name!r}; it has {', '.join(params)}")
        if _shape(params[name]) != _shape((given or {}).get(name, {})):
            raise InputError(
                f"{where}: {name} would stay random, all or some of it; name a trained model with "
                "--config.init.checkpoint, or do not freeze it"
            )
    if set(frozen) == set(params):
        raise InputError(f"{where}: nothing is left to train; leave one out")


def _shape(tree: Any) -> Any:
    """The names in it."""
    return {name: _shape(x) for name, x in tree.items()} if isinstance(tree, Mapping) else None
