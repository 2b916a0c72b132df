"""How far ahead poses are known: forecasts beside what needs no network, in spaces with a name."""

from htt_jax.evaluation.forecasting.collected import Collected, Collector, of_full_windows
from htt_jax.evaluation.forecasting.measured import NAME, asked, mean_motions, measured
from htt_jax.evaluation.forecasting.pasts import Recorded, recorded

__all__ = [
    "NAME",
    "Collected",
    "Collector",
    "Recorded",
    "asked",
    "mean_motions",
    "measured",
    "of_full_windows",
    "recorded",
]
