"""Unpickling that can make nothing but plain values.

Python's unpickler reads the stream. For each class or function that the file names it is given a
maker of ours or an empty stand-in; the named one is neither imported nor called. Whatever can lie
on the unpickler's stack forgets the state that a file would set on it.
"""

import _compat_pickle  # Python 2's names, which pickles of protocol 2 have
import functools
import pickle
import re
import sys
from collections.abc import Callable, Mapping
from io import BufferedIOBase
from typing import Any

import numpy as np

# What of Python's library honest objects are made of. Anything else of it has no place beside
# weights; harmful files need some of it.
_DATA_MODULES = {
    *("abc", "argparse", "array", "cmath", "collections", "configparser", "copyreg", "dataclasses"),
    *("datetime", "decimal", "enum", "fractions", "functools", "inspect", "ipaddress", "itertools"),
    *("json", "logging", "math", "numbers", "operator", "optparse", "pathlib", "platform"),
    *("random", "re", "statistics", "string", "time", "types", "typing", "uuid", "weakref"),
    "zoneinfo",
}
_HARMFUL_BUILTINS = {"__import__", "breakpoint", "compile", "eval", "exec", "input", "open"}


class HarmfulError(pickle.UnpicklingError):
    """The file names a function that runs programs or code; carries its name."""


class Unread:
    """Stands in for an object that is not read, and forgets what it is given.

    Attributes:
        name: of the object's class, or of the function that would make it.
    """

    name: str

    def __new__(cls, *args: object, **kwargs: object) -> "Unread":
        """Takes whatever the object's class would take."""
        return super().__new__(cls)

    def __call__(self, *args: object, **kwargs: object) -> "Unread":
        """Stands in for the results of what it stands for."""
        return self

    def __setitem__(self, key: object, value: object) -> None:
        """Stands in for a mapping's."""

    def __setstate__(self, state: object) -> None:
        """Stands in for any class's."""

    def append(self, value: object) -> None:
        """Stands in for a list's."""

    extend = add = append


class Maker:
    """A function that files may have called, and no more than called."""

    __slots__ = ("_function",)

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function = function

    def __call__(self, *args: Any) -> Any:
        """What the function returns."""
        return self._function(*args)

    def __setstate__(self, state: object) -> None:
        """Lets no file change it."""


class Unpickler(pickle.Unpickler):
    """Reads one pickle.

    Args:
        file: open at the pickle.
        makers: what is called instead of the functions and classes of these names.
        storage: called with what torch writes in the place of its storages.

    Raises:
        HarmfulError: on `load`; nothing was executed.
        Exception: any, on `load`, if the file is damaged.
    """

    def __init__(
        self, file: BufferedIOBase, makers: Mapping[str, Any], storage: Callable[[Any], Any]
    ) -> None:
        super().__init__(file, encoding="latin1")  # for strings of Python 2, whatever is in them
        self._makers = {**_PLAIN, **makers}
        self.persistent_load = storage  # type: ignore[method-assign]

    def find_class(self, module: str, name: str) -> Any:
        """What the file gets for a name: never what bears it."""
        module, name = _compat_pickle.NAME_MAPPING.get(
            (module, name), (_compat_pickle.IMPORT_MAPPING.get(module, module), name)
        )
        full = f"{module}.{name}"
        if full in self._makers:
            return self._makers[full]
        if _is_harmful(module, name):
            raise HarmfulError(full)
        return stand_in(full)


@functools.lru_cache(maxsize=1024)
def stand_in(name: str) -> type[Unread]:
    """The class of the stand-ins for what bears the name."""
    return type("Unread", (Unread,), {"name": name})


def type_name(value: object) -> str:
    """What a value from a file is, for messages."""
    if isinstance(value, Unread) or (isinstance(value, type) and issubclass(value, Unread)):
        return value.name
    return next(x.__name__ for x in type(value).__mro__ if x is not _Dict)


def _is_harmful(module: str, name: str) -> bool:
    top = module.partition(".")[0]
    if top == "builtins":
        return name in _HARMFUL_BUILTINS
    return top in sys.stdlib_module_names and top not in _DATA_MODULES


class _Dict(dict[Any, Any]):
    """Stands in for the dictionaries of `collections`; keeps no attributes."""

    __slots__ = ()

    def __setstate__(self, state: object) -> None:
        """Forgets what state dicts say of their versions."""


class _NumPyType:
    """Stands in for `numpy.dtype`; knows the plain numbers alone."""

    __slots__ = ("_code", "_order")

    def __init__(self, code: str, *rest: object) -> None:
        self._code, self._order = code, "|"

    def __setstate__(self, state: Any) -> None:
        """Takes the order of bytes."""
        self._order = state[1]

    def number(self, data: bytes) -> Any:
        """The number that `data` is, as Python's."""
        if not re.fullmatch(r"[biuf]\d+", self._code):
            return stand_in("numpy scalar")()
        order = "" if self._order == "|" else self._order
        return np.frombuffer(data, np.dtype(order + self._code))[0].item()


def _number(kind: Any, data: Any) -> Any:
    if isinstance(kind, _NumPyType) and isinstance(data, bytes):
        return kind.number(data)
    return stand_in("numpy scalar")()


_PLAIN: dict[str, Any] = {
    "collections.OrderedDict": _Dict,
    "collections.defaultdict": Maker(lambda *factory: _Dict()),
    "_codecs.encode": Maker(lambda text, *encoding: text.encode("latin1")),
    "numpy.dtype": _NumPyType,
    "numpy.core.multiarray.scalar": Maker(_number),
    "numpy._core.multiarray.scalar": Maker(_number),
}
