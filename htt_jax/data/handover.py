"""How loader processes hand over large arrays: in shared memory whose every byte was written.

Grain does it with less care. It maps the memory before it is known to have room: where /dev/shm has
none, the system ends the process at its first write (SIGBUS). And it frees the memory in a thread,
which a process that ends does not wait for.
"""

import contextlib
import dataclasses
import mmap
import os
import pathlib
import secrets
from multiprocessing import resource_tracker
from multiprocessing.shared_memory import SharedMemory
from typing import Any, TypeAlias

import numpy as np

from htt_jax.data.clip_reader import Clip
from htt_jax.support.shared_memory import FOLDER, no_room

MIN_BYTES = 1 << 20  # what is smaller costs more as shared memory than as a message
WITHOUT = "with 0, threads, it is not used"

Sent: TypeAlias = dict[str, Any]  # a clip, large arrays replaced by where they lie


@dataclasses.dataclass(frozen=True)
class _Place:
    name: str
    shape: tuple[int, ...]
    dtype: np.dtype


def _new_prefix() -> str:
    return f"htt_jax_{os.getpid()}_{secrets.token_hex(4)}_"


@dataclasses.dataclass(frozen=True)
class Handover:
    """Of one loader's clips, from its worker processes to their parent.

    Attributes:
        prefix: of all names that its memory has while it is on its way.
    """

    prefix: str = dataclasses.field(default_factory=_new_prefix)

    def send(self, clip: Clip) -> Sent:
        """Puts the large arrays of a clip into shared memory.

        Raises:
            InputError: there is no room for them.
        """
        return {
            key: array if array.nbytes < MIN_BYTES else self._write(array)
            for key, array in clip.items()
        }

    def receive(self, sent: Sent) -> Clip:
        """The clip. Its memory has no name any more: it is freed as any other array's."""
        return {key: _read(x) if isinstance(x, _Place) else x for key, x in sent.items()}

    def clear(self) -> None:
        """Frees what was sent and never received; call it when no worker runs any more."""
        for path in pathlib.Path(FOLDER).glob(f"{self.prefix}*"):
            _remove_name(path)

    def _write(self, array: np.ndarray) -> _Place:
        name = self.prefix + secrets.token_hex(8)
        try:
            with (
                contextlib.closing(SharedMemory(name, create=True, size=array.nbytes)),
                open(f"{FOLDER}/{name}", "r+b") as file,
            ):
                # Fails where writing to mapped memory would end the process.
                file.write(np.ascontiguousarray(array).data)
        except OSError as error:
            raise no_room(error, WITHOUT) from error
        return _Place(name, array.shape, array.dtype)


def _read(place: _Place) -> np.ndarray:
    path = pathlib.Path(FOLDER, place.name)
    with path.open("rb") as file:
        memory = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    _remove_name(path)
    return np.frombuffer(memory, place.dtype).reshape(place.shape)


def _remove_name(path: pathlib.Path) -> None:
    path.unlink()
    # It knows the name from `SharedMemory`, and reports as leaked what nobody takes from it.
    resource_tracker.unregister(f"/{path.name}", "shared_memory")
