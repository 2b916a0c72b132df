"""HTT: the network, what it takes and tells, a window at a time, and where it looks."""

from htt_jax.models.htt.network import HTT

__all__ = ["HTT"]
