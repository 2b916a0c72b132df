"""The room: a moving head camera above a desk with things lying about, and the light."""

import dataclasses

import cv2
import numpy as np
from jaxtyping import Float, Shaped, UInt8

from data_prep.simulation.geometry import Drift, drift, rays_through, rotation, unit
from data_prep.simulation.objects import ITEMS, Solid, clutter, random_colour
from data_prep.simulation.raster import Canvas

_DESK_SIZE = 2.4  # metres along each side of the square that is painted
_WIDER = 1.5  # the painted background against the image, so that the camera can move
_JITTERS = ((-0.25, -0.1), (0.25, 0.1), (0.1, -0.25), (-0.1, 0.25))  # pixels: smooth edges

_DESKS = np.array([[168, 122, 82], [120, 84, 58], [206, 190, 168], [92, 98, 106], [190, 196, 200],
                   [142, 150, 134], [74, 62, 58], [214, 178, 132]], float)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Room:
    """Camera, desk and light of one video.

    pitch: how far the camera looks down, degrees. distance: camera to workspace, m.
    desk: height of the desk over the workspace's middle, m (negative).
    """

    pitch: float
    distance: float
    desk: float
    light: Float[np.ndarray, "3"]  # unit vector towards the light, desk axes
    ambience: Float[np.ndarray, "3"]  # factors on red, green, blue
    seed: int
    turning: Drift
    moving: Drift

    @property
    def axes(self) -> Float[np.ndarray, "3 3"]:
        """The desk's axes (columns) in the camera's at rest."""
        a = np.deg2rad(self.pitch)
        forward, up = [0.0, -np.sin(a), np.cos(a)], [0.0, -np.cos(a), -np.sin(a)]
        return np.stack([[1.0, 0.0, 0.0], forward, up], axis=1)

    @property
    def origin(self) -> Float[np.ndarray, "3"]:
        """The middle of the workspace, camera at rest."""
        return np.array([0.0, 0.0, self.distance])

    @property
    def desk_plane(self) -> tuple[Float[np.ndarray, "3"], float]:
        """Its unit normal, and that times any point of it; camera at rest."""
        normal = self.axes[:, 2]
        return normal, float(normal @ self.to_camera_at_rest(np.array([0, 0, self.desk])))

    def at_rest(
        self, place: Float[np.ndarray, "*batch 3"], axes: Float[np.ndarray, "*batch 3 3"]
    ) -> tuple[np.ndarray, np.ndarray]:
        """A pose, from the desk's axes to those of the camera at rest."""
        return self.to_camera_at_rest(place), self.axes @ axes

    def to_camera_at_rest(
        self, points: Float[np.ndarray, "*batch 3"]
    ) -> Float[np.ndarray, "*batch 3"]:
        """From the desk's axes to those of the camera at rest."""
        return points @ self.axes.T + self.origin

    def camera(self, seconds: Float[np.ndarray, " frames"]) -> tuple[np.ndarray, np.ndarray]:
        """The head camera's axes (frames, 3, 3) as columns and place (frames, 3), from its rest."""
        pitch, yaw, roll = (self.turning(seconds) * (1.2, 1.4, 1.5)).T
        return rotation(0, pitch) @ rotation(1, yaw) @ rotation(2, roll), self.moving(seconds) * (
            0.009,
            0.007,
            0.008,
        )


def draw_room(rng: np.random.Generator, desk: float, nearer: bool) -> Room:
    """A random room whose desk is at height `desk`; `nearer`: for a wide-angle camera."""
    return Room(
        pitch=rng.uniform(46.0, 60.0),
        distance=rng.uniform(0.42, 0.48) * (0.86 if nearer else 1.0),
        desk=desk,
        light=unit(np.array([rng.uniform(-0.7, 0.5), rng.uniform(-0.3, 0.5), 1.0])),
        ambience=rng.uniform(0.92, 1.06, 3) * rng.uniform(0.85, 1.08),
        seed=int(rng.integers(2**31)),
        turning=drift(rng, 3, fastest=0.6),
        moving=drift(rng, 3, fastest=0.6),
    )


class Wide:
    """The camera at rest with a wider image, and its image of the desk seen from elsewhere."""

    def __init__(self, room: Room, size: tuple[int, int], intrinsics: Float[np.ndarray, "3 3"]):
        """For views of `size` (width, height) and `intrinsics`."""
        self._view, self._view_intrinsics = size, intrinsics
        self.size = int(size[0] * _WIDER), int(size[1] * _WIDER)
        self.intrinsics = intrinsics.copy()
        self.intrinsics[0, 2] += (self.size[0] - size[0]) / 2
        self.intrinsics[1, 2] += (self.size[1] - size[1]) / 2
        self._normal, self._offset = room.desk_plane

    def seen_from(
        self,
        image: Shaped[np.ndarray, "height_wide width_wide *channels"],
        axes: Float[np.ndarray, "3 3"],
        place: Float[np.ndarray, "3"],
        border: int = cv2.BORDER_REFLECT_101,
    ) -> Shaped[np.ndarray, "height width *channels"]:
        """The wide `image` for one camera position; exact for everything at the desk's height."""
        clearance = self._offset - self._normal @ place
        to_rest = axes + np.outer(place, self._normal @ axes) / clearance
        matrix = self.intrinsics @ to_rest @ np.linalg.inv(self._view_intrinsics)
        return cv2.warpPerspective(
            image, matrix, self._view, borderMode=border,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
        )  # fmt: skip


class Background:
    """The desk and what lies on it, painted once and warped to each camera position."""

    def __init__(self, room: Room, size: tuple[int, int], intrinsics: Float[np.ndarray, "3 3"]):
        """Paints the background of `room` for images of `size` (width, height)."""
        self._room, self._size, self._intrinsics = room, size, intrinsics
        self._normal, self._offset = room.desk_plane
        self._wide = Wide(room, size, intrinsics)
        self._painted = self._paint()

    def _paint(self) -> UInt8[np.ndarray, "height width 3"]:
        wide = self._wide.size
        rng = np.random.default_rng(self._room.seed)
        things = _lie_about(rng)
        texture = _desk_texture(rng, 2 * self._size[0])
        for place, _, _, reach in things:
            _darken(texture, place, reach)
        # Texture pixels -> desk (m) -> camera at rest -> painted pixels.
        scale = _DESK_SIZE / texture.shape[0]
        to_desk = np.array([[scale, 0, -_DESK_SIZE / 2], [0, -scale, _DESK_SIZE / 2], [0, 0, 1]])
        axes = self._room.axes
        origin = self._room.to_camera_at_rest(np.array([0.0, 0.0, self._room.desk]))
        plane = np.stack([axes[:, 0], axes[:, 1], origin], axis=1)
        painted = cv2.warpPerspective(
            texture, self._wide.intrinsics @ plane @ to_desk, wide, flags=cv2.INTER_AREA,
            borderMode=cv2.BORDER_REPLICATE,
        )  # fmt: skip
        light = axes @ self._room.light
        image = painted.astype(np.float32)
        coverage = np.zeros((wide[1], wide[0], 4), np.float32)
        canvas = Canvas(wide, self._wide.intrinsics, _JITTERS)
        for jitter in range(len(_JITTERS)):
            canvas.clear(jitter)
            for solids, middle, turned in _placed(self._room, things):
                for solid in solids:
                    canvas.solid(solid, middle, turned)
            if shaded := canvas.shade(light):
                coverage[shaded[0]] += shaded[1] / len(_JITTERS)
        image = image * (1.0 - coverage[..., 3:]) + coverage[..., :3]
        return np.clip(image * self._room.ambience, 0, 255).astype(np.uint8)

    def seen_from(
        self, axes: Float[np.ndarray, "3 3"], place: Float[np.ndarray, "3"]
    ) -> UInt8[np.ndarray, "height width 3"]:
        """The background for one camera position; exact for everything at the desk's height."""
        return self._wide.seen_from(self._painted, axes, place)

    def shadow(
        self,
        axes: Float[np.ndarray, "3 3"],
        place: Float[np.ndarray, "3"],
        ends: Float[np.ndarray, "cones 2 3"],
        radii: Float[np.ndarray, "cones 2"],
    ) -> UInt8[np.ndarray, "height width"]:
        """How much of the lamp's light (255: all) rounded cones keep from the desk, camera at rest.

        axes, place: where the camera is.
        """
        factor = 4 * self._size[0] / 480
        size = round(self._size[0] / factor), round(self._size[1] / factor)
        mask = np.zeros((size[1], size[0]), np.uint8)
        light = self._room.axes @ self._room.light
        down = (self._offset - ends @ self._normal) / (light @ self._normal)
        landed = (ends + down[..., None] * light - place) @ axes
        depth = landed[..., 2].clip(0.05)
        pixels = landed @ self._intrinsics[:2].T / depth[..., None] / factor
        lines = np.clip(np.round(pixels * 16), -30000, 30000).astype(np.int32)
        wide = 2.0 * radii.mean(1) * self._intrinsics[0, 0] / factor / depth.mean(1)
        widths = np.round(wide).clip(1, 255).astype(int).tolist()
        ahead = (landed[..., 2] > 0.05).all(1)
        for line, width, shown in zip(lines, widths, ahead, strict=True):
            if shown:
                cv2.polylines(mask, [line], False, 255, width, cv2.LINE_AA, 4)
        soft = cv2.GaussianBlur(mask, (0, 0), 2.2)
        return cv2.resize(soft, self._size, interpolation=cv2.INTER_LINEAR)


def heights(room: Room, wide: Wide) -> Float[np.ndarray, "height_wide width_wide"]:
    """How far what lies on the desk reaches above it, m, in each pixel of the `wide` camera."""
    canvas = Canvas(wide.size, wide.intrinsics)
    for solids, middle, turned in _placed(room, _lie_about(np.random.default_rng(room.seed))):
        for solid in solids:
            canvas.solid(solid, middle, turned)
    depth, _ = canvas.depth()
    x, y = rays_through(wide.size, wide.intrinsics)
    (a, b, c), offset = room.desk_plane
    above = (np.float32(a) * x + (np.float32(b) * y + np.float32(c))) * depth - np.float32(offset)
    return np.where(depth < _DESK_SIZE, above, np.float32(0.0))


def _placed(
    room: Room, things: list[tuple]
) -> list[tuple[tuple[Solid, ...], np.ndarray, np.ndarray]]:
    """Solids, place and axes (columns) of `things` as from `_lie_about`; camera at rest."""
    return [
        (item.solids, *room.at_rest(np.array([*place, 0.0]) + turn[0] + (0, 0, room.desk), turn[1]))
        for place, turn, item, _ in things
    ]


def _lie_about(rng: np.random.Generator) -> list[tuple]:
    """Things around the workspace: place (2,), (offset, axes), item, radius of the shadow."""
    things = []
    nouns = sorted(set(ITEMS) - {"hand"})
    for _ in range(rng.integers(6, 11)):
        angle, radius = rng.uniform(0, 2 * np.pi), rng.uniform(0.16, 0.5)
        place = radius * np.array([1.25 * np.cos(angle), 0.9 * np.sin(angle)])
        familiar = rng.random() < 0.4
        item = ITEMS[nouns[rng.integers(len(nouns))]] if familiar else clutter(rng)
        upright = item.grip == "wrap" and rng.random() < 0.5
        spin = rotation(2, rng.uniform(0, 360))
        if upright:
            turn = np.array([0.0, 0.0, -item.bottom]), spin
        else:
            # Lying: its thin side up.
            turn = np.array([0.0, 0.0, item.radius]), spin @ rotation(0, 90.0)
        things.append((place, turn, item, max(item.radius, 0.03)))
    return things


def _desk_texture(rng: np.random.Generator, size: int) -> UInt8[np.ndarray, "size size 3"]:
    """Wood, cloth or stone, with sheets and stains on it; the same at every size."""
    colour = _DESKS[rng.integers(len(_DESKS))] * rng.uniform(0.85, 1.1)
    grain = np.zeros((size, size), np.float32)
    stretch = int(rng.choice([1, 1, 6, 10]))
    for cells, strength in ((8, 7.0), (32, 7.0), (128, 8.0), (480, 7.0)):
        rows = max(cells // stretch, 2)
        noise = rng.normal(0, strength, (rows, cells)).astype(np.float32)
        grain += cv2.resize(noise, (size, size), interpolation=cv2.INTER_CUBIC)
    texture = np.clip(colour.astype(np.float32) + grain[..., None], 0, 255).astype(np.uint8)
    for _ in range(rng.integers(2, 6)):
        centre, half = rng.uniform(0.3, 0.7, 2) * size, rng.uniform(0.02, 0.075, 2) * size
        box = cv2.boxPoints((tuple(centre), tuple(2 * half), float(rng.uniform(0, 180))))
        plain = rng.random() < 0.5
        patch = np.full(3, rng.uniform(200, 240)) if plain else np.array(random_colour(rng))
        cv2.fillConvexPoly(texture, np.round(box * 16).astype(np.int32), patch.tolist(),
                           cv2.LINE_AA, 4)  # fmt: skip
    return texture


def _darken(texture: np.ndarray, place: np.ndarray, reach: float) -> None:
    """A soft shadow on the desk under a thing."""
    size = texture.shape[0]
    scale = size / _DESK_SIZE
    x, y = size / 2 + place[0] * scale, size / 2 - place[1] * scale
    r = int(reach * 2.6 * scale)
    left, top = max(int(x) - r, 0), max(int(y) - r, 0)
    part = texture[top : int(y) + r, left : int(x) + r]
    if not part.size:
        return
    yy, xx = np.mgrid[top : top + part.shape[0], left : left + part.shape[1]]
    fall = np.exp(-((xx - x) ** 2 + (yy - y) ** 2) / (0.9 * reach * scale) ** 2 / 1.6)
    part[:] = (part * (1.0 - 0.55 * fall[..., None])).astype(np.uint8)
