"""Whose space forecasts are measured in."""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from jaxtyping import Float

OWN, LAST, WORLD = "own_camera", "last_camera", "world"
SPACES: Mapping[str, str] = {
    OWN: "each frame's own camera",
    LAST: "camera of the last seen frame",
    WORLD: "world",
}
"""By name, what tables call them. All but the first need to know where the camera was."""

Points: TypeAlias = Float[np.ndarray, "*pasts joints 3"]
Poses: TypeAlias = Float[np.ndarray, "*pasts 4 4"]
Way: TypeAlias = Callable[[Points, Poses, Poses], Points]
"""Takes points in the camera of their own frame, the poses of that frame's camera and of the last
seen one's, to a space."""


def moved(points: Points, poses: Poses) -> Points:
    """Points of a space, in another one to which `poses` take the first."""
    turned = np.einsum("...ij,...kj->...ki", poses[..., :3, :3], points)
    return turned + poses[..., None, :3, 3]


def stay(points: Points, own: Poses, last: Poses) -> Points:
    """In the camera of their own frame."""
    return points


def to_last(points: Points, own: Poses, last: Poses) -> Points:
    """In the camera of the last seen frame: as if the head had stopped there."""
    in_world = moved(points, own)
    away = in_world - last[..., None, :3, 3]
    return np.einsum("...ji,...kj->...ki", last[..., :3, :3], away)


def to_world(points: Points, own: Poses, last: Poses) -> Points:
    """In the world's space."""
    return moved(points, own)


WAYS: Mapping[str, Way] = {OWN: stay, LAST: to_last, WORLD: to_world}
