"""HTT in JAX: hand poses and actions from egocentric video. `htt_jax.load` is where to begin."""

from typing import Any

__all__ = ["load"]


def __getattr__(name: str) -> Any:
    """Imports what `load` needs when it is asked for: loader processes do without JAX."""
    if name == "load":
        from htt_jax.prediction.interface import load

        return load
    raise AttributeError(f"module 'htt_jax' has no attribute {name!r}")
