"""Errors of forecasts and of what needs no network, by space, hand and time ahead."""

import dataclasses
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting import mean_motion, pasts
from htt_jax.evaluation.forecasting.collected import Collected
from htt_jax.evaluation.forecasting.extrapolation import EXTRAPOLATIONS, MEAN_MOTION
from htt_jax.evaluation.forecasting.mean_motion import Motions
from htt_jax.evaluation.forecasting.pasts import HORIZONS, Recorded, frames_ahead
from htt_jax.evaluation.forecasting.spaces import OWN, SPACES, WAYS
from htt_jax.metrics import METRES_TO_MM
from htt_jax.support.errors import InputError

NAME = "forecast"
"""Where it stands in results."""

RUN = "this run"
"""Whose forecasts a model's are, among the methods."""


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
    counted = estimates.hand_annotated | (not mask_unannotated)
    cases = [
        _case(collected, estimates, record, counted, ahead) for ahead in map(frames_ahead, HORIZONS)
    ]
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
        # Of every second recorded frame, say, each time is twice as long.
        "horizons": [record.step * seconds for seconds in HORIZONS],
        "spaces": {space: hands for space, hands in by_space.items() if hands},
        "action": _action(collected, cases[0]),
    }


@dataclasses.dataclass(frozen=True)
class _Case:
    """All pasts with a frame at one distance; joints of all hands, each in its own camera."""

    ahead: int
    spacing: int
    chosen: Int[np.ndarray, " pasts"]  # among those collected
    true: Float[np.ndarray, "pasts seen joints 3"]
    estimated: Float[np.ndarray, "pasts seen joints 3"]
    target: Float[np.ndarray, "pasts joints 3"]
    forecast: Float[np.ndarray, "pasts joints 3"] | None  # None: the model does not look so far
    counted: Bool[np.ndarray, "pasts hands"]
    poses: Float[np.ndarray, "pasts seen 4 4"]
    target_poses: Float[np.ndarray, "pasts 4 4"]


def _case(
    collected: Collected,
    estimates: Estimates,
    record: Recorded,
    counted: Bool[np.ndarray, "frames hands"],
    ahead: int,
) -> _Case:
    frames = pasts.seen(collected.last, estimates.window, estimates.spacing)
    chosen = np.flatnonzero(pasts.followed(frames, ahead, record))
    frames = frames[chosen]
    target = frames[:, -1] + ahead
    estimated = estimates.joints_3d[frames].astype(np.float64)
    steps = collected.joints_3d[chosen]
    poses = record.poses()
    return _Case(
        ahead,
        estimates.spacing,
        chosen,
        estimates.target_3d[frames].astype(np.float64),
        estimated,
        estimates.target_3d[target].astype(np.float64),
        _between(estimated[:, -1], steps, ahead / estimates.spacing),
        counted[frames].all(axis=1) & counted[target],
        poses[frames].astype(np.float64),
        poses[target].astype(np.float64),
    )


def _between(
    last: Float[np.ndarray, "pasts joints 3"],
    steps: Float[np.ndarray, "pasts steps joints 3"],
    place: float,
) -> Float[np.ndarray, "pasts joints 3"] | None:
    """Forecasts of a frame between two steps, the last seen frame being step 0."""
    if place > steps.shape[1]:
        return None
    known = np.concatenate([last[:, None], steps.astype(np.float64)], axis=1)
    before = min(int(place), steps.shape[1] - 1)
    share = place - before
    return (1 - share) * known[:, before] + share * known[:, before + 1]


def _of_hand(
    cases: Sequence[_Case], space: str, hand: str, spec: DatasetSpec, motions: Motions
) -> dict[str, Any] | None:
    """Of one hand in one space; None where nothing counts."""
    methods: dict[str, dict[str, list[float | None]]] = {}
    counts = []
    joints = _root_first(spec, hand)
    for case in cases:
        kept = case.counted[:, spec.hands.index(hand)]
        if space != OWN:
            known = np.isfinite(case.poses).all(axis=(1, 2, 3))
            kept = kept & known & np.isfinite(case.target_poses).all(axis=(1, 2))
        counts.append(int(kept.sum()))
        last, ahead = case.poses[kept, -1], case.target_poses[kept]
        target = WAYS[space](case.target[kept], ahead, last)[:, joints]
        motion = motions[space, case.ahead]
        for name, found in _forecasts(case, kept, space, motion, joints):
            of_method = methods.setdefault(name, {"error": [], "error_ra": []})
            errors = (None, None) if found is None else _errors(found, target)
            for key, error in zip(of_method, errors, strict=True):
                of_method[key].append(error)
    return {"pasts": counts, "methods": methods} if any(counts) else None


def _root_first(spec: DatasetSpec, hand: str) -> Int[np.ndarray, " joints"]:
    """Where the joints of a hand lie on a joints axis, in another order."""
    joints, root = np.arange(spec.num_joints)[spec.joints_of(hand)], spec.skeleton.root
    return np.concatenate([joints[root : root + 1], np.delete(joints, root)])


def _forecasts(
    case: _Case,
    kept: Bool[np.ndarray, " pasts"],
    space: str,
    motion: Float[np.ndarray, "joints_of_hands 3"],
    joints: Int[np.ndarray, " joints"],
) -> Iterator[tuple[str, np.ndarray | None]]:
    """Every method's, of one hand in one space."""
    way, last = WAYS[space], case.poses[kept, -1]
    found = None
    if case.forecast is not None:
        found = way(case.forecast[kept], case.target_poses[kept], last)[:, joints]
    yield RUN, found
    for kind, past in (("true", case.true), ("estimated", case.estimated)):
        of_last = np.broadcast_to(last[:, None], case.poses[kept].shape)
        seen = way(past[kept], case.poses[kept], of_last)[:, :, joints]
        for name, extrapolate in EXTRAPOLATIONS.items():
            yield f"{name}, {kind} past", extrapolate(seen, case.ahead / case.spacing)
        yield f"{MEAN_MOTION}, {kind} past", seen[:, -1] + motion[joints]


def _errors(
    found: Float[np.ndarray, "pasts joints 3"], target: Float[np.ndarray, "pasts joints 3"]
) -> tuple[float | None, float | None]:
    """Mean joint error, millimetres; and of joints by their place to the root, without it."""
    away = METRES_TO_MM * (found - target)
    of_root = away[:, 1:] - away[:, :1]
    raw, aligned = (np.linalg.norm(x, axis=-1) for x in (away, of_root))
    return tuple(float(x.mean()) if x.size else None for x in (raw, aligned))  # type: ignore[return-value]


def _action(collected: Collected, case: _Case) -> dict[str, Any]:
    """Of the pasts that go on for the shortest horizon at least."""
    action = collected.action[case.chosen]
    right = collected.action_probabilities[case.chosen].argmax(axis=-1) == action
    known = action >= 0
    count = int(known.sum())
    return {"pasts": count, "accuracy": float(right[known].mean()) if count else None}
