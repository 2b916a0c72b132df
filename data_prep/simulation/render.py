"""Renders a take into images."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data_prep.simulation.objects import Solid
from data_prep.simulation.raster import Canvas
from data_prep.simulation.scene import Background
from data_prep.simulation.take import SUBFRAMES, Passing, Take
from htt_jax.camera import project

_SHADOW = 0.5  # of the desk's brightness is the lamp's
_JITTERS = ((-0.25, 0.2), (0.25, -0.2))  # of the sub-frames, in turn, pixels: smooth edges
# How far something moves during an exposure (pixels of a 480 wide image, at most), and which
# sub-frames are then averaged.
_BLUR = ((6.0, (2, 6)), (14.0, (1, 4, 7)), (28.0, (0, 2, 4, 6, 8)), (np.inf, tuple(range(9))))


def frames(
    take: Take, size: tuple[int, int], intrinsics: Float[np.ndarray, "3 3"]
) -> Iterator[UInt8[np.ndarray, "height width 3"]]:
    """The RGB images of a take, one at a time; `size` is (width, height)."""
    renderer = _Renderer(take, size, intrinsics)
    for frame in range(len(take.camera_place) // SUBFRAMES):
        yield renderer.frame(frame)


class _Renderer:
    def __init__(self, take: Take, size: tuple[int, int], intrinsics: np.ndarray):
        self._take = take
        self._background = Background(take.room, size, intrinsics)
        self._canvas = Canvas(size, intrinsics, _JITTERS)
        self._intrinsics, self._scale = intrinsics, 480 / size[0]
        self._light = take.room.axes @ take.room.light
        self._cones = [
            flesh.points(track) for flesh, track in zip(take.fleshes, take.tracks, strict=True)
        ]

    def frame(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        """Background, shadows, and the sub-frames' hands and objects averaged over it."""
        take, middle = self._take, number * SUBFRAMES + SUBFRAMES // 2
        axes, place = take.camera_axes[middle], take.camera_place[middle]
        image = self._background.seen_from(axes, place)
        shadow = self._background.shadow(axes, place, *self._shadow_casters(middle))
        left = cv2.convertScaleAbs(shadow, alpha=-_SHADOW, beta=255.0)
        image = cv2.multiply(image, cv2.merge([left] * 3), scale=1 / 255)
        moments = next(chosen for most, chosen in _BLUR if self._travel(number) <= most)
        layers = [self._layer(number * SUBFRAMES + m, i % 2) for i, m in enumerate(moments)]
        drawn = [layer for layer in layers if layer is not None]
        if drawn:
            self._blend(image, drawn, len(layers))
        for cover in take.covers:
            if cover.drawn[middle]:
                image = self._covered(image, cover, number)
        return image

    def _blend(self, image: np.ndarray, drawn: list, count: int) -> None:
        """Lays the mean of `count` layers over `image`; those not in `drawn` are empty."""
        rows = slice(min(w[0].start for w, _ in drawn), max(w[0].stop for w, _ in drawn))
        columns = slice(min(w[1].start for w, _ in drawn), max(w[1].stop for w, _ in drawn))
        total = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 4), np.float32)
        for (r, c), layer in drawn:
            total[
                r.start - rows.start : r.stop - rows.start,
                c.start - columns.start : c.stop - columns.start,
            ] += layer
        total *= 1.0 / count
        part = image[rows, columns]
        colours = total[..., :3] * self._take.room.ambience.astype(np.float32)
        colours += part * (1.0 - total[..., 3:])
        image[rows, columns] = np.minimum(colours, 255.0)

    def _covered(self, image: np.ndarray, cover: Passing, number: int) -> np.ndarray:
        """The image behind a sheet that passes: the mean over all sub-frames."""
        total = np.zeros(image.shape, np.float32)
        for moment in range(number * SUBFRAMES, (number + 1) * SUBFRAMES):
            painted = image.copy()
            axes, place = self._take.camera_axes[moment], self._take.camera_place[moment]
            pixels, _ = project((cover.corners[moment] - place) @ axes, self._intrinsics)
            fine = np.round(pixels * 16).astype(np.int32)
            for corners, colour in zip(fine, cover.sheet.colours, strict=True):
                lit = (np.array(colour) * self._take.room.ambience).clip(0, 255).tolist()
                cv2.fillConvexPoly(painted, corners, lit, cv2.LINE_AA, 4)
            cv2.accumulate(painted, total)
        return cv2.convertScaleAbs(total, alpha=1.0 / SUBFRAMES)

    def _travel(self, number: int) -> float:
        """How far the fastest thing moves during a frame's exposure, pixels at 480 width."""
        moments = number * SUBFRAMES + np.array([0, SUBFRAMES - 1])
        groups = [ends[moments] for _, ends in self._cones]
        for prop in self._take.props:
            if prop.drawn[moments].all():
                place, axes = prop.pose[0][moments], prop.pose[1][moments]
                groups.append(np.stack([place, place + 0.1 * axes[..., 2]], axis=1))
        travel = 0.0
        for points in groups:
            pixels, depth = project(points, self._intrinsics)
            moved = self._scale * np.linalg.norm(pixels[1] - pixels[0], axis=-1)
            travel = max(travel, float(moved[(depth > 0.15).all(0)].max(initial=0.0)))
        return travel

    def _layer(self, moment: int, jitter: int):
        """Hands and objects at one sub-frame."""
        take, canvas = self._take, self._canvas
        axes, place = take.camera_axes[moment], take.camera_place[moment]
        canvas.clear(jitter)
        for prop in take.props:
            if prop.drawn[moment]:
                middle = (prop.pose[0][moment] - place) @ axes
                turned = axes.T @ prop.pose[1][moment]
                for solid in prop.solids:
                    canvas.solid(solid, middle, turned)
        for flesh, (starts, ends) in zip(take.fleshes, self._cones, strict=True):
            first, last = (starts[moment] - place) @ axes, (ends[moment] - place) @ axes
            canvas.capsules(first, last, flesh.radii, flesh.colours)
        return canvas.shade(axes.T @ self._light)

    def _shadow_casters(self, moment: int) -> tuple[np.ndarray, np.ndarray]:
        """What throws shadows on the desk: ends (n, 2, 3) and radii (n, 2), camera at rest."""
        ends = [np.stack([s[moment], e[moment]], axis=1) for s, e in self._cones]
        radii = [flesh.radii for flesh in self._take.fleshes]
        for prop in self._take.props:
            if prop.drawn[moment]:
                for solid in prop.solids:
                    core, radius = _core(solid)
                    ends.append((prop.pose[0][moment] + core @ prop.pose[1][moment].T)[None])
                    radii.append(np.array([[radius, radius]]))
        return np.concatenate(ends), np.concatenate(radii)


def _core(solid: Solid) -> tuple[Float[np.ndarray, "2 3"], float]:
    """The middle line of a solid, in the object's axes, and about how wide it is, m."""
    start, radius = np.array(solid.start), max(solid.size[:2])
    if solid.kind == "box":
        along = np.array([0.0, 0.0, max(solid.size[2] - 0.5 * radius, 0.0)])
        return np.stack([start - along, start + along]), radius
    axis = np.array(solid.axis) / np.linalg.norm(solid.axis)
    return np.stack([start, start + axis * solid.size[2]]), radius
