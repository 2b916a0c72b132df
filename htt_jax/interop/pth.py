"""PyTorch's own files, in and out; torch is imported when one is written.

No code in a file is ever executed. torch's own careful loading refuses a whole checkpoint for one
object beside the weights; here such objects are read past, as no object is ever made
(see `plain_pickle`).
"""

import collections
import functools
import io
import pickle
import zipfile
from collections.abc import Mapping
from types import ModuleType
from typing import Any

import numpy as np

from htt_jax.interop import pth_tensors
from htt_jax.interop.plain_pickle import HarmfulError
from htt_jax.interop.pth_tensors import StorageId
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

_RESAVE = "save its tensors alone with torch.save(model.state_dict(), FILE) and give that file"
_ZIP = b"PK"
_MAGIC, _PROTOCOL = 0x1950A86A20F9469CFC6C, 1001  # of the legacy format


def read(path: str) -> Any:
    """What a file in PyTorch's zip or legacy format holds.

    Returns:
        Plain values; NumPy arrays for tensors, floating-point ones of any width as float32;
        `plain_pickle.Unread` for any other object.

    Raises:
        InputError: the file is damaged or of another kind; it asks for a function that runs
            programs or code (a harmful file does): nothing of it was executed.
    """
    try:
        with open(path, "rb") as file:
            is_zip = file.read(len(_ZIP)) == _ZIP
            file.seek(0)
            return _read_zip(file) if is_zip else _read_legacy(file)
    except HarmfulError as error:
        raise InputError(
            f"{path} was refused and nothing of it was executed: it asks for the Python object "
            f"{str(error)!r}, which has no place beside weights; if you trust the file, {_RESAVE}"
        ) from error
    except Exception as error:  # Damage shows as errors of pickle, zip, struct and more.
        reason = " ".join(str(error).split()) or type(error).__name__
        raise InputError(
            f"{path} is not a whole .pth file of tensors ({reason}), nothing of it was "
            f"executed; fetch it again, or {_RESAVE}"
        ) from error


def write(path: str, content: Mapping[str, Any]) -> None:
    """Writes `content` in the zip format, tensors for its arrays; weights-only loads take it.

    Raises:
        InputError: torch is missing.
    """
    try:
        import torch
    except ImportError as error:
        raise InputError(
            f"{path}: writing a .pth file needs torch; pip install -e '.[torch]', or write a "
            ".safetensors file"
        ) from error
    with atomic_write(path) as file:
        torch.save(_to_torch(torch, content), file)


def _read_zip(file: io.BufferedIOBase) -> Any:
    """One pickle, and a file for each storage beside it."""
    with zipfile.ZipFile(file) as archive:
        names = set(archive.namelist())
        root = next((x.removesuffix("data.pkl") for x in names if x.endswith("/data.pkl")), None)
        if root is None:
            raise pickle.UnpicklingError("a zip archive of something else")
        if f"{root}constants.pkl" in names:
            raise pickle.UnpicklingError("a TorchScript program")
        order = f"{root}byteorder"
        if order in names and archive.read(order) != b"little":
            raise pickle.UnpicklingError("its numbers are in big-endian order")

        @functools.lru_cache(maxsize=1)  # for tensors that are parts of one storage
        def numbers(storage: StorageId) -> bytes:
            name = f"{root}data/{storage.key}"
            expected = storage.numel * storage.dtype.itemsize
            if archive.getinfo(name).file_size < expected:
                raise pickle.UnpicklingError(f"{name} is shorter than its {expected} bytes")
            return archive.read(name)

        return pth_tensors.load(io.BytesIO(archive.read(f"{root}data.pkl")), numbers)


def _read_legacy(file: io.BufferedIOBase) -> Any:
    """Five pickles, the fourth with the content; then the storages in the fifth's order."""
    sizes: dict[str, int] = {}

    def nothing_yet(storage: StorageId) -> None:
        sizes.setdefault(storage.key, storage.dtype.itemsize)

    for expected in (_MAGIC, _PROTOCOL):
        if pth_tensors.load(file, nothing_yet) != expected:
            raise pickle.UnpicklingError("a pickle that torch did not write")
    pth_tensors.load(file, nothing_yet)  # of the machine
    start = file.tell()
    pth_tensors.load(file, nothing_yet)
    storages = {}
    for key in pth_tensors.load(file, nothing_yet):
        length = int.from_bytes(file.read(8), "little") * sizes[key]
        storages[key] = file.read(length)
        if len(storages[key]) < length:
            raise pickle.UnpicklingError("it ends in the middle of its numbers")
    file.seek(start)
    return pth_tensors.load(file, lambda storage: storages[storage.key])


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
