"""The tensors in a pickle that torch wrote, as NumPy arrays."""

from collections.abc import Callable
from io import BufferedIOBase
from typing import Any, NamedTuple

import ml_dtypes
import numpy as np

from htt_jax.interop.plain_pickle import Maker, Unpickler, Unread, stand_in

_KINDS = {
    "Float": np.float32,
    "Double": np.float64,
    "Half": np.float16,
    "BFloat16": ml_dtypes.bfloat16,
    "Long": np.int64,
    "Int": np.int32,
    "Short": np.int16,
    "Char": np.int8,
    "Byte": np.uint8,
    "Bool": np.bool,
    "ComplexFloat": np.complex64,
    "ComplexDouble": np.complex128,
    # Of quantized tensors, which are not read; their size tells where the next storage begins.
    "QInt8": np.int8,
    "QUInt8": np.uint8,
    "QInt32": np.int32,
}


class Kind(NamedTuple):
    """The type of a storage's or tensor's numbers."""

    dtype: np.dtype


class Tensor(np.ndarray):
    """An array that is a tensor's: it can be a key, as optimizers keep their state."""

    __slots__ = ()
    __hash__ = object.__hash__  # type: ignore[assignment]

    def __setstate__(self, state: object) -> None:
        """Lets no file change it."""


class StorageId(NamedTuple):
    """Where a tensor's numbers are.

    Attributes:
        key: of the storage in the file.
        numel: how many numbers it has.
        dtype: of these.
        view: the part of it that is meant, (first, number); None for the whole.
    """

    key: str
    numel: int
    dtype: np.dtype
    view: tuple[int, int] | None


class Storage(NamedTuple):
    """The numbers of tensors, one after another."""

    dtype: np.dtype
    data: bytes | memoryview


def load(file: BufferedIOBase, numbers: Callable[[StorageId], bytes | None]) -> Any:
    """Reads the pickle at which `file` is open.

    Args:
        file: the pickle.
        numbers: the bytes of a whole storage; None if they are not known (yet): its tensors
            come out as `Unread`.

    Returns:
        Plain values; `Tensor` for tensors, floating-point ones of any width as float32; `Unread`
        for everything else.

    Raises:
        HarmfulError: it names a function that runs programs or code.
        Exception: any, if it is damaged.
    """

    def storage(written: Any) -> Any:
        if written[0] == "module":  # the class of a module, beside its source in the legacy format
            return written[1]
        _, kind, key, _, numel, *view = written
        if not isinstance(kind, Kind):
            return kind
        part = tuple(view[0][1:]) if view and view[0] else None
        found = numbers(StorageId(key, numel, kind.dtype, part))
        if found is None:
            return None
        data, size = memoryview(found), kind.dtype.itemsize
        if part:
            data = data[part[0] * size : (part[0] + part[1]) * size]
        return Storage(kind.dtype, data)

    return Unpickler(file, _MAKERS, storage).load()


def widened(x: np.ndarray) -> np.ndarray:
    """An array of its own; floating-point numbers of any width as float32."""
    floating = x.dtype == ml_dtypes.bfloat16 or np.issubdtype(x.dtype, np.floating)
    return np.array(x, np.float32 if floating else x.dtype, order="C")


def _tensor(storage: Any, offset: int, size: Any, stride: Any, *rest: Any) -> Any:
    """Of `requires_grad`, hooks and metadata the last changes what the numbers mean."""
    if not isinstance(storage, Storage):
        return _unread("tensor of other numbers")
    if any(rest[2:]):
        return _unread("conjugated or negated view of a tensor")
    return _array(storage.data, storage.dtype, offset, size, stride)


def _tensor_of_type(storage: Any, offset: int, size: Any, stride: Any, *rest: Any) -> Any:
    """The same, of untyped storage; the numbers' type is in the metadata's place."""
    kind = rest[2]
    if not isinstance(storage, Storage) or not isinstance(kind, Kind):
        return _unread("tensor of other numbers")
    if any(rest[3:]):
        return _unread("conjugated or negated view of a tensor")
    return _array(storage.data, kind.dtype, offset, size, stride)


def _array(
    data: bytes | memoryview, dtype: np.dtype, offset: int, size: Any, stride: Any
) -> Tensor:
    """Of the numbers from `offset` on; NumPy checks that none lies outside."""
    if 0 in size:
        return widened(np.empty(size, dtype)).view(Tensor)
    steps = [step * dtype.itemsize for step in stride]
    whole = np.ndarray(size, dtype, data, offset * dtype.itemsize, steps)
    return widened(whole).view(Tensor)


def _unread(name: str) -> Unread:
    return stand_in(name)()


_UNREAD = {
    "sparse_tensor": "sparse tensor",
    "qtensor": "quantized tensor",
    "nested_tensor": "nested tensor",
    "meta_tensor_no_storage": "tensor without numbers, of the meta device",
    "wrapper_subclass": "tensor of a class of its own",
}

_FIRST = Maker(lambda first, *rest: first)  # the tensor of a parameter or of another device

_MAKERS = {
    **{f"torch.{name}Storage": Kind(np.dtype(x)) for name, x in _KINDS.items()},
    **{f"torch.cuda.{name}Storage": Kind(np.dtype(x)) for name, x in _KINDS.items()},
    **{f"torch.{x.__name__}": Kind(np.dtype(x)) for x in _KINDS.values()},
    **{f"torch.uint{bits}": Kind(np.dtype(f"uint{bits}")) for bits in (16, 32, 64)},
    "torch.storage.UntypedStorage": Kind(np.dtype(np.uint8)),
    "torch._utils._rebuild_tensor": Maker(_tensor),
    "torch._utils._rebuild_tensor_v2": Maker(_tensor),
    "torch._utils._rebuild_tensor_v3": Maker(_tensor_of_type),
    "torch._utils._rebuild_parameter": _FIRST,
    "torch._utils._rebuild_parameter_with_state": _FIRST,
    "torch._utils._rebuild_device_tensor_from_cpu_tensor": _FIRST,
    # A tensor with attributes: the function that makes it, its class, the function's arguments.
    "torch._tensor._rebuild_from_type_v2": Maker(lambda make, kind, args, state: make(*args)),
    **{f"torch._utils._rebuild_{x}": stand_in(name) for x, name in _UNREAD.items()},
}
