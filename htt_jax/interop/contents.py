"""Which of a checkpoint's fields hold the weights and the optimizer's state."""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple, TypeAlias

import numpy as np

from htt_jax.interop.plain_pickle import Unread, type_name
from htt_jax.support.errors import InputError

_FIRST_CHOICES = (
    "state_dict",
    "model_state_dict",
    "model_state",
    "model",
    "net",
    "network",
    "module",
    "weights",
)
_AVERAGED = re.compile(r"(?<![a-z])(ema|swa|avg|averaged?|averaging|shadow)(?![a-z])")
_Keys: TypeAlias = tuple[Any, ...]  # that lead to a field

_DEPTH = 3  # fields within fields that are looked through


class Contents(NamedTuple):
    """What a checkpoint holds.

    Attributes:
        tensors: of the state dict that is taken, by name.
        key: where it was, as Python: "['model']"; empty if it is the whole content.
        others: where the state dicts are that were not taken.
        optimizer: `optimizer.state_dict()`; None if there is none, or several.
    """

    tensors: dict[str, np.ndarray]
    key: str
    others: tuple[str, ...]
    optimizer: Mapping[str, Any] | None


def find(path: str, content: Any) -> Contents:
    """Finds the state dict; the plain one where a running average is beside it.

    The plain one is what the optimizer's state belongs to.

    Args:
        path: of the file, for messages.
        content: as `pth.read` returns it.

    Raises:
        InputError: there is none, or several between which nothing decides.
    """
    found: dict[_Keys, Any] = {}
    for at, value in _search(content, _is_state_dict):
        if not any(value is x for x in found.values()):  # one may be in several fields
            found[at] = value
    if not found:
        raise InputError(
            f"{path} holds no state dict: expected tensors by name, alone or in a field such as "
            f"'state_dict', found {_listed(content)}; save model.state_dict()"
        )
    at = _choice(path, list(found))
    others = tuple(_as_python(x) for x in found if x != at)
    optimizers = [x for _, x in _search(content, _is_optimizer_state)]
    return Contents(
        _tensors(path, found[at]),
        _as_python(at),
        others,
        optimizers[0] if len(optimizers) == 1 else None,
    )


def to_save_alone(path: str, key: str) -> str:
    """The command that saves what a file has under `key` as a file of its own."""
    call = f"pth.write('NEW.pth', pth.read({path!r}){key})"
    return f'python -c "from htt_jax.interop import pth; {call}"'


def is_averaged(name: str) -> bool:
    """Whether a name says that weights are a running average of others."""
    return _AVERAGED.search(name.lower()) is not None


def _search(
    content: Any, matches: Callable[[Any, _Keys], bool], at: _Keys = ()
) -> Iterator[tuple[_Keys, Any]]:
    """The parts that match, by the keys that lead to them."""
    if matches(content, at):
        yield at, content
    elif len(at) < _DEPTH and not _is_optimizer_state(content, at):
        # Lightning lists its optimizers, others save the weights and these as a pair.
        fields = dict(enumerate(content)) if isinstance(content, list | tuple) else content
        for key, value in fields.items() if isinstance(fields, dict) else ():
            if isinstance(value, dict | list | tuple):
                yield from _search(value, matches, (*at, key))


def _is_state_dict(value: Any, at: _Keys) -> bool:
    """Whether it is tensors by the names of modules, mostly; or nothing else, in such a field."""
    if not isinstance(value, dict):
        return False
    tensors = [name for name, x in value.items() if isinstance(x, np.ndarray)]
    if not tensors or not all(isinstance(name, str) for name in tensors):
        return False
    in_place = not at or at[-1] in _FIRST_CHOICES or is_averaged(str(at[-1]))
    named = any("." in name for name in tensors) and len(tensors) >= len(value) / 2
    return named or (in_place and len(tensors) == len(value))


def _is_optimizer_state(value: Any, at: _Keys) -> bool:
    return (
        isinstance(value, dict)
        and isinstance(value.get("state"), dict)
        and isinstance(value.get("param_groups"), list)
    )


def _choice(path: str, places: list[_Keys]) -> _Keys:
    plain = [x for x in places if not is_averaged(_as_python(x))] or places
    for key in _FIRST_CHOICES:
        if any(key in x for x in plain):
            plain = [x for x in plain if key in x]
    if len(plain) == 1:
        return plain[0]
    keys = ", ".join(map(_as_python, plain))
    raise InputError(
        f"{path} holds several state dicts, in {keys}; save the right one alone: "
        f"{to_save_alone(path, _as_python(plain[0]))}"
    )


def _tensors(path: str, state_dict: Mapping[Any, Any]) -> dict[str, np.ndarray]:
    """The tensors among what modules and people put beside them."""
    unread = [
        f"{name} ({type_name(x)})"
        for name, x in state_dict.items()
        if isinstance(x, Unread) and "." in str(name) and not str(name).endswith("_extra_state")
    ]
    if unread:
        more = f" and {len(unread) - 5} more" if len(unread) > 5 else ""
        raise InputError(
            f"{path} holds what is no plain tensor: {', '.join(unread[:5])}{more}; save a "
            "state dict of plain tensors, each whole and with its numbers"
        )
    return {name: np.asarray(x) for name, x in state_dict.items() if isinstance(x, np.ndarray)}


def _listed(content: Any) -> str:
    if not isinstance(content, dict):
        return f"only one {type_name(content)}"
    fields = [f"{name} ({type_name(x)})" for name, x in content.items()]
    more = f" and {len(fields) - 5} more" if len(fields) > 5 else ""
    return ", ".join(fields[:5]) + more if fields else "nothing"


def _as_python(keys: _Keys) -> str:
    return "".join(f"[{key!r}]" for key in keys)
