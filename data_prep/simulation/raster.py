"""Casts rays at rounded cones, frustums and boxes: depth, surface normal and colour per pixel."""

import numpy as np
from jaxtyping import Float

from data_prep.simulation.objects import Solid

_FAR = np.float32(1e6)
_NEAR = 0.06  # metres; what comes closer to the camera is not drawn


class Canvas:
    """A depth buffer of one image size and camera; draw solids, then `shade`."""

    def __init__(
        self,
        size: tuple[int, int],
        intrinsics: Float[np.ndarray, "3 3"],
        jitter: tuple[float, float] = (0.0, 0.0),
    ):
        """Rays through the pixel centres of a `size` (width, height) image, moved by `jitter`."""
        self.width, self.height = size
        self._intrinsics = intrinsics
        x, y = np.meshgrid(
            (np.arange(self.width) + jitter[0] - intrinsics[0, 2]) / intrinsics[0, 0],
            (np.arange(self.height) + jitter[1] - intrinsics[1, 2]) / intrinsics[1, 1],
        )
        rays = np.stack([x, y, np.ones_like(x)])
        self.rays = (rays / np.linalg.norm(rays, axis=0)).astype(np.float32)
        self._distance = np.empty((self.height, self.width), np.float32)
        self._owner = np.empty((self.height, self.width), np.int16)
        self._along = np.empty((self.height, self.width), np.float32)
        self._normals = np.empty((self.height, self.width, 3), np.float32)
        self.clear()

    def clear(self) -> None:
        """Removes everything drawn."""
        self._distance.fill(_FAR)
        self._owner.fill(0)
        self._colours: list[tuple[float, float, float]] = [(0.0, 0.0, 0.0)]
        self._starts = [np.zeros(3)]
        self._axes = [np.zeros(3)]
        self._round = [False]
        self._box = [self.width, self.height, 0, 0]

    def _window(
        self, points: Float[np.ndarray, "n 3"], radii: Float[np.ndarray, "n"]
    ) -> tuple[slice, slice] | None:
        """The rows and columns in which spheres at `points` can be seen; None: none."""
        near = points[:, 2] - radii
        if near.max() < _NEAR:
            return None
        depth = np.maximum(near, _NEAR)
        fx, fy = self._intrinsics[0, 0], self._intrinsics[1, 1]
        u = points[:, 0] / depth * fx + self._intrinsics[0, 2]
        v = points[:, 1] / depth * fy + self._intrinsics[1, 2]
        u2 = points[:, 0] / points[:, 2].clip(_NEAR) * fx + self._intrinsics[0, 2]
        v2 = points[:, 1] / points[:, 2].clip(_NEAR) * fy + self._intrinsics[1, 2]
        grow_x, grow_y = 1.03 * radii / depth * fx + 1.0, 1.03 * radii / depth * fy + 1.0
        left = max(int((np.minimum(u, u2) - grow_x).min()), 0)
        right = min(int((np.maximum(u, u2) + grow_x).max()) + 2, self.width)
        top = max(int((np.minimum(v, v2) - grow_y).min()), 0)
        bottom = min(int((np.maximum(v, v2) + grow_y).max()) + 2, self.height)
        if left >= right or top >= bottom:
            return None
        box = self._box
        self._box = [min(box[0], left), min(box[1], top), max(box[2], right), max(box[3], bottom)]
        return slice(top, bottom), slice(left, right)

    def _add(self, colour, start=None, axis=None) -> int:
        """A number for what is drawn next in one colour."""
        self._colours.append(colour)
        self._starts.append(np.zeros(3) if start is None else start)
        self._axes.append(np.zeros(3) if axis is None else axis)
        self._round.append(start is not None)
        return len(self._colours) - 1

    def capsule(self, start, end, start_radius: float, end_radius: float, colour) -> None:
        """Draws a rounded cone between two points (camera space, m).

        Source: the ray and rounded cone intersection of Inigo Quilez (iquilezles.org).
        """
        window = self._window(np.stack([start, end]), np.array([start_radius, end_radius]))
        if window is None:
            return
        ends = np.stack([start, end]).astype(np.float32)
        rays = self.rays[:, window[0], window[1]]
        shape = rays.shape[1:]
        to_start, to_end = ends @ rays.reshape(3, -1)
        axis = end - start
        ra, rb, rr = float(start_radius), float(end_radius), float(start_radius - end_radius)
        m0, m1 = float(axis @ axis), float(-(axis @ start))
        m5, m7 = float(start @ start), float(end @ end)
        d2 = m0 - rr * rr
        if d2 <= 0.0:
            return
        m2 = to_end - to_start
        k2 = d2 - m2 * m2
        k1 = m2 * (rr * ra - m1)
        k1 -= d2 * to_start
        k0 = d2 * m5 - m1 * m1 + 2.0 * m1 * rr * ra - m0 * ra * ra
        h = k1 * k1
        h -= k0 * k2
        hit = h > 0.0
        t = -(np.sqrt(np.maximum(h, 0.0)) + k1) / k2
        along = (t * m2 + (m1 - ra * rr)) * (1.0 / d2)
        # Beyond either end of the cone the surface is that end's sphere.
        first = along < 0.5
        to = np.where(first, to_start, to_end)
        h = to * to - np.where(first, np.float32(m5 - ra * ra), np.float32(m7 - rb * rb))
        cone = (along > 0.0) & (along < 1.0)
        t = np.where(cone, t, to - np.sqrt(np.maximum(h, 0.0)))
        hit &= cone | (h > 0.0)
        number = self._add(colour, start, axis)
        self._write(window, hit.reshape(shape), t.reshape(shape), number, along.reshape(shape))

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
            self.capsule(start, end, solid.size[0], solid.size[1], solid.colour)
        else:
            self._draw_frustum(solid, start, end, axis)

    def _draw_frustum(self, solid: Solid, start, end, axis) -> None:
        r0, r1, length = solid.size
        window = self._window(np.stack([start, end]), np.array([r0, r1]))
        if window is None:
            return
        rays = self.rays[:, window[0], window[1]]
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
        window = self._window(centre + corners @ axes.T, np.zeros(8))
        if window is None:
            return
        flat = self.rays[:, window[0], window[1]].reshape(3, -1)
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
        distance = self._distance[window].ravel()[seen]
        rays = self.rays[:, window[0], window[1]].reshape(3, -1)[:, seen]
        normals = self._normals[window].reshape(-1, 3)[seen].T
        round_ones = np.flatnonzero(np.array(self._round)[number])
        if len(round_ones):
            owners = number[round_ones]
            starts = np.array(self._starts, np.float32)[owners].T
            axes = np.array(self._axes, np.float32)[owners].T
            along = self._along[window].ravel()[seen[round_ones]].clip(0.0, 1.0)
            outward = rays[:, round_ones] * distance[round_ones] - starts - axes * along
            outward /= np.sqrt((outward * outward).sum(0)).clip(1e-9)
            normals[:, round_ones] = outward
        image = np.zeros((owner.size, 4), np.float32)
        image[seen] = _lit(np.array(self._colours, np.float32)[number], normals, rays, light)
        return window, image.reshape(*owner.shape, 4)


def _lit(albedo, normals, rays, light) -> Float[np.ndarray, "n 4"]:
    """Colours under a lamp, light from the sky and a slight shine; coverage 1."""
    light = light.astype(np.float32)
    lamp = light @ normals
    facing = -(rays * normals).sum(0)
    half_way = 2.0 * lamp * facing - (-(light @ rays))
    lamp_light = np.maximum(lamp * 0.85 + 0.15, 0.0)
    sky = 0.5 - 0.5 * normals[1]
    strength = 0.30 + 0.58 * lamp_light + 0.16 * sky
    strength *= 0.72 + 0.28 * np.sqrt(np.clip(facing, 0.0, 1.0))
    shine = 34.0 * np.clip(half_way, 0.0, 1.0) ** 12
    result = np.ones((albedo.shape[0], 4), np.float32)
    result[:, :3] = np.minimum(albedo * strength[:, None] + shine[:, None], 255.0)
    return result
