"""Poses of a hand whose joints lie where they were labelled: damped least squares, many at once.

What is made small is, of every pose, how far its joints lie beside their labels, by a loss that
lets bad labels be (Charbonnier's, near to Huber's), how far its angles are from rest and beyond
their limits; and how far poses are from the ones before them in time (a random walk). This is the
problem of model-based hand tracking (Rehg and Kanade, ECCV 1994), of labels instead of edges.

SciPy's `least_squares` takes one problem at a time, of a dense matrix or by an iterative solver.
Here thousands of poses hang together in a chain, so that the normal equations are a narrow band,
which `scipy.linalg.solveh_banded` solves exactly; steps are Levenberg's and Marquardt's.
"""

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy import linalg
from scipy.spatial.transform import Rotation

from data_prep.own.fitting import hand

_BAD = 3.0  # deviations beside a label from which it counts less
_BEYOND = np.deg2rad(3.0)  # radians, the deviation of what is beyond a limit
_NEAREST = 0.02  # metres
_WALK = np.concatenate(
    [
        np.full(3, np.deg2rad(6.0)),
        np.full(3, 0.01),
        np.deg2rad([[0.4, 0.4, 3, 7, 7, 7]] * hand.FINGERS).ravel(),
    ]
)
"""Deviation of what each parameter changes by in a thirtieth of a second: radians, metres."""


@dataclasses.dataclass(frozen=True)
class Poses:
    """Poses of one hand: see `hand.placed`."""

    turns: Float[np.ndarray, "poses 3 3"]
    places: Float[np.ndarray, "poses 3"]
    angles: Float[np.ndarray, "poses 5 6"]

    def __getitem__(self, which: Int[np.ndarray, " chosen"]) -> "Poses":
        """Those at some places of the row."""
        return Poses(self.turns[which], self.places[which], self.angles[which])

    @classmethod
    def joined(cls, parts: Sequence["Poses"]) -> "Poses":
        """One after another."""
        columns = ((part.turns, part.places, part.angles) for part in parts)
        return cls(*map(np.concatenate, zip(*columns, strict=True)))

    def moved(self, by: Float[np.ndarray, "poses 36"]) -> "Poses":
        """Each with its parameters changed."""
        turns = Rotation.from_rotvec(by[:, :3]).as_matrix() @ self.turns
        angles = self.angles + by[:, 6:].reshape(self.angles.shape)
        return Poses(turns, self.places + by[:, 3:6], angles)

    def chosen(self, other: "Poses", which: Bool[np.ndarray, " poses"]) -> "Poses":
        """The poses of `other` at `which`, these elsewhere."""
        return Poses(
            np.where(which[:, None, None], other.turns, self.turns),
            np.where(which[:, None], other.places, self.places),
            np.where(which[:, None, None], other.angles, self.angles),
        )


class Seen(NamedTuple):
    """What is known of hands, and how they hang together.

    Attributes:
        lengths: metres of the bones.
        points: labels in the image, on the plane one metre ahead of the camera.
        known: which there are.
        deviation: of labels, on that plane, in x and in y.
        chain: poses of one number, one after another, are of one hand in time.
        gaps: from each pose to the next, thirtieths of a second; above zero.
    """

    lengths: Float[np.ndarray, "5 4"]
    points: Float[np.ndarray, "poses 21 2"]
    known: Bool[np.ndarray, "poses 21"]
    deviation: Float[np.ndarray, "2"]
    chain: Int[np.ndarray, " poses"]
    gaps: Float[np.ndarray, " links"]


class _Equations(NamedTuple):
    """Of steps: what is made small, its slope and its curvature, pose by pose and link by link."""

    cost: Float[np.ndarray, " poses"]
    slope: Float[np.ndarray, "poses 36"]
    curvature: Float[np.ndarray, "poses 36 36"]
    links: Float[np.ndarray, "links 36"]


def solved(seen: Seen, start: Poses, steps: int) -> tuple[Poses, Float[np.ndarray, " poses"]]:
    """The poses after some steps, each chain by itself, and what is left to be made small."""
    poses, now = start, _equations(seen, start)
    damping = np.full(len(start.places), 1e-2)
    for _ in range(steps):
        trial = poses.moved(_step(now, damping))
        then = _equations(seen, trial)
        is_better = _by_chain(seen, then.cost) < _by_chain(seen, now.cost)
        poses = poses.chosen(trial, is_better)
        now = _chosen(now, then, is_better)
        damping = np.clip(np.where(is_better, damping / 4, damping * 6), 1e-6, 1e6)
    return poses, now.cost


def steps_between(one: Poses, other: Poses) -> Float[np.ndarray, "poses 36"]:
    """What parameters change by from poses to others, in deviations of a thirtieth of a second."""
    turns = Rotation.from_matrix(other.turns @ one.turns.swapaxes(1, 2)).as_rotvec()
    angles = (other.angles - one.angles).reshape(len(turns), hand.FINGERS * hand.ANGLES)
    return np.concatenate([turns, other.places - one.places, angles], axis=1) / _WALK


def _equations(seen: Seen, poses: Poses) -> _Equations:
    cost, slope, curvature = _of_labels(seen, poses)
    diagonal = curvature.reshape(len(cost), -1)[:, :: hand.PARAMETERS + 1]
    for off, weight in _of_angles(poses):
        cost += (weight * off**2).sum(axis=1)
        slope[:, 6:] += weight * off
        diagonal[:, 6:] += weight
    links = _weights(seen)
    off = steps_between(poses[np.arange(len(cost) - 1)], poses[np.arange(1, len(cost))])
    linked = np.square(off) * links * _WALK**2
    cost[1:] += linked.sum(axis=1)
    slope[1:] += off * _WALK * links
    slope[:-1] -= off * _WALK * links
    diagonal[1:] += links
    diagonal[:-1] += links
    return _Equations(cost, slope, curvature, links)


def _weights(seen: Seen) -> Float[np.ndarray, "links 36"]:
    is_linked = seen.chain[1:] == seen.chain[:-1]
    return (is_linked / seen.gaps)[:, None] / _WALK**2


def _of_labels(
    seen: Seen, poses: Poses
) -> tuple[
    Float[np.ndarray, " poses"],
    Float[np.ndarray, "poses 36"],
    Float[np.ndarray, "poses 36 36"],
]:
    """How far joints lie beside their labels: cost, slope and curvature."""
    found = hand.placed(seen.lengths, poses.turns, poses.places, poses.angles)
    depth = found.points[..., 2:]
    is_ahead = (depth[..., 0] > _NEAREST).all(axis=1)
    depth = np.maximum(depth, _NEAREST)
    rays = found.points[..., :2] / depth
    off = np.where(seen.known[..., None], (rays - seen.points) / seen.deviation, 0)
    moves = (found.moves[:, :, :2] - rays[..., None] * found.moves[:, :, 2:]) / depth[..., None]
    moves /= seen.deviation[:, None]
    root = np.sqrt(1 + np.square(off).sum(axis=-1) / _BAD**2)
    cost = np.where(is_ahead, (2 * _BAD**2 * (root - 1)).sum(axis=1), np.inf)
    weight = np.sqrt(seen.known / root)[..., None]
    off, moves = off * weight, moves * weight[..., None]
    moves = moves.reshape(len(off), -1, hand.PARAMETERS)
    slope = (moves.swapaxes(1, 2) @ off.reshape(len(off), -1, 1))[..., 0]
    return cost, slope, moves.swapaxes(1, 2) @ moves


def _of_angles(
    poses: Poses,
) -> list[tuple[Float[np.ndarray, "poses 30"], Float[np.ndarray, "#poses 30"]]]:
    """How far angles are from rest, and beyond limits; and how much that counts."""
    flat = poses.angles.reshape(len(poses.angles), -1)
    within = np.clip(poses.angles, hand.LOWEST, hand.HIGHEST).reshape(flat.shape)
    return [
        (flat - hand.AT_REST.ravel(), 1 / hand.SPREADS.reshape(1, -1) ** 2),
        (flat - within, (flat != within) / _BEYOND**2),
    ]


def _step(now: _Equations, damping: Float[np.ndarray, " poses"]) -> Float[np.ndarray, "poses 36"]:
    """What to change parameters by: the solution of the damped normal equations of all poses."""
    poses, size = now.slope.shape
    band = np.zeros((size + 1, poses, size))  # below the diagonal, one after another
    for below in range(size):
        band[below, :, : size - below] = np.diagonal(now.curvature, -below, 1, 2)
    band[0] *= 1 + damping[:, None]
    band[size, :-1] = -now.links
    flat = band.reshape(size + 1, -1)
    return -linalg.solveh_banded(
        flat, now.slope.ravel(), lower=True, overwrite_ab=True, check_finite=False
    ).reshape(poses, size)


def _by_chain(seen: Seen, cost: Float[np.ndarray, " poses"]) -> Float[np.ndarray, " poses"]:
    """Of each pose, the cost of all its chain."""
    return np.bincount(seen.chain, cost)[seen.chain]


def _chosen(one: _Equations, other: _Equations, which: Bool[np.ndarray, " poses"]) -> _Equations:
    return _Equations(
        np.where(which, other.cost, one.cost),
        np.where(which[:, None], other.slope, one.slope),
        np.where(which[:, None, None], other.curvature, one.curvature),
        one.links,
    )
