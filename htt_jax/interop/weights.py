"""Files of named tensors, in and out: `.safetensors`, and `.pth` if torch is installed.

No code in a file is ever executed.
"""

import pathlib
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ml_dtypes  # also what gives NumPy the bfloat16 of .safetensors files
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from htt_jax.interop import pth
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_DESCRIPTION = "htt_jax"  # the field of our own exports that other programs pass over
_DATA_PARALLEL = "module."
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_MAX_HEADER = 100_000_000  # bytes, of a .safetensors file


@dataclass(frozen=True)
class WeightFile:
    """What a weight file holds.

    Attributes:
        path: of the file.
        tensors: by the module's names ('module.' of DataParallel taken off); floats as float32.
        epoch: as the file says.
        optimizer: torch's `optimizer.state_dict()` with NumPy arrays for tensors,
            {"state": {i: {...}}, "param_groups": [...]}; None if the file has none in this form.
        description: JSON text that this project's own exports carry.
    """

    path: str
    tensors: dict[str, np.ndarray]
    epoch: int | None
    optimizer: Mapping[str, Any] | None
    description: str | None


def read(path: str) -> WeightFile:
    """Reads a `.safetensors` or `.pth` file; tells them apart by content.

    A `.pth` file, in PyTorch's zip or legacy format, holds a state dict, or one under "state_dict"
    beside the training's epoch and optimizer.

    Raises:
        InputError: the file is missing, damaged, of another kind, asks for code to be executed, or
            holds no named tensors; or it is a `.pth` file and torch is missing.
    """
    if _kind(path) == ".safetensors":
        tensors, description = _read_safetensors(path)
        return WeightFile(path, _named(path, tensors), None, None, description)
    content = pth.read(path)
    fields = content if isinstance(content, dict) else {}
    epoch, optimizer = fields.get("epoch"), fields.get("optimizer")
    description = fields.get(_DESCRIPTION)
    return WeightFile(
        path,
        _named(path, fields.get("state_dict", content)),
        epoch if isinstance(epoch, int) else None,
        optimizer if _is_optimizer_state(optimizer) else None,
        description if isinstance(description, str) else None,
    )


def write_safetensors(path: str, tensors: Mapping[str, np.ndarray], description: str) -> None:
    """Writes `tensors`, and `description` among the file's metadata."""
    # Of an array in another order safetensors would write the wrong numbers.
    whole = {name: np.asarray(x, order="C") for name, x in tensors.items()}
    data = save(whole, metadata={_DESCRIPTION: description})
    with atomic_write(path) as file:
        file.write(data)


def write_pth(
    path: str,
    tensors: Mapping[str, np.ndarray],
    *,
    epoch: int,
    optimizer: Mapping[str, Any] | None,
    description: str,
) -> None:
    """Writes a checkpoint in the published layout; `torch.load(path, weights_only=True)` takes it.

    Raises:
        InputError: torch is missing.
    """
    content: dict[str, Any] = {
        "epoch": epoch,
        "network": "HTT",
        "state_dict": OrderedDict(tensors),
        _DESCRIPTION: description,
    }
    pth.write(path, content if optimizer is None else content | {"optimizer": optimizer})


def _kind(path: str) -> str:
    if pathlib.Path(path).is_dir():
        raise InputError(f"{path} is a folder; give a .pth or .safetensors file")
    try:
        with open(path, "rb") as file:
            head = file.read(9)
    except OSError as error:
        raise InputError(
            f"cannot read {path}: {error.strerror}; give a .pth or .safetensors file"
        ) from error
    # The length of the header, then the header, which is JSON.
    if head[8:] == b"{" and int.from_bytes(head[:8], "little") <= _MAX_HEADER:
        return ".safetensors"
    if head.startswith((_ZIP, _PICKLE)):
        return ".pth"
    found = "it is empty" if not head else f"it begins with {head!r}"
    raise InputError(
        f"{path} is neither a .pth nor a .safetensors file, or cut short: {found}; "
        "give the weights of a model"
    )


def _read_safetensors(path: str) -> tuple[dict[str, np.ndarray], str | None]:
    try:
        with safe_open(path, framework="np") as file:
            tensors = {name: _read_tensor(path, file, name) for name in sorted(file.keys())}
            return tensors, (file.metadata() or {}).get(_DESCRIPTION)
    except SafetensorError as error:
        raise InputError(
            f"{path} is not a whole .safetensors file: {error}; fetch it again"
        ) from error


def _read_tensor(path: str, file: Any, name: str) -> np.ndarray:
    try:
        x = file.get_tensor(name)
    except (AttributeError, TypeError) as error:
        raise InputError(
            f"{path} holds numbers unknown to NumPy in {name}: {error}; save them as float32"
        ) from error
    floating = x.dtype == ml_dtypes.bfloat16 or np.issubdtype(x.dtype, np.floating)
    return x.astype(np.float32) if floating else x


def _named(path: str, tensors: Any) -> dict[str, np.ndarray]:
    """`tensors` without DataParallel's prefix, if that is what they are."""
    others = [f"only one {type(tensors).__name__}"]
    if isinstance(tensors, dict):
        others = [
            f"{name} ({type(x).__name__})"
            for name, x in tensors.items()
            if not (isinstance(name, str) and isinstance(x, np.ndarray))
        ]
    if others or not tensors:
        more = f" and {len(others) - 5} more" if len(others) > 5 else ""
        raise InputError(
            f"{path} holds no state dict: expected tensors by name, alone or under 'state_dict', "
            f"found {', '.join(others[:5]) or 'nothing'}{more}; save model.state_dict()"
        )
    if all(name.startswith(_DATA_PARALLEL) for name in tensors):
        return {name.removeprefix(_DATA_PARALLEL): x for name, x in tensors.items()}
    return tensors


def _is_optimizer_state(x: Any) -> bool:
    return (
        isinstance(x, dict)
        and isinstance(x.get("state"), dict)
        and isinstance(x.get("param_groups"), list)
    )
