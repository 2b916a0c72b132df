"""What an evaluation found, to look at: one HTML page, its plots as PNG, its tables as CSV."""

from htt_jax.evaluation.report.writing import write

__all__ = ["write"]
