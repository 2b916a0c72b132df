"""Draws hands in space: in perspective, above a floor with a grid, seen from beside the camera."""

import dataclasses
import math

import numpy as np
from jaxtyping import Float, UInt8

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.visual import colours, skeleton
from htt_jax.visual.drawing import drawable, line, polyline

ONE_HAND_RADIUS = 0.125
TWO_HANDS_RADIUS = 0.2
"""Of the ball around the hands that is shown, metres, at least."""
LARGEST_RADIUS = 10.0
"""Metres; no hands are farther apart, and what a poor model puts farther off is left outside."""

_PITCH = math.radians(20)  # looking down
_YAW = math.radians(30)  # from the camera's right
_SWAY = math.radians(14)  # to each side: motion makes depth visible
_SWAY_SECONDS = 8.0
_DISTANCE = 5.0  # of the eye, in radii: a mild perspective
_FILL = 0.46  # of the panel's shorter side, by a radius
_FLOOR = 0.6  # below the centre, in radii
_FLOOR_RADIUS = 0.9  # in radii
_BONE = 0.007  # metres across
_MIDDLE = 0.44  # of the panel's height: where the hands are; the floor is below them
_FOG = 0.45  # how much of its colour the farthest point loses
_SHADOW = (31, 35, 42)
_STEP = 0.025  # of radii, metres
_CELLS = 4  # of the floor's grid, along a radius, at most


def smallest_radius(hands: int) -> float:
    """The radius, metres, that suits so many hands where no video is known beforehand."""
    return ONE_HAND_RADIUS if hands == 1 else TWO_HANDS_RADIUS


def radius_of(joints_3d: Float[np.ndarray, "frames joints 3"], hand: Skeleton) -> float:
    """The radius, metres in steps of 2.5 cm, that holds nearly all joints around a video's hands.

    One radius for a whole video keeps its scale steady.
    """
    smallest = smallest_radius(joints_3d.shape[1] // len(hand.joints))
    joints_3d = joints_3d.astype(np.float64)
    away = np.linalg.norm(joints_3d - centre_of(joints_3d, hand)[:, None], axis=-1)
    away = away[np.isfinite(away)]
    if not away.size:
        return smallest
    needed = math.ceil(float(np.percentile(away, 98)) / _STEP) * _STEP
    return min(max(smallest, round(needed, 3)), LARGEST_RADIUS)


def centre_of(
    joints_3d: Float[np.ndarray, "*frames joints 3"], hand: Skeleton
) -> Float[np.ndarray, "*frames 3"]:
    """The middle of the palms of all hands that are there; not finite where none is.

    A palm's middle lies between its root, the wrist, and the base of the middle finger: other than
    the mean of all joints it stays put when fingers move.
    """
    joints = len(hand.joints)
    palms = (joints_3d[..., hand.root :: joints, :] + joints_3d[..., hand.palm :: joints, :]) / 2
    there = np.isfinite(palms).all(axis=-1, keepdims=True)
    count = there.sum(axis=-2)
    total = np.where(there, palms, 0).sum(axis=-2)
    return np.where(count > 0, total / np.maximum(count, 1), np.nan)


@dataclasses.dataclass(frozen=True)
class View3D:
    """Draws the hands of one video always at the same scale.

    Attributes:
        radius: of the ball around the hands that is shown, metres.
        hand: the joints of each hand.
    """

    radius: float
    hand: Skeleton

    @property
    def grid(self) -> float:
        """The width of a square of the floor, metres: 1, 2 or 5 times a power of ten.

        Never more than four squares lie between the middle and the edge of what is shown.
        """
        least = self.radius / _CELLS
        power = 10.0 ** math.floor(math.log10(least))
        return next(step * power for step in (1, 2, 5, 10) if step * power > least)

    def draw(
        self,
        canvas: UInt8[np.ndarray, "height width 3"],
        joints_3d: Float[np.ndarray, "joints 3"],
        seconds: float,
    ) -> Float[np.ndarray, "joints 2"]:
        """Draws the hands that are there into the middle of `canvas`, fingers in their colours.

        Args:
            canvas: RGB, drawn upon.
            joints_3d: metres, camera space; joints that are not finite are left out.
            seconds: since the video began; the view sways with it.

        Returns:
            The joints' pixels.
        """
        eye = _Eye.at(canvas, self.radius, seconds)
        there = np.where(np.isfinite(joints_3d), joints_3d, np.nan)
        points = there - centre_of(joints_3d, self.hand)
        self._draw_floor(canvas, eye)
        self._draw_shadow(canvas, eye, points)
        pixels, depth = eye.project(points)
        hands = len(points) // len(self.hand.joints)
        shades = _fog(colours.finger_colours(self.hand, hands), depth, self.radius)
        skeleton.draw(
            canvas,
            pixels,
            shades,
            self.hand,
            depth=depth,
            thickness=eye.thickness,
            outline=colours.BACKGROUND,
        )
        return pixels

    def _draw_floor(self, canvas: np.ndarray, eye: "_Eye") -> None:
        """A round piece of it, which looks the same from every side."""
        edge = _FLOOR_RADIUS * self.radius
        angles = np.linspace(0, 2 * math.pi, 73)
        rim = edge * np.stack([np.cos(angles), np.sin(angles)], axis=1)
        polyline(canvas, self._on_floor(rim, eye), colours.GRID, 1)
        cells = int(edge / self.grid)
        for step in self.grid * np.arange(-cells, cells + 1):
            half = math.sqrt(edge**2 - step**2)
            along = np.array([(step, -half), (step, half)])
            for chord in (along, along[:, ::-1]):
                start, end = self._on_floor(chord, eye)
                line(canvas, start, end, colours.GRID, 1)

    def _on_floor(
        self, points: Float[np.ndarray, "points 2"], eye: "_Eye"
    ) -> Float[np.ndarray, "points 2"]:
        """Pixels of points (right, forward) on the floor, metres."""
        return eye.project(np.insert(points, 1, _FLOOR * self.radius, axis=1))[0]

    def _draw_shadow(self, canvas: np.ndarray, eye: "_Eye", points: np.ndarray) -> None:
        """Of each bone, straight below it: what says how far away something is."""
        pixels = self._on_floor(points[:, (0, 2)], eye)
        there = drawable(pixels)
        for start in range(0, len(points), len(self.hand.joints)):
            for bone in self.hand.bones:
                parent, child = start + bone[0], start + bone[1]
                if there[parent] and there[child]:
                    line(canvas, pixels[parent], pixels[child], _SHADOW, eye.thickness // 2)


@dataclasses.dataclass(frozen=True)
class _Eye:
    """Where the hands are looked at from."""

    rotation: Float[np.ndarray, "3 3"]
    distance: float  # from the centre, metres
    focal: float  # pixels
    middle: Float[np.ndarray, "2"]  # pixels

    @classmethod
    def at(cls, canvas: np.ndarray, radius: float, seconds: float) -> "_Eye":
        height, width = canvas.shape[:2]
        yaw = _YAW + _SWAY * math.sin(2 * math.pi * seconds / _SWAY_SECONDS)
        about_y = np.array(
            [[math.cos(yaw), 0, -math.sin(yaw)], [0, 1, 0], [math.sin(yaw), 0, math.cos(yaw)]]
        )
        pitch = np.array(
            [
                [1, 0, 0],
                [0, math.cos(_PITCH), -math.sin(_PITCH)],
                [0, math.sin(_PITCH), math.cos(_PITCH)],
            ]
        )
        return cls(
            rotation=pitch @ about_y,
            distance=_DISTANCE * radius,
            focal=_FILL * min(width, height) * _DISTANCE,
            middle=np.array([width / 2, _MIDDLE * height]),
        )

    @property
    def thickness(self) -> int:
        """Of bones, pixels."""
        return max(2, round(_BONE * self.focal / self.distance))

    def project(
        self, points: Float[np.ndarray, "points 3"]
    ) -> tuple[Float[np.ndarray, "points 2"], Float[np.ndarray, " points"]]:
        """Pixels, and the depth from the centre, metres."""
        turned = points @ self.rotation.T
        # What is far off would come to lie behind the eye.
        away = np.maximum(turned[:, 2] + self.distance, 0.2 * self.distance)
        return self.middle + self.focal * turned[:, :2] / away[:, None], turned[:, 2]


def _fog(
    joint_colours: UInt8[np.ndarray, "joints 3"],
    depth: Float[np.ndarray, " joints"],
    radius: float,
) -> UInt8[np.ndarray, "joints 3"]:
    """The farther, the closer to the background."""
    far = np.clip(np.nan_to_num(depth) / radius / 2 + 0.5, 0, 1)[:, None]
    shaded = joint_colours + _FOG * far * (np.array(colours.BACKGROUND) - joint_colours)
    return shaded.astype(np.uint8)
