"""Where fits begin: a hand seen from several sides in some frames, and the likeliest way through.

From an image a hand can as well be turned to the camera as away from it. In every few frames
several turns are tried; which of what they end in is taken is decided for all frames together, by
the least sum of what is left and of the way from each to the next (Viterbi's algorithm). So is
decided in which frames labels are those of the other hand.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation, Slerp

from data_prep.own.fitting import hand
from data_prep.own.fitting.least_squares import Poses, Seen, solved, steps_between

_TILTS = [(x, y + side) for side in (0, 180) for x in (-45, 45) for y in (-35, 35)]
"""Degrees about the hand's width and its length, of the palm away from the camera or to it."""
_EVERY = 6  # thirtieths of a second, from one where all are tried to the next
_STEPS = 12
_TOGETHER = 200  # frames, so that memory is bounded
_CHANGE = 10.0
"""What it costs that labels change from one hand's to the other's, and that they begin as these.

By the simulator's hands: of less, some that are right are taken for the other one; of more, short
stretches of the other one are taken for right.
"""
_FARTHEST = 60.0  # of a way between two frames: what is farther is no way


class Begun(NamedTuple):
    """Where to begin, of all frames.

    Attributes:
        poses: of no use where labels are not this hand's.
        is_ours: whether they are, and not sooner those of a hand of the other side.
    """

    poses: Poses
    is_ours: Bool[np.ndarray, " poses"]


def found(seen: Seen, times: Float[np.ndarray, " poses"]) -> Begun:
    """A pose for each frame to begin at.

    Args:
        seen: of all frames, one chain.
        times: of the frames, rising, thirtieths of a second.
    """
    keys = _keys(times)
    at_keys = seen._replace(points=seen.points[keys], known=seen.known[keys])
    ended, left = _tried(at_keys)
    _, of_other = _tried(at_keys._replace(points=at_keys.points * np.array([-1, 1])))
    is_ours = _are_ours(of_other.min(axis=1) - left.min(axis=1))
    way = _likeliest(ended, left, times[keys])
    poses = _between(ended[np.arange(len(keys)) * len(_TILTS) + way], times[keys], times)
    frames = np.arange(len(times))
    after = np.searchsorted(keys, frames)
    before = np.searchsorted(keys, frames, side="right") - 1
    return Begun(poses, is_ours[before] & is_ours[after])


def _are_ours(better: Float[np.ndarray, " keys"]) -> Bool[np.ndarray, " keys"]:
    """Whether labels of each frame are this hand's, by how much better it fits than the other one.

    A hand and its mirror image look alike but for how fingers bend and where they lie: of a single
    frame that is not sure, of some together it is. Labels are seldom exchanged anew (Viterbi's
    algorithm again).
    """
    change = _CHANGE * (1 - np.eye(2))
    total, before = change[0], np.zeros((len(better), 2), int)
    for i, ours in enumerate(better):
        ways = total[:, None] + change
        before[i], total = ways.argmin(axis=0), ways.min(axis=0)
        total[1] += ours
    sides = [int(total.argmin())]
    for i in range(len(better) - 1, 0, -1):
        sides.append(int(before[i, sides[-1]]))
    return np.array(sides[::-1]) == 0


def _tried(seen: Seen) -> tuple[Poses, Float[np.ndarray, "keys tries"]]:
    """Where all tries in each frame by itself end, one after another, and what is left of each."""
    parts = np.array_split(np.arange(len(seen.points)), -(-len(seen.points) // _TOGETHER))
    of_parts = [
        _tried_together(seen._replace(points=seen.points[part], known=seen.known[part]))
        for part in parts
    ]
    ended, left = zip(*of_parts, strict=True)
    return Poses.joined(ended), np.concatenate(left)


def _tried_together(seen: Seen) -> tuple[Poses, Float[np.ndarray, "keys tries"]]:
    tries = len(_TILTS)
    poses = len(seen.points) * tries
    each = seen._replace(
        points=seen.points.repeat(tries, axis=0),
        known=seen.known.repeat(tries, axis=0),
        chain=np.arange(poses),
        gaps=np.ones(poses - 1),
    )
    ended, left = solved(each, _begun(each), _STEPS)
    return ended, left.reshape(-1, tries)


def _keys(times: Float[np.ndarray, " poses"]) -> Int[np.ndarray, " keys"]:
    """The first frame, the last, and between them one in every few."""
    chosen = [0]
    for i, time in enumerate(times):
        if time - times[chosen[-1]] >= _EVERY:
            chosen.append(i)
    return np.unique([*chosen, len(times) - 1])


def _begun(seen: Seen) -> Poses:
    """Hands at rest, turned in all ways in turn, where they lie best upon the labels.

    That is a shift, a turn in the image and a size, whose least squares have one solution (of a
    hand that is as far away all over); the size tells how far it is.
    """
    poses = len(seen.points)
    about_width, about_length = np.deg2rad([_TILTS[i % len(_TILTS)] for i in range(poses)]).T
    # The camera's y points down: fingers up, the palm away from the camera.
    upright = Rotation.from_matrix(np.diag([-1.0, -1, 1]))
    turns = upright * Rotation.from_rotvec(about_width[:, None] * np.array([1.0, 0, 0]))
    turns *= Rotation.from_rotvec(about_length[:, None] * np.array([0.0, 1, 0]))
    angles = np.repeat(hand.AT_REST[None], poses, axis=0)
    points = hand.placed(seen.lengths, turns.as_matrix(), np.zeros((poses, 3)), angles).points
    weight = seen.known / seen.known.sum(axis=1, keepdims=True)
    model, label = (xy[..., 0] + 1j * xy[..., 1] for xy in (points[..., :2], seen.points))
    model_mean, label_mean = ((weight * z).sum(axis=1) for z in (model, label))
    off, wanted = model - model_mean[:, None], label - label_mean[:, None]
    scale = (weight * off.conj() * wanted).sum(axis=1) / (weight * abs(off) ** 2).sum(axis=1)
    depth = 1 / np.maximum(abs(scale), 1e-3)
    in_image = Rotation.from_rotvec(np.angle(scale)[:, None] * np.array([0.0, 0, 1]))
    wrist = label_mean - scale * model_mean
    depth = np.maximum(depth, 0.03 - points[..., 2].min(axis=1))  # all ahead of the camera
    places = np.stack([wrist.real, wrist.imag, np.ones(poses)], axis=1) * depth[:, None]
    return Poses((in_image * turns).as_matrix(), places, angles)


def _likeliest(
    ended: Poses, left: Float[np.ndarray, "keys tries"], times: Float[np.ndarray, " keys"]
) -> Int[np.ndarray, " keys"]:
    """Which try of each frame is on the way with the least sum."""
    keys, tries = left.shape
    before, total = np.zeros((keys, tries), int), left[0]
    here, there = (grid.ravel() for grid in np.indices((tries, tries)))
    for i in range(1, keys):
        steps = steps_between(ended[(i - 1) * tries + here], ended[i * tries + there])
        gap = times[i] - times[i - 1]
        far = (np.square(steps).sum(axis=1) / gap).reshape(tries, tries)
        ways = total[:, None] + np.minimum(far, _FARTHEST)
        before[i], total = ways.argmin(axis=0), ways.min(axis=0) + left[i]
    way = [int(total.argmin())]
    for i in range(keys - 1, 0, -1):
        way.append(int(before[i, way[-1]]))
    return np.array(way[::-1])


def _between(
    poses: Poses, at: Float[np.ndarray, " keys"], times: Float[np.ndarray, " poses"]
) -> Poses:
    """Poses at all frames, between those at some."""
    if len(at) == 1:
        return poses
    turns = Slerp(at, Rotation.from_matrix(poses.turns))(times).as_matrix()
    flat = np.concatenate([poses.places, poses.angles.reshape(len(at), -1)], axis=1)
    mixed = np.stack([np.interp(times, at, column) for column in flat.T], axis=1)
    return Poses(turns, mixed[:, :3], mixed[:, 3:].reshape(-1, hand.FINGERS, hand.ANGLES))
