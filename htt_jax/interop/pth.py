"""PyTorch's own files, in and out; torch is imported when one is read or written.

No code in a file is ever executed: torch's weights-only unpickler builds plain containers and
tensors, and refuses everything else. Checkpoints often hold an optimizer or a learning-rate
schedule as an object; those are let through as empty boxes and come back as None.
"""

import collections
import re
import warnings
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_RESAVE = "save its tensors alone with torch.save(model.state_dict(), FILE) and give that file"


def read(path: str) -> Any:
    """What a file in PyTorch's zip or legacy format holds, with NumPy arrays for tensors.

    Floating-point tensors of any width become float32; objects of torch.optim become None.

    Raises:
        InputError: torch is missing or too old; the file is damaged or of another kind; it asks
            for an object that is neither a tensor nor torch.optim's (a harmful file does): nothing
            of it was executed.
    """
    torch = _torch(path)
    try:
        with (
            open(path, "rb") as file,  # given a name, torch would go by the suffix
            torch.serialization.safe_globals(_stand_ins(torch)),
            warnings.catch_warnings(),
        ):
            # Other protocols than torch's are read just as well, or else refused.
            warnings.filterwarnings("ignore", message="Detected pickle protocol")
            # Sparse tensors are refused once they are read.
            warnings.filterwarnings("ignore", message="Validating sparse tensor invariants")
            return _to_numpy(torch, torch.load(file, map_location="cpu", weights_only=True))
    except Exception as error:  # Damage shows as errors of pickle, zip, struct and more.
        if name := re.search(r"GLOBAL (\S+)", str(error)):
            raise InputError(
                f"{path} was refused and nothing of it was executed: it asks for the Python object "
                f"{name[1]!r}, which is neither a tensor nor torch.optim's; if you trust the file, "
                f"{_RESAVE}"
            ) from error
        raise InputError(
            f"{path} is not a whole .pth file of tensors ({_reason(error)}), nothing of it was "
            f"executed; fetch it again, or {_RESAVE}"
        ) from error


def write(path: str, content: Mapping[str, Any]) -> None:
    """Writes `content` in the zip format, tensors for its arrays; weights-only loads take it.

    Raises:
        InputError: torch is missing or too old.
    """
    torch = _torch(path)
    with atomic_write(path) as file:
        torch.save(_to_torch(torch, content), file)


def _torch(path: str) -> ModuleType:
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: a .pth file needs torch; pip install -e '.[torch]', or use a .safetensors "
            "file"
        ) from error
    if tuple(map(int, torch.__version__.split(".")[:2])) < (2, 6):
        # Weights-only loading could be tricked into executing code before (CVE-2025-32434).
        raise InputError(
            f"{path}: a .pth file needs torch 2.6 or newer, found {torch.__version__}; "
            "pip install -e '.[torch]', or use a .safetensors file"
        )
    return torch


class _EmptyBox:
    """Stands in for an object of torch.optim; forgets its state."""

    def __setstate__(self, state: object) -> None:
        """Leaves the box empty."""


def _plain_dict(*default_factory: object) -> dict[Any, Any]:
    """Stands in for `collections.defaultdict`, in which optimizers keep their state."""
    return {}


def _stand_ins(torch: ModuleType) -> list[tuple[Callable[..., Any], str]]:
    """What the unpickler builds instead of the objects named."""
    classes = [
        x
        for module in (torch.optim, torch.optim.lr_scheduler)
        for x in vars(module).values()
        if isinstance(x, type) and x.__module__.startswith("torch.optim.")
    ]
    return [
        *((_EmptyBox, f"{x.__module__}.{x.__qualname__}") for x in classes),
        (_plain_dict, "collections.defaultdict"),
        (dict, "builtins.dict"),  # the factory of those
    ]


def _reason(error: Exception) -> str:
    """The sentence that says it, out of torch's long messages."""
    said = re.search(r"WeightsUnpickler error:\s*(.+)", str(error))
    lines = [said[1]] if said else str(error).strip().splitlines()
    return lines[0].partition(". ")[0].strip() if lines else type(error).__name__


def _to_numpy(torch: ModuleType, value: Any) -> Any:
    if torch.is_tensor(value):
        value = value.detach()
        return (value.float() if value.is_floating_point() else value).numpy()
    if isinstance(value, Mapping):
        return {name: _to_numpy(torch, x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_to_numpy(torch, x) for x in value)
    return None if isinstance(value, _EmptyBox) else value


def _to_torch(torch: ModuleType, value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return torch.from_numpy(np.array(value, order="C"))  # its own memory, and no more of it
    if isinstance(value, np.generic):
        return value.item()  # weights-only loads refuse NumPy's scalars
    if isinstance(value, Mapping):
        ordered = isinstance(value, collections.OrderedDict)
        return (collections.OrderedDict if ordered else dict)(
            (name, _to_torch(torch, x)) for name, x in value.items()
        )
    if isinstance(value, list | tuple):
        return type(value)(_to_torch(torch, x) for x in value)
    return value
