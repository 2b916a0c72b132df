"""Renders a take into images."""

from collections.abc import Iterator

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from data_prep.simulation.raster import Canvas
from data_prep.simulation.scene import Background
from data_prep.simulation.take import SUBFRAMES, Take

_JITTERS = ((-0.3, 0.15), (0.0, -0.3), (0.3, 0.15))  # of the sub-frames, pixels: smooth edges


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
        self._canvases = [Canvas(size, intrinsics, jitter) for jitter in _JITTERS]
        self._light = take.room.axes @ take.room.light
        self._cones = [
            flesh.points(track) for flesh, track in zip(take.fleshes, take.tracks, strict=True)
        ]

    def frame(self, number: int) -> UInt8[np.ndarray, "height width 3"]:
        """Background, shadows, and the sub-frames' hands and objects averaged over it."""
        take, middle = self._take, number * SUBFRAMES + SUBFRAMES // 2
        axes, place = take.camera_axes[middle], take.camera_place[middle]
        image = self._background.seen_from(axes, place)
        shadow = self._background.shadow(axes, place, self._chains(middle), self._light)
        image = cv2.multiply(image, cv2.merge([255 - (shadow * 0.5).astype(np.uint8)] * 3),
                             scale=1 / 255)  # fmt: skip
        layers = [self._layer(number * SUBFRAMES + i, self._canvases[i]) for i in range(SUBFRAMES)]
        drawn = [layer for layer in layers if layer is not None]
        if not drawn:
            return image
        rows = slice(min(w[0].start for w, _ in drawn), max(w[0].stop for w, _ in drawn))
        columns = slice(min(w[1].start for w, _ in drawn), max(w[1].stop for w, _ in drawn))
        total = np.zeros((rows.stop - rows.start, columns.stop - columns.start, 4), np.float32)
        for (r, c), layer in drawn:
            total[
                r.start - rows.start : r.stop - rows.start,
                c.start - columns.start : c.stop - columns.start,
            ] += layer
        total *= 1.0 / SUBFRAMES
        part = image[rows, columns]
        colours = total[..., :3] * take.room.ambience.astype(np.float32)
        colours += part * (1.0 - total[..., 3:])
        image[rows, columns] = np.minimum(colours, 255.0)
        return image

    def _layer(self, moment: int, canvas: Canvas):
        """Hands and objects at one sub-frame."""
        take = self._take
        axes, place = take.camera_axes[moment], take.camera_place[moment]
        canvas.clear()
        for prop in take.props:
            if prop.drawn[moment]:
                middle = (prop.pose[0][moment] - place) @ axes
                turned = axes.T @ prop.pose[1][moment]
                for solid in prop.solids:
                    canvas.solid(solid, middle, turned)
        for flesh, (starts, ends) in zip(take.fleshes, self._cones, strict=True):
            first, last = (starts[moment] - place) @ axes, (ends[moment] - place) @ axes
            for cone, (r0, r1) in enumerate(flesh.radii):
                canvas.capsule(first[cone], last[cone], r0, r1, flesh.colours[cone])
        return canvas.shade(axes.T @ self._light)

    def _chains(self, moment: int) -> list[np.ndarray]:
        """What throws shadows on the desk: polylines with radii, camera at rest."""
        take, chains = self._take, []
        for flesh, (starts, ends) in zip(take.fleshes, self._cones, strict=True):
            for start, end, radii in zip(starts[moment], ends[moment], flesh.radii, strict=True):
                chains.append(np.column_stack([np.stack([start, end]), radii]))
        for prop in take.props:
            if prop.drawn[moment] and prop.throws_shadow:
                for solid in prop.solids:
                    chains.append(_core(solid, prop.pose[0][moment], prop.pose[1][moment]))
        return chains


def _core(solid, place: np.ndarray, axes: np.ndarray) -> np.ndarray:
    """The middle line of a solid with its half width: (2, 4)."""
    if solid.kind == "box":
        low, high, radius = (0, 0, -solid.size[2]), (0, 0, solid.size[2]), max(solid.size[:2])
        ends = np.array([low, high]) + solid.start
    else:
        axis = np.array(solid.axis) / np.linalg.norm(solid.axis)
        ends = np.array([solid.start, np.array(solid.start) + axis * solid.size[2]])
        radius = max(solid.size[:2])
    return np.column_stack([place + ends @ axes.T, [radius, radius]])
