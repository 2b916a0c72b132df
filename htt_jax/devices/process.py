"""Makes a process ready to compute: what every command that uses JAX begins with."""

from htt_jax.devices import compilation, host_memory


def prepare() -> None:
    """Keeps freed memory, and compiled programs for the next process."""
    host_memory.keep_freed()
    compilation.keep_programs()
