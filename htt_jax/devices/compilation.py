"""Programs compiled once: kept on disk for the next process, and made before they are needed."""

import os
import pathlib
import warnings
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Generic, TypeVar

import jax

from htt_jax.support.closing import Closing
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable

CACHE_VARIABLE = "JAX_COMPILATION_CACHE_DIR"

Key = TypeVar("Key")


def keep_programs() -> None:
    """Keeps what XLA compiles in `~/.cache/htt_jax` for later processes.

    `JAX_COMPILATION_CACHE_DIR` names another folder; empty, nothing is kept. Nor is it where there
    is no home, as for users of containers who have a number only, or none that can be written to.
    """
    if CACHE_VARIABLE not in os.environ and (folder := _cache_folder()):
        jax.config.update("jax_compilation_cache_dir", str(folder))
    # Nothing is lost but time, and it would be said of every program.
    warnings.filterwarnings("ignore", "Error (reading|writing) persistent compilation cache")
    if "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS" not in os.environ:
        # JAX's own is a second; a start compiles dozens of programs that take less.
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _cache_folder() -> pathlib.Path | None:
    try:
        home = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
        folder = pathlib.Path(home) / "htt_jax"
        check_writable(folder)
    except (RuntimeError, InputError):  # there is no home; it cannot be written to
        return None
    return folder


def options(platform: str) -> dict[str, Any]:
    """Compiler options for programs that need much memory; on processors the default wastes it.

    There XLA orders operations for running many at once. With its other order the training step
    takes a third less memory and as long.

    Args:
        platform: of the devices that the program is for.
    """
    if platform != "cpu":
        return {}
    return {"xla_cpu_scheduler_type": "CPU_SCHEDULER_TYPE_MEMORY_OPTIMIZED"}


class CompiledAhead(Closing, Generic[Key]):
    """A jitted function, compiled in the background for all shapes that it will be called with.

    A thread compiles one after another; what is needed before its turn is compiled at once.
    """

    def __init__(self, function: Any, arguments: Mapping[Key, tuple[Any, ...]]):
        """Starts compiling.

        Args:
            function: of `jax.jit`.
            arguments: abstract, `jax.ShapeDtypeStruct` with shardings; by what tells them apart,
                in the order in which they may be needed.
        """
        self._function = function
        self._arguments = arguments
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="compile")
        self._programs = {key: self._thread.submit(self._compile, key) for key in arguments}

    def close(self) -> None:
        """Gives up what has not been begun."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    def __getitem__(self, key: Key) -> Callable[..., Any]:
        """The program for the arguments of `key`."""
        if self._programs[key].cancel():
            self._programs[key] = Future()
            self._programs[key].set_result(self._compile(key))
        return self._programs[key].result()

    def _compile(self, key: Key) -> Callable[..., Any]:
        return self._function.lower(*self._arguments[key]).compile()
