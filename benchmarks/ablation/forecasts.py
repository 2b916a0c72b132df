"""How far the pose ahead is off: of a run's own forecasts, and of what needs none."""

import operator
from collections.abc import Mapping, Sequence
from typing import Any

from htt_jax.data.records import RecordSource
from htt_jax.evaluation import forecasting
from htt_jax.evaluation.forecasting.extrapolation import FITTED, MEAN_MOTION
from htt_jax.evaluation.forecasting.pasts import HORIZONS, frames_ahead
from htt_jax.evaluation.forecasting.spaces import LAST, OWN, SPACES
from htt_jax.evaluation.one_run import Evaluation
from htt_jax.measures import Measure

_ERRORS = {"error": "", "error_ra": " RA"}

OWN_FORECAST = "own"
"""The method of a run that forecasts."""

BASELINES: Mapping[str, tuple[str, str]] = {
    "hold": ("zero velocity", "its last pose stays"),
    "line": (f"velocity of {FITTED} frames", "its last poses go on in a line"),
    "mean_motion": (MEAN_MOTION, "its last pose moves as hands in training do on the mean"),
}
"""What is made of a run's estimated poses without a network: the method, and in a table's words."""


def _key(error: str, seconds: float) -> str:
    return f"forecast_{error}_{1000 * seconds:.0f}ms"


MEASURES = {
    _key(error, seconds): Measure(
        _key(error, seconds), f"{seconds:g} s{suffix}", "mm", 2, smaller_is_better=True,
        meaning=f"mean joint error {seconds:g} s ahead",
        place=(forecasting.NAME, error), compute=operator.itemgetter(error),
    )
    for seconds in HORIZONS
    for error, suffix in _ERRORS.items()
}  # fmt: skip
"""Of poses ahead, raw and root-aligned; the mean over the hands."""


def within(frames: int) -> list[str]:
    """The measures at the last two horizons that lie within so many recorded frames."""
    reached = [seconds for seconds in HORIZONS if frames_ahead(seconds) <= frames][-2:]
    return [_key(error, seconds) for seconds in reached for error in _ERRORS]


def figures(evaluation: Evaluation, training: RecordSource) -> dict[str, Any]:
    """What is kept of a run.

    Args:
        evaluation: of the run, which need not forecast.
        training: split, for the mean motion.

    Returns:
        `space` they are measured in, the camera of the last seen frame where the dataset says
        where the camera was; `methods`: what each video adds to each of `MEASURES` that is known
        (see `forecasting.of_videos`), of the run's own forecasts, `OWN_FORECAST`, and `BASELINES`.
    """
    source, estimates = evaluation.source, evaluation.estimates
    space = LAST if source.spec.camera_poses else OWN
    found = forecasting.of_videos(
        evaluation.ahead or forecasting.none_of(estimates),
        estimates,
        forecasting.recorded(source),
        source.spec,
        forecasting.mean_motions(training, (space,)),
        space=space,
        mask_unannotated=evaluation.report["run"]["config"]["mask_unannotated_hands"],
    )
    names = {short: f"{name}, estimated past" for short, (name, _) in BASELINES.items()}
    names[OWN_FORECAST] = forecasting.RUN
    methods = {short: _of_method(found[name]) for short, name in names.items()}
    return {"space": SPACES[space], "methods": methods}


def _of_method(found: Mapping[str, Sequence[Any]]) -> dict[str, list[float]]:
    return {
        _key(error, seconds): share.tolist()
        for error in _ERRORS
        for seconds, share in zip(HORIZONS, found[error], strict=True)
        if share is not None
    }
