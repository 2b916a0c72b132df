"""An articulated right hand: bone lengths, joint limits, forward kinematics, grasps.

Local axes of the hand, origin at the wrist: x towards the thumb's side, y towards the finger
tips, z out of the palm. Metres and degrees. A left hand is the mirror image of a right one.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from data_prep.simulation.geometry import unit

_BASES = np.array([[30, 30, 12], [25, 88, 0], [4, 90, -2], [-15, 84, -1], [-32, 75, 3]]) / 1000
_BONES = np.array([[44, 34, 28], [43, 27, 23], [47, 30, 24], [44, 29, 24], [34, 21, 21]]) / 1000
_RADII = np.array([[12, 10.5, 9.5, 8.2], [10, 9, 8, 6.8], [10, 9, 8, 6.8], [9.6, 8.6, 7.7, 6.6],
                   [8.6, 7.6, 6.8, 5.8]]) / 1000  # fmt: skip
_SPLAY = np.array([0.0, 7.0, 1.0, -6.0, -14.0])  # degrees from y towards x, fingers straight

# Per finger: spread, and flexion of the three joints from palm to tip (degrees).
LOWER_LIMITS = np.array([[0.0, -20, -10, -10]] + [[-15.0, -15, 0, 0]] * 4)
UPPER_LIMITS = np.array([[70.0, 55, 60, 75]] + [[15.0, 90, 105, 80]] * 4)

OPEN = np.array([[12.0, -5, 2, 5]] + [[0.0, 2, 6, 4]] * 4)
RELAXED = np.array([[30.0, 10, 12, 15]] + [[0.0, 25 + 4 * i, 32, 18] for i in range(4)])
FIST = np.array([[50.0, 30, 40, 45]] + [[0.0, 75, 95, 60]] * 4)
CLAW = np.array([[62.0, 8, 12, 22], [4, 38, 42, 24], [0, 36, 44, 26], [-2, 38, 46, 28],
                 [-6, 40, 50, 30]])  # fmt: skip
PINCH = np.array([[55.0, 18, 22, 20], [2, 46, 42, 22], [0, 52, 55, 30], [0, 60, 65, 40],
                  [-2, 64, 70, 45]])  # fmt: skip
FLAT = np.array([[58.0, 6, 16, 12], [3, 26, 18, 8], [0, 26, 18, 8], [-2, 26, 20, 8],
                 [-6, 28, 20, 10]])  # fmt: skip

Angles = Float[np.ndarray, "*batch 5 4"]


@dataclasses.dataclass(frozen=True)
class HandShape:
    """What stays the same about one person's hand: bone lengths, thickness (m), skin (RGB)."""

    bases: Float[np.ndarray, "5 3"]  # the first joint of each finger, from the wrist
    bones: Float[np.ndarray, "5 3"]
    radii: Float[np.ndarray, "5 4"]
    skin: Float[np.ndarray, "3"]


_SKINS = np.array([[236, 188, 160], [198, 142, 108], [224, 172, 136], [112, 74, 54],
                   [242, 202, 180], [156, 104, 74]], float)  # fmt: skip


def hand_shape(rng: np.random.Generator, subject: int) -> HandShape:
    """The hand of a person: size, proportions and skin drawn from `rng`."""
    size = rng.uniform(0.9, 1.08)
    thickness = size * rng.uniform(0.92, 1.1)
    return HandShape(
        bases=_BASES * size * rng.uniform(0.96, 1.04, (5, 1)),
        bones=_BONES * size * rng.uniform(0.95, 1.05, (5, 3)),
        radii=_RADII * thickness,
        skin=_SKINS[(subject - 1) % len(_SKINS)] * rng.uniform(0.95, 1.03),
    )


def limit(angles: Angles) -> Angles:
    """The angles, clipped to what a joint can do."""
    return np.clip(angles, LOWER_LIMITS, UPPER_LIMITS)


def joints(shape: HandShape, angles: Angles) -> Float[np.ndarray, "*batch 21 3"]:
    """The 21 joints in the hand's own axes, metres, in the order of `datasets.skeleton.HAND`."""
    forward, palmar = _bending_planes(angles[..., 0])
    bend = np.deg2rad(np.cumsum(angles[..., 1:], axis=-1))[..., None]  # (*batch, 5, 3, 1)
    directions = np.cos(bend) * forward[..., None, :] + np.sin(bend) * palmar[..., None, :]
    offsets = np.cumsum(directions * shape.bones[..., None], axis=-2)
    fingers = np.empty((*angles.shape[:-2], 5, 4, 3))
    fingers[..., 0, :] = shape.bases
    fingers[..., 1:, :] = shape.bases[:, None] + offsets
    wrist = np.zeros((*angles.shape[:-2], 1, 3))
    return np.concatenate([wrist, fingers.reshape(*wrist.shape[:-2], 20, 3)], axis=-2)


def nail_normals(angles: Angles) -> Float[np.ndarray, "*batch 5 3"]:
    """The direction in which each finger nail faces, in the hand's own axes."""
    forward, palmar = _bending_planes(angles[..., 0])
    bend = np.deg2rad(angles[..., 1:].sum(-1))[..., None]
    return np.sin(bend) * forward - np.cos(bend) * palmar


def close_around(
    shape: HandShape, start: Angles, distance: Callable[[np.ndarray], np.ndarray]
) -> Angles:
    """Bends each joint, from palm to tip, until the finger touches an object.

    Args:
        shape: the hand.
        start: one pose (5, 4); its spread is kept, and flexion starts here.
        distance: signed distance (m) from points (.., 3) in the hand's axes to the surface.
    """
    pose = limit(start.astype(float))
    along = np.linspace(0.35, 1.0, 4)[:, None]
    for joint in (1, 2, 3):
        sweep = np.linspace(0.0, 1.0, 31)[:, None]
        trial = np.repeat(pose[None], len(sweep), axis=0)
        trial[:, :, joint] = pose[:, joint] + sweep * (UPPER_LIMITS[:, joint] - pose[:, joint])
        fingers = joints(shape, trial)[:, 1:].reshape(-1, 5, 4, 3)
        near, far = fingers[:, :, joint - 1, None], fingers[:, :, joint, None]
        gap = distance(near + along * (far - near)).min(-1) - shape.radii[:, joint]
        touches = np.maximum.accumulate(gap < 0.0, axis=0)
        last_free = np.maximum(len(sweep) - 1 - touches.sum(0), 0)
        pose[:, joint] = trial[last_free, np.arange(5), joint]
    return pose


def _bending_planes(
    spread: Float[np.ndarray, "*batch 5"],
) -> tuple[Float[np.ndarray, "*batch 5 3"], Float[np.ndarray, "*batch 5 3"]]:
    """For each finger: its direction when straight, and the one it bends towards."""
    radians = np.deg2rad(spread + _SPLAY)
    forward = np.stack([np.sin(radians), np.cos(radians), np.zeros_like(radians)], axis=-1)
    palmar = np.zeros_like(forward)
    palmar[..., 2] = 1.0
    # The thumb's base turns in front of the palm; it bends across it.
    turn = np.deg2rad(spread[..., 0, None])
    thumb = np.cos(turn) * unit(np.array([0.72, 0.69, 0.1])) + np.sin(turn) * np.array([0, 0, 1.0])
    across = np.array([-0.45, 0.8, 0.3]) * np.ones_like(thumb)
    thumb = unit(thumb + 0.25 * np.sin(turn) * np.array([-1.1, 0.6, 0.0]))
    across = unit(across - (across * thumb).sum(-1, keepdims=True) * thumb)
    forward[..., 0, :], palmar[..., 0, :] = thumb, across
    return forward, palmar
