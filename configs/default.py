"""The paper's settings (Sec. 3.4), without a dataset; every option stands in the table there."""

from htt_jax.runs.options import get_config

__all__ = ["get_config"]
