"""What the description of a run, as JSON, must look like."""

import math
from collections.abc import Callable, Mapping
from typing import Any

from htt_jax.datasets import spec as datasets
from htt_jax.datasets.spec import SPECS
from htt_jax.runs.options import former_options_of, options_of
from htt_jax.support import trees


def check(content: Any) -> None:
    """Checks the names and types of everything in a description.

    Options that it lacks, being older, are left to the caller.

    Raises:
        ValueError: names the field, what it is, and what it must be.
    """
    _expect(isinstance(content, dict), "it", "an object of names and values", content)
    for name, (is_right, expected) in _FIELDS.items():
        where: Any = content
        for part in name.split("."):
            where = where.get(part) if isinstance(where, dict) else None
        _expect(is_right(where), name, expected, where)
    _check_dataset(content["dataset"])
    _check_config(content["config"])


def _check_dataset(facts: Mapping[str, Any]) -> None:
    """That it is described, or known by its name."""
    name = facts["name"]
    if facts.get("spec") is None:
        _expect(name in SPECS, "dataset.name", f"one of {', '.join(SPECS)}", name)
    else:
        described = datasets.described(facts["spec"]).name
        _expect(name == described, "dataset.name", f"{described!r} as in dataset.spec", name)


def _check_config(config: Mapping[str, Any]) -> None:
    system = config.get("system", "htt")  # the only one before there was a choice
    _expect(_is_text(system), "config.system", "text", system)
    known = {x.name: x for x in (*options_of(system), *former_options_of(system))}
    for name, value in trees.flatten(config, ".").items():
        if name not in known:
            raise ValueError(f"config.{name} is no option of config.system={system}")
        is_right, expected = _KINDS[known[name].kind]
        if known[name].default is None:
            is_right, expected = _or_none(is_right), f"{expected} or null"
        _expect(is_right(value), f"config.{name}", expected, value)


def _expect(right: bool, name: str, expected: str, value: Any) -> None:
    if not right:
        raise ValueError(f"{name} must be {expected}, found {value!r:.60}")


def _is_text(x: Any) -> bool:
    return isinstance(x, str)


def _is_integer(x: Any) -> bool:
    return isinstance(x, int) and not isinstance(x, bool)


def _is_number(x: Any) -> bool:
    return _is_integer(x) or (isinstance(x, float) and math.isfinite(x))


def _is_count(x: Any) -> bool:
    return _is_integer(x) and x >= 0


def _is_positive(x: Any) -> bool:
    return _is_integer(x) and x > 0


def _is_size(x: Any) -> bool:
    return isinstance(x, list) and len(x) == 2 and all(map(_is_positive, x))


def _are_texts(x: Any) -> bool:
    return isinstance(x, list) and all(map(_is_text, x))


def _are_named_texts(x: Any) -> bool:
    return isinstance(x, dict) and all(map(_is_text, x.values()))


def _or_none(is_right: Callable[[Any], bool]) -> Callable[[Any], bool]:
    return lambda x: x is None or is_right(x)


_Rule = tuple[Callable[[Any], bool], str]
_NAMES: _Rule = (lambda x: _are_texts(x) and bool(x), "a list of names")
_COUNT: _Rule = (_or_none(_is_count), "a number of steps")
_SIZE = "two positive numbers of pixels"
_FIELDS: dict[str, _Rule] = {
    "config": (lambda x: isinstance(x, dict), "an object of options"),
    "dataset": (lambda x: isinstance(x, dict), "an object of facts"),
    "dataset.name": (_is_text, "text"),
    "dataset.action_names": _NAMES,
    "dataset.object_names": _NAMES,
    "dataset.image_size": (_is_size, _SIZE),
    "dataset.fingerprint": (_or_none(_is_text), "text or null"),
    "steps_per_epoch": (_or_none(_is_positive), "a positive number of steps or null"),
    "imported_from": (_or_none(_is_text), "text or null"),
    "trained_by": (_or_none(_is_text), "text or null"),
    "taught_by": (_or_none(_are_named_texts), "an object of texts or null"),
    "step": _COUNT,
    "adam_steps": _COUNT,
}
_KINDS: dict[Any, _Rule] = {
    bool: (lambda x: isinstance(x, bool), "true or false"),
    int: (_is_integer, "a whole number"),
    float: (_is_number, "a number"),
    str: (_is_text, "text"),
    tuple[str, ...]: (_are_texts, "a list of names"),
    tuple[int, int]: (_is_size, _SIZE),
}
