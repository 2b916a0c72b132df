"""Errors of forecasts and of what needs no network, by space, hand and time ahead."""

from collections.abc import Sequence
from typing import Any

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting import mean_motion
from htt_jax.evaluation.forecasting.cases import Case, cases_of, counting, errors_of
from htt_jax.evaluation.forecasting.collected import Collected
from htt_jax.evaluation.forecasting.mean_motion import Motions
from htt_jax.evaluation.forecasting.pasts import HORIZONS, Recorded, frames_ahead
from htt_jax.evaluation.forecasting.spaces import OWN, SPACES
from htt_jax.support.errors import InputError

NAME = "forecast"
"""Where it stands in results."""


def asked(spaces: Sequence[str], source: RecordSource) -> tuple[str, ...]:
    """The spaces to measure in: those that are named, or all that the dataset allows.

    Raises:
        InputError: one that is named needs to know where the camera was.
    """
    if source.spec.camera_poses:
        return tuple(spaces) or tuple(SPACES)
    for space in spaces:
        if space != OWN:
            raise InputError(
                f"{source.directory} does not say where the camera was, which forecasts in "
                f"{space} need; prepare H2O with its cam_pose folders, or name {OWN}"
            )
    return (OWN,)


def mean_motions(training: RecordSource, spaces: Sequence[str]) -> Motions:
    """How hands of the training split move to each horizon."""
    return mean_motion.fit(training, spaces, [frames_ahead(seconds) for seconds in HORIZONS])


def measured(
    collected: Collected,
    estimates: Estimates,
    record: Recorded,
    spec: DatasetSpec,
    motions: Motions,
    *,
    mask_unannotated: bool,
) -> dict[str, Any]:
    """Mean joint errors, millimetres, over the pasts that have a frame so far ahead.

    A past is a full window; a hand counts where it is annotated in all of its frames and in the
    one ahead, and where the space needs it, where the camera was is known in all of them.

    Args:
        collected: the model's forecasts.
        estimates: of the same split.
        record: of the same split.
        spec: of the dataset.
        motions: of the training split, see `mean_motions`; it has the spaces to measure in.
        mask_unannotated: do not count hands marked as not annotated.

    Returns:
        `seen`, `steps` and `spacing` (frames), `horizons` (seconds); `spaces`, by space and hand:
        `pasts`, how many at each horizon, and `methods`: for each `error` and `error_ra`, with the
        root of both subtracted and left out, at each horizon, None where it is not told; `action`:
        the `accuracy` of the action expected over `pasts` whose action is known.

    """
    cases = cases_of(collected, estimates, record, mask_unannotated=mask_unannotated)
    by_space = {
        space: {
            hand: found
            for hand in spec.hands
            if (found := _of_hand(cases, space, hand, spec, motions))
        }
        for space in dict.fromkeys(space for space, _ in motions)
    }
    return {
        "seen": estimates.window,
        "steps": collected.joints_3d.shape[1],
        "spacing": estimates.spacing,
        "horizons": record.horizons,
        "spaces": {space: hands for space, hands in by_space.items() if hands},
        "action": _action(collected, cases[0]),
    }


def _of_hand(
    cases: Sequence[Case], space: str, hand: str, spec: DatasetSpec, motions: Motions
) -> dict[str, Any] | None:
    """Of one hand in one space; None where nothing counts."""
    methods: dict[str, dict[str, list[float | None]]] = {}
    counts = []
    for case in cases:
        kept = counting(case, space, hand, spec)
        counts.append(int(kept.sum()))
        for name, errors in errors_of(case, kept, space, hand, spec, motions):
            of_method = methods.setdefault(name, {key: [] for key in errors})
            for key, error in errors.items():
                if error is None or not error.size:
                    of_method[key].append(None)
                else:
                    of_method[key].append(float(error.mean()))
    return {"pasts": counts, "methods": methods} if any(counts) else None


def _action(collected: Collected, case: Case) -> dict[str, Any]:
    """Of the pasts that go on for the shortest horizon at least."""
    action = collected.action[case.chosen]
    right = collected.action_probabilities[case.chosen].argmax(axis=-1) == action
    known = action >= 0
    count = int(known.sum())
    return {"pasts": count, "accuracy": float(right[known].mean()) if count else None}
