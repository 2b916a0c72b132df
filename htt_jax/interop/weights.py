"""Files of named tensors, in and out: `.safetensors` and `.pth`; torch is needed to write `.pth`.

No code in a file is ever executed.
"""

import dataclasses
import json
import pathlib
import sys
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

import jax
import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from htt_jax.interop import contents, pth, wrappers
from htt_jax.interop.pth_tensors import widened  # and NumPy has the bfloat16 of .safetensors files
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, on_disk

_DESCRIPTION = "htt_jax"  # the field of our own exports that other programs pass over
_LIGHTNING = "pytorch-lightning_version"  # its epochs count from 0, and may be half done
_ZIP, _PICKLE = b"PK\x03\x04", b"\x80"
_MAX_HEADER = 100_000_000  # bytes, of a .safetensors file


@dataclasses.dataclass(frozen=True)
class WeightFile:
    """What a weight file holds.

    Attributes:
        path: of the file.
        tensors: by the model's own names, wrappers' taken off; floats as float32.
        epoch: epochs done, as the file says; None if it does not say.
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

    A `.pth` file, in PyTorch's zip or legacy format, holds a state dict, alone or in a field beside
    the training's epoch, optimizer and other objects. Where running averages of the weights are
    beside these, the plain ones are taken, and a line on stderr says so.

    Raises:
        InputError: the file is missing, damaged, of another kind, asks for code to be executed, or
            holds no named tensors, or several models.
    """
    with on_disk(path) as file:
        return dataclasses.replace(_read(str(file)), path=path)


def _read(path: str) -> WeightFile:
    if _kind(path) == ".safetensors":
        tensors, description = _read_safetensors(path)
        return WeightFile(path, _unwrapped(path, tensors), None, None, description)
    content = pth.read(path)
    found = contents.find(path, content)
    if found.others:
        others = ", ".join(found.others)
        _say(
            f"{path}: the weights in {found.key} are taken, not those in {others}; to take others, "
            f"save them alone: {contents.to_save_alone(path, found.others[0])}"
        )
    fields = content if isinstance(content, dict) else {}
    epoch, description = fields.get("epoch"), fields.get(_DESCRIPTION)
    return WeightFile(
        path,
        _unwrapped(path, found.tensors),
        epoch if isinstance(epoch, int) and _LIGHTNING not in fields else None,
        found.optimizer,
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
        if (pathlib.Path(path) / ".metadata").exists():
            raise InputError(
                f"{path} is a checkpoint of torch.distributed in several files; make one of them "
                f"with `python -m torch.distributed.checkpoint.format_utils dcp_to_torch {path} "
                "FILE`"
            )
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
    if head.startswith(b"{") and _is_index(path):
        raise InputError(
            f"{path} is the index of a model in several files; load them together and save "
            "model.state_dict() in one"
        )
    found = "it is empty" if not head else f"it begins with {head!r}"
    raise InputError(
        f"{path} is neither a .pth nor a .safetensors file, or cut short: {found}; "
        "give the weights of a model"
    )


def _is_index(path: str) -> bool:
    """Whether it is the JSON that names the file of each tensor."""
    try:
        return "weight_map" in json.loads(pathlib.Path(path).read_bytes())
    except ValueError:
        return False


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
    return widened(x)


def _unwrapped(path: str, tensors: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    if not tensors:
        raise InputError(f"{path} holds no tensors; save model.state_dict()")
    found, others = wrappers.unwrapped(path, tensors)
    if others:
        _say(
            f"{path}: averaged weights under {', '.join(map(repr, others))} are left aside; to "
            "take them, save that module's state_dict() alone"
        )
    return found


def _say(text: str) -> None:
    if jax.process_index() == 0:
        print(text, file=sys.stderr)
