"""Renders a take into depth maps, as a depth camera beside the colour camera sees it."""

import dataclasses
from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt16

from data_prep.simulation import sensor
from data_prep.simulation.geometry import rays_through
from data_prep.simulation.raster import Canvas
from data_prep.simulation.scene import Background, Wide, heights
from data_prep.simulation.take import SUBFRAMES, Passing, Take
from htt_jax.camera import project, scale_intrinsics

_COARSE = 4  # the desk's brightness is painted at this part of the size
_TOO_DARK = 32.0  # percent of the desk that gives no reading at rest


@dataclasses.dataclass(frozen=True)
class View:
    """A depth camera: (width, height), pixels, and the way from the colour camera, metres."""

    size: tuple[int, int]
    intrinsics: Float[np.ndarray, "3 3"]
    from_color: Float[np.ndarray, "4 4"]


def frames(
    take: Take, view: View, seed: tuple[int, ...]
) -> Iterator[UInt16[np.ndarray, "height width"]]:
    """The depth maps of a take, one at a time: millimetres, 0 = no reading.

    The same seed gives the same noise.
    """
    renderer = _Renderer(take, view)
    for frame in range(len(take.camera_place) // SUBFRAMES):
        rng = np.random.default_rng((*seed, 1 << 23, frame))
        depth, reflectance = renderer.scene(frame)
        yield sensor.measured(depth, reflectance, view.intrinsics, renderer.faintest, rng)


class _Renderer:
    def __init__(self, take: Take, view: View):
        self._take, self._view = take, view
        self._canvas = Canvas(view.size, view.intrinsics)
        coarse = view.size[0] // _COARSE, view.size[1] // _COARSE
        matrix = scale_intrinsics(view.intrinsics, view.size, coarse)
        self._background = Background(take.room, coarse, matrix)
        self._wide = Wide(take.room, view.size, view.intrinsics)
        self._heights = heights(take.room, self._wide)
        self._cones = [
            flesh.points(track) for flesh, track in zip(take.fleshes, take.tracks, strict=True)
        ]
        self._x, self._y = rays_through(view.size, view.intrinsics)
        desk = self._desk(np.eye(3), np.zeros(3)), self._brightness(np.eye(3), np.zeros(3))
        # As cameras do, it sets itself to what it sees at the start.
        back = sensor.light(*desk, view.intrinsics)
        self.faintest = float(np.percentile(back, _TOO_DARK))

    def scene(self, number: int) -> tuple[sensor.Image, sensor.Image]:
        """Depth (m) and reflectance of what is before the camera in the middle of an exposure."""
        take, moment = self._take, number * SUBFRAMES + SUBFRAMES // 2
        turn, shift = self._view.from_color[:3, :3], self._view.from_color[:3, 3]
        axes = take.camera_axes[moment] @ turn.T
        place = take.camera_place[moment] - axes @ shift
        depth, reflectance = self._solids(moment, axes, place)
        desk = self._desk(axes, place)
        behind = desk < depth
        np.copyto(depth, desk, where=behind)
        np.copyto(reflectance, self._brightness(axes, place), where=behind)
        for cover in take.covers:
            if cover.drawn[moment]:
                self._cover(depth, reflectance, cover, (cover.corners[moment] - place) @ axes)
        return depth, reflectance

    def _solids(self, moment: int, axes, place) -> tuple[sensor.Image, sensor.Image]:
        take, canvas = self._take, self._canvas
        canvas.clear(0)
        things = [(p.solids, p.pose[0][moment], p.pose[1][moment]) for p in take.props
                  if p.drawn[moment]]  # fmt: skip
        for solids, middle, turned in things:
            for solid in solids:
                canvas.solid(solid, (middle - place) @ axes, axes.T @ turned)
        for flesh, (starts, ends) in zip(take.fleshes, self._cones, strict=True):
            first, last = (starts[moment] - place) @ axes, (ends[moment] - place) @ axes
            canvas.capsules(first, last, flesh.radii, flesh.colours)
        return canvas.depth()

    def _desk(self, axes, place) -> sensor.Image:
        """Depth of the desk, which has no end, and of what lies on it.

        That is warped like its colours: exact for everything near the desk's height.
        """
        normal, offset = self._take.room.desk_plane
        above = self._wide.seen_from(self._heights, axes, place, cv2.BORDER_CONSTANT)
        clearance = np.float32(normal @ place - offset)
        return self._plane_depth(axes.T @ -normal, clearance - above)

    def _plane_depth(self, normal: np.ndarray, distance) -> sensor.Image:
        """Depth of a plane: `normal` points away from the camera, to which it has `distance`."""
        a, b, c = normal.astype(np.float32)
        return distance / np.maximum(a * self._x + (b * self._y + c), np.float32(1e-6))

    def _brightness(self, axes, place) -> sensor.Image:
        painted = cv2.cvtColor(self._background.seen_from(axes, place), cv2.COLOR_RGB2GRAY)
        grey = cv2.resize(painted, self._view.size, interpolation=cv2.INTER_LINEAR)
        return grey * np.float32(1 / 255)

    def _cover(self, depth, reflectance, cover: Passing, corners) -> None:
        """Lays a sheet that passes before the rest."""
        pixels, _ = project(corners, self._view.intrinsics)
        fine = np.round(pixels * 16).astype(np.int32)
        for part, (a, b, _, d), colour in zip(fine, corners, cover.sheet.colours, strict=True):
            mask = np.zeros(depth.shape, np.uint8)
            cv2.fillConvexPoly(mask, part, 1, cv2.LINE_8, 4)
            normal = np.cross(b - a, d - a)
            normal *= np.sign(normal @ a)
            inside = mask > 0
            np.copyto(depth, self._plane_depth(normal, np.float32(normal @ a)), where=inside)
            reflectance[inside] = np.mean(colour) / 255
