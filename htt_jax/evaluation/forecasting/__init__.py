"""How far ahead poses are known: forecasts beside what needs no network, in spaces with a name."""

from htt_jax.evaluation.forecasting.by_video import of_videos
from htt_jax.evaluation.forecasting.cases import RUN
from htt_jax.evaluation.forecasting.collected import Collected, Collector, none_of, of_full_windows
from htt_jax.evaluation.forecasting.measured import NAME, asked, mean_motions, measured
from htt_jax.evaluation.forecasting.pasts import Recorded, recorded

__all__ = [
    "NAME",
    "RUN",
    "Collected",
    "Collector",
    "Recorded",
    "asked",
    "mean_motions",
    "measured",
    "none_of",
    "of_full_windows",
    "of_videos",
    "recorded",
]
