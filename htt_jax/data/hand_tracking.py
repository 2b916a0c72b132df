"""Where one's hand is in depth maps of which nothing else is known: the centre of honest crops.

An arm comes into the picture from its border and is nearer than what is around it. So of the
surfaces that stand off the table, the hand is the far end of the nearest one that the border cuts.
It is looked for anew in each map; what was found before decides between surfaces that are about as
near, and stands while there is none. Causal: a centre depends on the maps up to its own.
"""

import cv2
import numpy as np
from jaxtyping import Bool, Float, Int, UInt16

START = (0.0, 0.0, 0.4)
"""Metres in depth space: where a hand is taken to be before one was seen."""

_COLUMNS = 160  # that are looked at; some millimetres apart at the distance of a hand
_REACH = 0.9  # metres; farther away there is no hand of one's own
_STEP = 0.015  # metres between neighbours of different surfaces
_AREAS = (0.004, 0.06)  # square metres, of a hand and of an arm as far as it is seen
_OFF_BORDER = 0.3  # metres that a surface within the picture must be nearer to be preferred
_JUMP = 0.1  # and one that is so far from the hand before, or farther
_LOOKED_AT = 3  # surfaces, the nearest ones
_HAND = 0.12  # metres from the arm's end that are the hand
_INSIDE = 0.044  # metres behind what is seen of it that its middle lies

_FARTHEST_TABLE = 1.5  # metres
_TABLE = 0.012  # metres from the plane that are still of the table
_OFF_TABLE = 0.02  # and from where on something stands off it
_LEAST_TABLE = 0.02  # square metres, more than is even of an arm
_SHARE = 0.25  # and of the readings, at least
_FEWEST = 200  # readings to look for one
_PLANES, _TRIED_ON = 150, 600  # drawn, and points that they are tried on

_random = np.random.Generator(np.random.PCG64(0))
_CORNERS = _random.random((3, _PLANES))
_TRIED = _random.random(_TRIED_ON)


class HandTracker:
    """Follows a hand through the depth maps of one video.

    Attributes:
        centre: of the hand in the last map, float64 (3,), metres in depth space.
        is_seen: whether there was one in the last map.
    """

    def __init__(self, intrinsics: Float[np.ndarray, "3 3"]):
        """Has seen nothing yet.

        Args:
            intrinsics: pixels of the maps.
        """
        self._intrinsics = intrinsics.astype(np.float64)
        self._rays = np.zeros((0, 0, 3), np.float32)
        self.centre = np.array(START)
        self.is_seen = False

    def __call__(self, depth: UInt16[np.ndarray, "height width"]) -> Float[np.ndarray, "3"]:
        """The centre in the next map of the video, millimetres, 0 where there is no reading."""
        stride = max(1, depth.shape[1] // _COLUMNS)
        places = slice(stride // 2, None, stride)
        z = depth[places, places] * np.float32(0.001)
        if self._rays.shape[:2] != z.shape:
            self._rays = _rays(self._intrinsics, z.shape, stride)
        per_sample = stride**2 / (self._intrinsics[0, 0] * self._intrinsics[1, 1])
        z = _off_table(z, self._rays, per_sample)
        found = self._nearest(np.where(z < _REACH, z, 0), per_sample)
        self.is_seen = found is not None
        if found is not None:
            self.centre = found
        return self.centre

    def _nearest(
        self, z: Float[np.ndarray, "rows columns"], per_sample: float
    ) -> Float[np.ndarray, "3"] | None:
        """The centre of the hand that the nearest surface ends in.

        Args:
            z: metres; 0 where nothing is looked at.
            per_sample: square metres that one stands for, at a depth of 1.
        """
        labels, count = _surfaces(z)
        flat, depths = labels.reshape(-1), z.reshape(-1)
        area = per_sample * np.bincount(flat, depths * depths, count)
        nearest = np.full(count, _REACH, np.float32)
        np.minimum.at(nearest, flat, depths)
        on_border = np.zeros(count, bool)
        for edge in (labels[0], labels[-1], labels[:, 0], labels[:, -1]):
            on_border[edge] = True
        fits = (area > _AREAS[0]) & (area < _AREAS[1])
        fits[0] = False  # what is no surface
        costs = nearest + np.where(on_border, 0, _OFF_BORDER)
        best, least = None, np.inf
        for surface in sorted(np.flatnonzero(fits), key=costs.__getitem__)[:_LOOKED_AT]:
            centre = _hand(z, self._rays, labels == surface)
            cost = costs[surface] + min(np.linalg.norm(centre - self.centre), _JUMP)
            if cost < least:
                best, least = centre, cost
        return best


def _rays(
    intrinsics: Float[np.ndarray, "3 3"], shape: tuple[int, int], stride: int
) -> Float[np.ndarray, "rows columns 3"]:
    """Points at a depth of 1, of the samples of a map."""
    y, x = stride * np.indices(shape) + stride // 2
    (fx, _, cx), (_, fy, cy) = intrinsics[:2]
    return np.stack([(x - cx) / fx, (y - cy) / fy, np.ones(shape)], axis=-1).astype(np.float32)


def _off_table(
    z: Float[np.ndarray, "rows columns"],
    rays: Float[np.ndarray, "rows columns 3"],
    per_sample: float,
) -> Float[np.ndarray, "rows columns"]:
    """The depths without the table and what is below it; as they are where no table is seen.

    A plane n with n . p = 1 for its points p: of some drawn through three points each, the one
    that most points are near.
    """
    known = np.flatnonzero((z > 0) & (z < _FARTHEST_TABLE))
    if len(known) < _FEWEST:
        return z
    points = (rays * z[..., None]).reshape(-1, 3)
    corners = points[known[(_CORNERS * len(known)).astype(int)]].astype(np.float64)
    first, second, third = np.cross(corners[[1, 2, 0]], corners[[2, 0, 1]])
    volumes = (corners[0] * first).sum(axis=1)
    drawn = np.abs(volumes) > 1e-9
    normals = ((first + second + third)[drawn] / volumes[drawn, None]).astype(np.float32)
    lengths = np.linalg.norm(normals, axis=1)
    tried = points[known[(_TRIED * len(known)).astype(int)]]
    near = np.abs(1 - tried @ normals.T) < _TABLE * lengths
    counts = near.sum(axis=0)
    best = int(counts.argmax())
    if counts[best] < _SHARE * len(tried):
        return z
    height = (1 - points @ normals[best]).reshape(z.shape) / lengths[best]
    depths = z[(z > 0) & (np.abs(height) < _TABLE)]
    is_table = per_sample * (depths * depths).sum() > _LEAST_TABLE
    return np.where(height > _OFF_TABLE, z, 0) if is_table else z


def _surfaces(
    z: Float[np.ndarray, "rows columns"],
) -> tuple[Int[np.ndarray, "rows columns"], int]:
    """Which surface each sample is of, 0 for none, and the number of these labels."""
    known = z > 0
    rows, columns = z.shape
    # Samples with a place for what joins them between each two.
    joined = np.zeros((2 * rows - 1, 2 * columns - 1), np.uint8)
    joined[::2, ::2] = known
    joined[::2, 1::2] = known[:, 1:] & known[:, :-1] & (np.abs(np.diff(z, axis=1)) < _STEP)
    joined[1::2, ::2] = known[1:] & known[:-1] & (np.abs(np.diff(z, axis=0)) < _STEP)
    count, labels = cv2.connectedComponents(joined, connectivity=4)
    return labels[::2, ::2], count


def _hand(
    z: Float[np.ndarray, "rows columns"],
    rays: Float[np.ndarray, "rows columns 3"],
    surface: Bool[np.ndarray, "rows columns"],
) -> Float[np.ndarray, "3"]:
    """The middle of the hand at the end of an arm's surface; of all of it within the picture."""
    points = rays[surface] * z[surface][:, None]
    on_border = np.zeros_like(surface)
    on_border[[0, -1]] = on_border[:, [0, -1]] = True
    cut = on_border[surface]
    if cut.any():
        distance = np.linalg.norm(points - np.median(points[cut], axis=0), axis=1)
        end = np.partition(distance, -max(1, len(distance) // 100))[-max(1, len(distance) // 100)]
        points = points[distance > end - _HAND]
    middle = points.mean(axis=0, dtype=np.float64)
    return middle * (1 + _INSIDE / middle[2])
