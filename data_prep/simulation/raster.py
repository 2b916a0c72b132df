"""Casts rays at rounded cones, frustums and boxes: depth, surface normal and colour per pixel."""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from jaxtyping import Float, Real

from data_prep.simulation.objects import Solid
from data_prep.simulation.optics import lit, pixel_rays, smoothed

Window: TypeAlias = tuple[slice, slice]  # rows, columns

_FAR = np.float32(1e6)
_NEAR = 0.06  # metres; what comes closer to the camera is not drawn
_NOWHERE = np.zeros(3)


class Canvas:
    """A depth buffer of one image size and camera; draw solids, then `shade`."""

    def __init__(
        self,
        size: tuple[int, int],
        intrinsics: Float[np.ndarray, "3 3"],
        jitters: Sequence[tuple[float, float]] = ((0.0, 0.0),),
    ):
        """For images of `size` (width, height).

        jitters: parts of a pixel by which the rays can be moved, one of them at a time.
        """
        self.width, self.height = size
        self._intrinsics = intrinsics
        camera = (*intrinsics[[0, 1], [0, 1]].tolist(), *intrinsics[:2, 2].tolist())
        self._all_rays = [pixel_rays(size, camera, jitter) for jitter in jitters]
        self._distance = np.empty((self.height, self.width), np.float32)
        self._owner = np.zeros((self.height, self.width), np.int16)
        self._along = np.empty((self.height, self.width), np.float32)
        self._normals = np.empty((self.height, self.width, 3), np.float32)
        self.clear(0)

    def clear(self, jitter: int) -> None:
        """Removes everything drawn; from now on the rays are moved by that one of the jitters."""
        self._rays = self._all_rays[jitter]
        self._distance.fill(_FAR)
        self._owner.fill(0)
        self._colours: list[Sequence[float]] = [(0.0, 0.0, 0.0)]
        # Where the axis of a rounded cone starts and ends; others keep their normals themselves.
        self._starts = [_NOWHERE]
        self._axes = [_NOWHERE]
        self._round = [False]
        self._box = [self.width, self.height, 0, 0]

    def _windows(
        self,
        points: Float[np.ndarray, "solids points 3"],
        radii: Float[np.ndarray, "solids points"],
    ) -> list[Window | None]:
        """For each solid the rows and columns in which spheres at `points` show; None: nowhere."""
        z = np.stack([points[..., 2] - radii, points[..., 2]]).clip(_NEAR)
        edges = []
        for axis, length in ((1, self.height), (0, self.width)):
            focal, centre = self._intrinsics[axis, axis], self._intrinsics[axis, 2]
            at = points[..., axis] / z * focal + centre
            reach = 1.03 * radii / z[0] * focal + 1.0
            edges.append((at - reach).min((0, 2)).clip(0, length).astype(int).tolist())
            edges.append(((at + reach).max((0, 2)) + 2.0).clip(0, length).astype(int).tolist())
        visible = (z[0].max(-1) > _NEAR).tolist()
        result: list[Window | None] = []
        box = self._box
        for top, bottom, left, right, shown in zip(*edges, visible, strict=True):
            if not shown or top >= bottom or left >= right:
                result.append(None)
                continue
            box[0], box[1] = min(box[0], left), min(box[1], top)
            box[2], box[3] = max(box[2], right), max(box[3], bottom)
            result.append((slice(top, bottom), slice(left, right)))
        return result

    def _add(self, colour, start=_NOWHERE, axis=_NOWHERE) -> int:
        """A number for what is drawn next in one colour."""
        self._colours.append(colour)
        self._starts.append(start)
        self._axes.append(axis)
        self._round.append(start is not _NOWHERE)
        return len(self._colours) - 1

    def capsules(
        self,
        starts: Float[np.ndarray, "cones 3"],
        ends: Float[np.ndarray, "cones 3"],
        radii: Float[np.ndarray, "cones 2"],
        colours: Real[np.ndarray, "cones 3"],
    ) -> None:
        """Draws rounded cones between pairs of points (camera space, m).

        Source: the ray and rounded cone intersection of Inigo Quilez (iquilezles.org).
        """
        windows = self._windows(np.stack([starts, ends], axis=1), radii)
        for window, start, end, (ra, rb), colour in zip(
            windows, starts, ends, radii.tolist(), colours, strict=True
        ):
            length = float((end - start) @ (end - start))
            if window is not None and length > (ra - rb) ** 2:
                # A ray along the cone's surface divides by zero; it is masked as a miss.
                with np.errstate(divide="ignore", invalid="ignore"):
                    self._draw_capsule(window, start, end, ra, rb, colour)

    def _draw_capsule(self, window: Window, start, end, ra: float, rb: float, colour) -> None:
        rays = self._rays[:, window[0], window[1]]
        shape = rays.shape[1:]
        to_start, to_end = np.array([start, end], np.float32) @ rays.reshape(3, -1)
        axis = end - start
        rr = ra - rb
        m0, m1 = float(axis @ axis), float(-(axis @ start))
        m5, m7 = float(start @ start), float(end @ end)
        d2 = m0 - rr * rr
        m2 = to_end - to_start
        k2 = d2 - m2 * m2
        k1 = m2 * (rr * ra - m1)
        k1 -= d2 * to_start
        h = k1 * k1
        h -= (d2 * m5 - m1 * m1 + 2.0 * m1 * rr * ra - m0 * ra * ra) * k2
        hit = h > 0.0
        np.maximum(h, 0.0, out=h)
        t = np.sqrt(h, out=h)
        t += k1
        t /= k2
        np.negative(t, out=t)
        m2 *= t
        m2 += m1 - ra * rr
        m2 *= 1.0 / d2
        along = m2
        # Beyond either end of the cone the surface is that end's sphere.
        first = along < 0.5
        to = np.where(first, to_start, to_end)
        h = to * to
        h -= np.where(first, np.float32(m5 - ra * ra), np.float32(m7 - rb * rb))
        cone = np.abs(along - 0.5) < 0.5
        hit &= cone | (h > 0.0)
        np.maximum(h, 0.0, out=h)
        to -= np.sqrt(h, out=h)
        np.copyto(to, t, where=cone)
        number = self._add(colour, start, axis)
        self._write(window, hit.reshape(shape), to.reshape(shape), number, along.reshape(shape))

    def _write(self, window, hit, t, number, along) -> None:
        distance = self._distance[window]
        hit &= t < distance
        np.copyto(distance, t, where=hit)
        np.copyto(self._owner[window], number, where=hit, casting="same_kind")
        np.copyto(self._along[window], along, where=hit)

    def solid(self, solid: Solid, place, axes) -> None:
        """Draws one solid of an object at `place` with `axes` (columns), camera space."""
        start = place + axes @ np.array(solid.start)
        if solid.kind == "box":
            self._draw_box(solid, start, axes)
            return
        axis = axes @ (np.array(solid.axis) / np.linalg.norm(solid.axis))
        end = start + axis * solid.size[2]
        if solid.kind == "capsule":
            self.capsules(
                start[None], end[None], np.array([solid.size[:2]]), np.array([solid.colour])
            )
        else:
            self._draw_frustum(solid, start, end, axis)

    def _draw_frustum(self, solid: Solid, start, end, axis) -> None:
        r0, r1, length = solid.size
        window = self._windows(np.array([[start, end]]), np.array([[r0, r1]]))[0]
        if window is None:
            return
        rays = self._rays[:, window[0], window[1]]
        flat = rays.reshape(3, -1)
        ray_axis, ray_start = np.stack([axis, start]).astype(np.float32) @ flat
        k = (r1 - r0) / length
        base = float(axis @ start)
        slope = 1.0 + k * k
        radius = r0 - k * base
        a = 1.0 - slope * ray_axis * ray_axis
        a = np.where(np.abs(a) < 1e-6, np.float32(1e-6), a)
        b = ray_axis * (base - k * radius) - ray_start
        c = float(start @ start) - base * base - radius * radius
        h = b * b - a * c
        t = (-b - np.sqrt(np.maximum(h, 0.0))) / a
        height = t * ray_axis - base
        side = (h > 0.0) & (height >= 0.0) & (height <= length) & (t > 0.0)
        # A ray along the axis meets the start's disc first, one against it the end's.
        along_axis = ray_axis > 0.0
        rim = np.where(along_axis, np.float32(0.0), np.float32(length))
        t_disc = (base + rim) / np.where(np.abs(ray_axis) < 1e-6, np.float32(1e-6), ray_axis)
        off = t_disc * t_disc - 2.0 * t_disc * ray_start + float(start @ start) - rim * rim
        disc_radius = np.where(along_axis, np.float32(r0 * r0), np.float32(r1 * r1))
        disc = (off < disc_radius) & (t_disc > 0.0) & ~(side & (t < t_disc))
        t = np.where(disc, t_disc, t)
        hit = self._visible(window, side | disc, t)
        if not len(hit):
            return
        t, height, disc = t[hit], height[hit], disc[hit]
        points = flat[:, hit] * t
        normals = points - np.outer(axis, height + base).astype(np.float32)
        normals -= (start - base * axis).astype(np.float32)[:, None]
        normals /= np.maximum(np.linalg.norm(normals, axis=0), 1e-9)
        normals -= (k * axis).astype(np.float32)[:, None]
        normals /= slope**0.5
        facing = np.where(along_axis[hit], np.float32(-1.0), np.float32(1.0))
        normals = np.where(disc, np.outer(axis, facing).astype(np.float32), normals)
        self._write_points(window, hit, t, normals, solid, np.where(disc, -1.0, height / length))

    def _draw_box(self, solid: Solid, centre, axes) -> None:
        half = np.array(solid.size)
        corners = np.array(np.meshgrid(*[(-1, 1)] * 3)).reshape(3, 8).T * half
        window = self._windows((centre + corners @ axes.T)[None], np.zeros((1, 8)))[0]
        if window is None:
            return
        flat = self._rays[:, window[0], window[1]].reshape(3, -1)
        local = axes.T.astype(np.float32) @ flat
        local = np.where(np.abs(local) < 1e-7, np.float32(1e-7), local)
        inverse = 1.0 / local
        middle = (axes.T @ centre)[:, None].astype(np.float32) * inverse
        reach = half[:, None].astype(np.float32) * np.abs(inverse)
        entries = middle - reach
        t = entries.max(0)
        leave = (middle + reach).min(0)
        hit = self._visible(window, (t < leave) & (t > 0.0), t)
        if not len(hit):
            return
        t = t[hit]
        side = entries[:, hit].argmax(0)
        sign = -np.sign(local[side, hit])
        normals = axes.astype(np.float32)[:, side] * sign
        height = local[2, hit] * t - float(axes[:, 2] @ centre)
        along = np.where(side == 2, -1.0, 0.5 + 0.5 * height / half[2])
        self._write_points(window, hit, t, normals, solid, along)

    def _visible(self, window, hit, t):
        """Where (flat, in the window) `hit` holds and nothing drawn before is nearer."""
        return np.flatnonzero(hit & (t < self._distance[window].ravel()))

    def _write_points(self, window, hit, t, normals, solid: Solid, along) -> None:
        number = np.full(len(hit), self._add(solid.colour), np.int16)
        if solid.band:
            low, high, colour = solid.band
            number[(along >= low) & (along <= high)] = self._add(colour)
        columns = window[1].stop - window[1].start
        rows, columns = np.divmod(hit, columns)
        at = rows + window[0].start, columns + window[1].start
        self._distance[at] = t
        self._owner[at] = number
        self._normals[at] = normals.T

    def depth(
        self,
    ) -> tuple[Float[np.ndarray, "height width"], Float[np.ndarray, "height width"]]:
        """Metres along the camera's axis, very far where nothing was drawn, and brightness 0..1."""
        brightness = np.array(self._colours, np.float32).mean(1) / 255.0
        return self._distance * self._rays[2], brightness.take(self._owner)

    def shade(
        self, light: Float[np.ndarray, "3"]
    ) -> tuple[tuple[slice, slice], Float[np.ndarray, "height width 4"]] | None:
        """Where something was drawn: the window, and its lit colours (0-255) and coverage (0 or 1).

        light: unit vector towards the light, camera space.
        """
        left, top, right, bottom = self._box
        if left >= right:
            return None
        window = slice(top, bottom), slice(left, right)
        owner = self._owner[window]
        seen = np.flatnonzero(owner)
        number = owner.ravel()[seen]
        rays = self._rays[:, top:bottom, left:right].reshape(3, -1).take(seen, axis=1)
        normals = self._normals[window].reshape(-1, 3).take(seen, axis=0).T.copy()
        round_ones = np.flatnonzero(np.array(self._round)[number])
        if len(round_ones):
            chosen, owners = seen[round_ones], number[round_ones]
            starts = np.array(self._starts, np.float32).T.take(owners, axis=1)
            axes = np.array(self._axes, np.float32).T.take(owners, axis=1)
            axes *= self._along[window].ravel()[chosen].clip(0.0, 1.0)
            outward = rays.take(round_ones, axis=1)
            outward *= self._distance[window].ravel()[chosen]
            outward -= starts
            outward -= axes
            outward /= np.sqrt(np.einsum("ij,ij->j", outward, outward)).clip(1e-9)
            normals[:, round_ones] = smoothed(outward, chosen, owner.shape, self._intrinsics)
        albedo = np.array(self._colours, np.float32).take(number, axis=0)
        image = np.zeros((owner.size, 4), np.float32)
        image[seen] = lit(albedo, normals, rays, light.astype(np.float32))
        return window, image.reshape(*owner.shape, 4)
