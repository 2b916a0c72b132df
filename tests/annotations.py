"""Checks every call of our functions against its annotations, shapes and dtypes included."""

import sys
from collections.abc import Callable
from typing import Any

from beartype import BeartypeConf, beartype
from jaxtyping import install_import_hook

PACKAGES = ["htt_jax", "data_prep"]

# An int is a float here, as it is for every type checker (PEP 484).
_checked = beartype(conf=BeartypeConf(is_pep484_tower=True))


def check(function: Callable[..., Any]) -> Callable[..., Any]:
    """What checks a function's calls, made with the first: most functions a process never calls."""
    made: list[Callable[..., Any]] = []

    def checking(*args: Any, **kwargs: Any) -> Any:
        if not made:
            made.append(_checked(function))
        return made[0](*args, **kwargs)

    return checking


def install() -> None:
    """Before anything of ours is imported: what is imported already would stay unchecked."""
    unchecked = [name for name in sys.modules if name.split(".")[0] in PACKAGES]
    assert not unchecked, unchecked
    install_import_hook(PACKAGES, f"{__name__}.check")
