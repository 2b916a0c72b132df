"""What JAX's coordination service knows: the only importer of its private client.

JAX has no public way to a store that all processes of a run share without their devices; Orbax
takes the same one. Nor is there one to keep a process from being aborted (status 134, and a stack
trace of C++) when process 0, which holds the service, dies: the client's constructor takes a
function to call instead. jaxlib 0.10 fails to call it, for it cannot hand over its argument, and
ends the process by C++'s terminate; so that is caught as well.
"""

import contextlib
import ctypes
import functools
import pathlib
import time
from collections.abc import Callable
from typing import Any

import jax
from jax._src import distributed

_CONNECTED = "01"  # in Linux's tables of connections


class Store:
    """Texts by their names, shared by the processes of a run; held by process 0.

    Its methods raise whatever JAX does when process 0 is gone; when that is stopped they may wait
    for ever.

    Attributes:
        process: the number of this process.
        count: of processes.
    """

    def __init__(self) -> None:
        """Once this process has joined the others."""
        self._client: Any = distributed.global_state.client
        # Not `jax.process_index()`, which waits until all have found their devices.
        self.process = distributed.global_state.process_id
        self.count = distributed.global_state.num_processes

    def put(self, name: str, text: str) -> None:
        """Sets a text, in the place of an earlier one."""
        self._client.key_value_set(name, text, allow_overwrite=True)

    def under(self, folder: str) -> dict[str, str]:
        """All texts whose names begin with `folder`, which ends with /, by the rest of the name."""
        found = self._client.key_value_dir_get(folder)
        return {name.removeprefix(folder): text for name, text in found}

    def wait_for(self, name: str) -> str:
        """A text, as soon as it is there."""
        while True:
            with contextlib.suppress(jax.errors.JaxRuntimeError):
                return self._client.blocking_key_value_get(name, 5_000)
            time.sleep(0.1)  # where it fails at once; who is gone is somebody else's question

    def meet(self, name: str, seconds: float) -> None:
        """Waits until all processes are here.

        Raises:
            jax.errors.JaxRuntimeError: some were not in time.
        """
        self._client.wait_at_barrier(name, round(1000 * seconds))


def join(arguments: dict[str, Any], lost: Callable[[], object]) -> None:
    """As `jax.distributed.initialize`, but that `lost` is called when the service is gone.

    That is in a thread of C++, which must not return from it where it can end the process.
    """
    ends_by_terminate(lost)
    library = getattr(distributed, "_jax", None)
    made = getattr(library, "get_distributed_runtime_client", None)
    if library is None or made is None:  # of another version, whose aborts then stay
        jax.distributed.initialize(**arguments)
        return
    library.get_distributed_runtime_client = functools.partial(
        made, missed_heartbeat_callback=lambda *_: lost()
    )
    try:
        jax.distributed.initialize(**arguments)
    finally:
        library.get_distributed_runtime_client = made


def ends_by_terminate(instead: Callable[[], object] | None) -> None:
    """What C++ calls where it would abort; None for its own again. Nothing where it has none."""
    with contextlib.suppress(OSError, AttributeError):
        set_terminate = ctypes.CDLL("libstdc++.so.6")._ZSt13set_terminatePFvvE
        set_terminate.argtypes, set_terminate.restype = [ctypes.c_void_p], ctypes.c_void_p
        if instead is None:
            set_terminate(_kept.pop("previous", None))
            return
        _kept["handler"] = handler = ctypes.CFUNCTYPE(None)(lambda: _terminated(instead))
        _kept["previous"] = set_terminate(ctypes.cast(handler, ctypes.c_void_p))


_kept: dict[str, Any] = {}
"""C++'s own handler, and ours, which must outlive the call that sets it."""


def _terminated(instead: Callable[[], object]) -> None:
    instead()
    if previous := _kept.get("previous"):  # something else in C++ failed
        ctypes.CFUNCTYPE(None)(previous)()


def connected(port: int) -> int | None:
    """Connections to a port of this host, as many as processes that have joined; None: unknown."""
    try:
        tables = [pathlib.Path(f"/proc/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:
        return None
    lines = (line for table in tables for line in table.splitlines()[1:])
    fields = (line.split() for line in lines)
    return sum(f[1].endswith(f":{port:04X}") and f[3] == _CONNECTED for f in fields)
