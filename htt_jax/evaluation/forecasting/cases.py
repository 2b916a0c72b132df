"""Every past with a frame at one distance, and how far each method's forecast is from it."""

import dataclasses
from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting import pasts
from htt_jax.evaluation.forecasting.collected import Collected
from htt_jax.evaluation.forecasting.extrapolation import EXTRAPOLATIONS, MEAN_MOTION
from htt_jax.evaluation.forecasting.mean_motion import Motions
from htt_jax.evaluation.forecasting.pasts import HORIZONS, Recorded, frames_ahead
from htt_jax.evaluation.forecasting.spaces import OWN, WAYS
from htt_jax.metrics import METRES_TO_MM

RUN = "this run"
"""Whose forecasts a model's are, among the methods."""


@dataclasses.dataclass(frozen=True)
class Case:
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


def cases_of(
    collected: Collected, estimates: Estimates, record: Recorded, *, mask_unannotated: bool
) -> list[Case]:
    """Of each horizon."""
    joints = estimates.counted(mask_unannotated=mask_unannotated)
    counted = np.asarray(joints.reshape(*estimates.hand_annotated.shape, -1).all(axis=2))
    return [
        _case(collected, estimates, record, counted, ahead) for ahead in map(frames_ahead, HORIZONS)
    ]


def _case(
    collected: Collected,
    estimates: Estimates,
    record: Recorded,
    counted: Bool[np.ndarray, "frames hands"],
    ahead: int,
) -> Case:
    frames = pasts.seen(collected.last, estimates.window, estimates.spacing)
    chosen = np.flatnonzero(pasts.followed(frames, ahead, record))
    frames = frames[chosen]
    target = frames[:, -1] + ahead
    estimated = estimates.joints_3d[frames].astype(np.float64)
    steps = collected.joints_3d[chosen]
    poses = record.poses()
    return Case(
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


def counting(case: Case, space: str, hand: str, spec: DatasetSpec) -> Bool[np.ndarray, " pasts"]:
    """Which pasts count of a hand in a space."""
    known = case.counted[:, spec.hands.index(hand)]
    if space == OWN:
        return known
    known = known & np.isfinite(case.poses).all(axis=(1, 2, 3))
    return known & np.isfinite(case.target_poses).all(axis=(1, 2))


def errors_of(
    case: Case,
    kept: Bool[np.ndarray, " pasts"],
    space: str,
    hand: str,
    spec: DatasetSpec,
    motions: Motions,
) -> Iterator[tuple[str, dict[str, np.ndarray | None]]]:
    """Of every method: `error` and `error_ra` of the pasts that count, see `_away`."""
    joints = _root_first(spec, hand)
    last, ahead = case.poses[kept, -1], case.target_poses[kept]
    target = WAYS[space](case.target[kept], ahead, last)[:, joints]
    for name, found in _forecasts(case, kept, space, motions[space, case.ahead], joints):
        raw, aligned = (None, None) if found is None else _away(found, target)
        yield name, {"error": raw, "error_ra": aligned}


def _root_first(spec: DatasetSpec, hand: str) -> Int[np.ndarray, " joints"]:
    """Where the joints of a hand lie on a joints axis, in another order."""
    joints, root = np.arange(spec.num_joints)[spec.joints_of(hand)], spec.skeleton.root
    return np.concatenate([joints[root : root + 1], np.delete(joints, root)])


def _forecasts(
    case: Case,
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


def _away(
    found: Float[np.ndarray, "pasts joints 3"], target: Float[np.ndarray, "pasts joints 3"]
) -> tuple[Float[np.ndarray, "pasts joints"], Float[np.ndarray, "pasts joints_but_root"]]:
    """Joint errors, millimetres; and of joints by their place to the root, without it."""
    away = METRES_TO_MM * (found - target)
    of_root = away[:, 1:] - away[:, :1]
    return np.linalg.norm(away, axis=-1), np.linalg.norm(of_root, axis=-1)
