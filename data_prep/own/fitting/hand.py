"""A right hand of bones of given lengths: where its joints are, and how they move with its angles.

Axes of the hand, origin at the wrist: x towards the thumb's side, y towards the finger tips, z out
of the palm. The same tree of joints as in the simulator, with angles and limits of its own: what
the fit is measured on is not made by what it fits.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

FINGERS, ANGLES = 5, 6
PARAMETERS = 6 + FINGERS * ANGLES
"""Of a pose: a turn, a place, and of each finger two angles of the bone in the palm, the spread,
and how far each of the three joints is bent.
"""

AT_REST = np.deg2rad([[48, 22, 0, 5, 15, 20], [15, 0, 4, 20, 25, 15], [2, 0, 0, 22, 28, 16],
                      [-10, 0, -4, 24, 30, 17], [-23, 2, -9, 26, 30, 18]])  # fmt: skip
"""Angles of a hand that does nothing, radians: around them a pose is sought."""

SPREADS = np.deg2rad([[6, 8, 20, 18, 20, 20]] + 4 * [[2, 2, 8, 28, 28, 20]])
"""How far from rest angles usually are, radians."""

LOWEST = np.deg2rad([[20, -10, -40, -35, -20, -20]] + 4 * [[-45, -15, -25, -25, -5, -5]])
HIGHEST = np.deg2rad([[80, 60, 50, 55, 75, 90]] + 4 * [[35, 20, 25, 95, 110, 85]])
"""What joints can do, radians: fingers bend to the palm, and hardly to the back."""

_ROLL = np.deg2rad([-65.0, 0, 0, 0, 0])  # of a finger about its bone in the palm: thumbs oppose
_MOVES = np.tril(np.ones((4, 4)))[:, [0, 0, 1, 1, 2, 3]]  # which joints an angle moves


class Placed(NamedTuple):
    """Joints in camera space, metres, and how they move with the parameters of a pose."""

    points: Float[np.ndarray, "poses 21 3"]
    moves: Float[np.ndarray, "poses 21 3 36"]


def placed(
    lengths: Float[np.ndarray, "5 4"],
    turns: Float[np.ndarray, "poses 3 3"],
    places: Float[np.ndarray, "poses 3"],
    angles: Float[np.ndarray, "poses 5 6"],
) -> Placed:
    """The joints of hands in some poses.

    Args:
        lengths: metres of each finger's bones, from the wrist to its tip.
        turns: from the hand's axes to camera space. A change of it is a turn about the camera's
            axes, radians.
        places: of the wrist, metres.
        angles: radians.
    """
    fingers, axes, pivots = _fingers(lengths, angles)
    arms = fingers[:, :, :, None] - pivots[:, :, None]  # (poses, fingers, joints, angles, 3)
    of_angles = np.cross(axes[:, :, None], arms) * _MOVES[..., None]
    poses = len(turns)
    turned = fingers.reshape(poses, -1, 3) @ turns.swapaxes(1, 2)
    points = np.concatenate([np.zeros((poses, 1, 3)), turned], axis=1) + places[:, None]
    moves = np.zeros((poses, 21, 3, PARAMETERS))
    x, y, z = np.moveaxis(turned, -1, 0)
    moves[:, 1:, 0, 1], moves[:, 1:, 0, 2] = z, -y
    moves[:, 1:, 1, 0], moves[:, 1:, 1, 2] = -z, x
    moves[:, 1:, 2, 0], moves[:, 1:, 2, 1] = y, -x
    moves[..., 3:6] = np.eye(3)
    of_fingers = moves[:, 1:, :, 6:].reshape(poses, FINGERS, 4, 3, FINGERS, ANGLES)
    in_space = (of_angles.reshape(poses, -1, 3) @ turns.swapaxes(1, 2)).reshape(of_angles.shape)
    for finger in range(FINGERS):
        of_fingers[:, finger, :, :, finger] = in_space[:, finger].swapaxes(-1, -2)
    moves[:, 1:, :, 6:] = of_fingers.reshape(poses, 20, 3, -1)
    return Placed(points, moves)


def _fingers(
    lengths: Float[np.ndarray, "5 4"], angles: Float[np.ndarray, "poses 5 6"]
) -> tuple[
    Float[np.ndarray, "poses 5 4 3"],
    Float[np.ndarray, "poses 5 6 3"],
    Float[np.ndarray, "poses 5 6 3"],
]:
    """Joints in the hand's axes; the axis of each angle there, and a point on it."""
    aside, out, spread = np.moveaxis(angles[..., :3], -1, 0)
    first = _about(2, -aside)
    palm = first @ _about(0, out)
    base = palm @ _about(1, _ROLL)
    finger = base @ _about(2, -spread)
    bend = np.cumsum(angles[..., 3:], axis=-1)[..., None]
    along = np.cos(bend) * finger[..., None, :, 1] + np.sin(bend) * finger[..., None, :, 2]
    bones = np.concatenate([palm[..., None, :, 1], along], axis=-2) * lengths[..., None]
    joints = np.cumsum(bones, axis=-2)
    back = np.broadcast_to(np.array([0.0, 0, -1]), base.shape[:-1])
    bends = finger[..., 0]
    axes = np.stack([back, first[..., 0], -base[..., 2], bends, bends, bends], axis=-2)
    wrist = np.zeros_like(joints[..., 0, :])
    pivots = [wrist, wrist, joints[..., 0, :], *np.moveaxis(joints[..., :3, :], -2, 0)]
    return joints, axes, np.stack(pivots, axis=-2)


def _about(axis: int, angles: Float[np.ndarray, "*batch"]) -> Float[np.ndarray, "*batch 3 3"]:
    """Turns about an axis, by radians."""
    i, j = (axis + 1) % 3, (axis + 2) % 3
    turn = np.zeros((*angles.shape, 3, 3))
    turn[..., axis, axis] = 1
    turn[..., i, i] = turn[..., j, j] = np.cos(angles)
    turn[..., j, i] = np.sin(angles)
    turn[..., i, j] = -turn[..., j, i]
    return turn
