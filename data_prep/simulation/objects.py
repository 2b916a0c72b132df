"""What the objects of FPHA and H2O look like here: simple solids, one look per noun.

Axes of an object: z along its length, y through its thinnest side; the origin is where it is
held. Metres; colours are RGB.
"""

import colorsys
import dataclasses

import numpy as np
from jaxtyping import Float

from data_prep.simulation.geometry import unit

Colour = tuple[int, int, int]
Band = tuple[float, float, Colour]  # from, to (fractions of the length), colour


@dataclasses.dataclass(frozen=True)
class Solid:
    """A frustum ('frustum'), a box ('box') or a rounded cone ('capsule').

    size: frustum (radius at the start, radius at the end, length), capsule the same with round
    ends; box: half extents. start: where the axis begins (frustum, capsule); centre of a box.
    axis: direction of a frustum or capsule.
    """

    kind: str
    start: tuple[float, float, float]
    size: tuple[float, float, float]
    colour: Colour
    band: Band | None = None
    axis: tuple[float, float, float] = (0.0, 0.0, 1.0)
    cap: bool = False  # comes off when the object is opened

    @property
    def bounds(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """The least and the largest x, y, z."""
        start, size = np.array(self.start), np.array(self.size)
        if self.kind == "box":
            return start - size, start + size
        axis = unit(np.array(self.axis))
        # A disc is as wide along x, y, z as its plane lets it be, a ball is so everywhere.
        wide = np.ones(3) if self.kind == "capsule" else np.sqrt(np.maximum(1 - axis**2, 0))
        ends = [(start, size[0] * wide), (start + size[2] * axis, size[1] * wide)]
        low, high = ([end + sign * reach for end, reach in ends] for sign in (-1, 1))
        return np.min(low, axis=0), np.max(high, axis=0)


@dataclasses.dataclass(frozen=True)
class Item:
    """An object: its solids, how a hand holds it, how thick it is there (m)."""

    solids: tuple[Solid, ...]
    grip: str  # 'wrap', 'flat', 'card', 'tool' or 'none'
    radius: float

    @property
    def cap_height(self) -> float:
        """Where along z the middle of the cap is; 0 without a cap."""
        caps = [s.start[2] + 0.5 * s.size[2] for s in self.solids if s.cap]
        return float(np.mean(caps)) if caps else 0.0

    @property
    def bounds(self) -> tuple[Float[np.ndarray, "3"], Float[np.ndarray, "3"]]:
        """The least and the largest x, y, z of all solids, m; of at least one."""
        ends = [solid.bounds for solid in self.solids]
        return np.min([low for low, _ in ends], axis=0), np.max([high for _, high in ends], axis=0)

    @property
    def bottom(self) -> float:
        """The lowest z of the object, m."""
        ends = [s.start[2] - (s.size[2] if s.kind == "box" else 0.0) for s in self.solids]
        return min(ends, default=0.0)


def _round(start: float, end: float, r0: float, r1: float, colour: Colour,
           band: Band | None = None, cap: bool = False) -> Solid:  # fmt: skip
    return Solid("frustum", (0, 0, start), (r0, r1, end - start), colour, band, cap=cap)


def _box(centre: tuple[float, float, float], half: tuple[float, float, float], colour: Colour,
         band: Band | None = None, cap: bool = False) -> Solid:  # fmt: skip
    return Solid("box", centre, half, colour, band, cap=cap)


def _rod(start: tuple[float, float, float], axis: tuple[float, float, float],
         size: tuple[float, float, float], colour: Colour) -> Solid:  # fmt: skip
    return Solid("capsule", start, size, colour, axis=axis)


def _bottle(radius: float, height: float, body: Colour, label: Colour, cap: Colour) -> Item:
    """A bottle with shoulder and neck, held at the middle of its body."""
    low, top = -0.5 * height, 0.5 * height
    return Item(
        (
            _round(low, top, radius, radius, body, (0.25, 0.72, label)),
            _round(top, top + 0.032, radius, 0.45 * radius, body),
            _round(top + 0.032, top + 0.042, 0.42 * radius, 0.42 * radius, body),
            _round(top + 0.042, top + 0.062, 0.55 * radius, 0.55 * radius, cap, cap=True),
        ),
        "wrap",
        radius,
    )


def _can(radius: float, height: float, body: Colour, label: Colour, lid: Colour) -> Item:
    """A can or jar with a wide lid."""
    low, top = -0.5 * height, 0.5 * height
    return Item(
        (
            _round(low, top, radius, radius, body, (0.2, 0.75, label)),
            _round(top, top + 0.014, 0.9 * radius, 0.86 * radius, lid, cap=True),
        ),
        "wrap",
        radius,
    )


def _carton(half: tuple[float, float, float], body: Colour, label: Colour, cap: Colour) -> Item:
    """A drinks carton with a screw cap."""
    return Item(
        (
            _box((0, 0, 0), half, body, (0.3, 0.62, label)),
            _box((0, 0, half[2] + 0.008), (0.75 * half[0], 0.75 * half[1], 0.008), body),
            _round(half[2] + 0.016, half[2] + 0.034, 0.017, 0.016, cap, cap=True),
        ),
        "wrap",
        half[0],
    )


def _slab(half: tuple[float, float, float], colour: Colour, band: Band | None = None,
          grip: str = "flat", lower: Colour | None = None) -> Item:  # fmt: skip
    """A flat thing; `lower` colours the side away from the palm."""
    solids = [_box((0, 0, 0), half, colour, band)]
    if lower:
        solids.append(_box((0, 1.35 * half[1], 0), (half[0], 0.4 * half[1], half[2]), lower))
    return Item(tuple(solids), grip, half[1])


def _tool(length: float, radius: float, colour: Colour, *head: Solid) -> Item:
    """A stick held like a pen, with something at its end."""
    return Item(
        (_rod((0, 0, -0.55 * length), (0, 0, 1), (radius, radius, length), colour), *head),
        "tool",
        radius,
    )


_STEEL, _WHITE = (190, 194, 200), (240, 238, 232)

ITEMS: dict[str, Item] = {
    "juice_bottle": _bottle(0.033, 0.12, (238, 128, 24), (250, 214, 70), (40, 140, 60)),
    "peanut_butter": _can(0.038, 0.1, (150, 92, 44), (214, 50, 40), (226, 60, 50)),
    "fork": _tool(0.17, 0.004, _STEEL, _box((0, 0, 0.085), (0.011, 0.002, 0.02), _STEEL)),
    "spoon": _tool(0.16, 0.004, (214, 196, 140),
                   _rod((0, 0, 0.075), (0, 0, 1), (0.012, 0.015, 0.016), (222, 204, 150))),
    "milk": _carton((0.034, 0.034, 0.065), (236, 240, 246), (36, 92, 200), (210, 36, 44)),
    "mug": Item(
        (
            _round(-0.045, 0.045, 0.038, 0.041, (196, 32, 44), (0.4, 0.55, _WHITE)),
            _round(0.0451, 0.0452, 0.035, 0.035, (70, 34, 16)),
            _rod((0.038, 0, 0.028), (1, 0, -0.25), (0.006, 0.006, 0.025), (196, 32, 44)),
            _rod((0.063, 0, 0.021), (0, 0, -1), (0.006, 0.006, 0.036), (196, 32, 44)),
            _rod((0.063, 0, -0.016), (-1, 0, -0.25), (0.006, 0.006, 0.025), (196, 32, 44)),
        ),
        "wrap",
        0.039,
    ),
    "tea_bag": _slab((0.024, 0.004, 0.03), (206, 178, 120), (0.0, 0.3, (60, 140, 60)), "card"),
    "salt": Item(
        (
            _round(-0.04, 0.03, 0.023, 0.018, (70, 160, 190), (0.2, 0.6, (236, 244, 248))),
            _round(0.03, 0.05, 0.0185, 0.015, (150, 154, 162), cap=True),
        ),
        "wrap",
        0.022,
    ),
    "liquid_soap": _bottle(0.03, 0.13, (60, 180, 120), (230, 246, 236), (246, 246, 246)),
    "sponge": _slab((0.036, 0.013, 0.055), (246, 212, 50), lower=(44, 132, 60)),
    "soda_can": _can(0.032, 0.115, (206, 30, 46), (240, 240, 244), (200, 202, 206)),
    "spray": _bottle(0.027, 0.13, (120, 60, 170), (236, 226, 246), (30, 30, 36)),
    "pen": _tool(0.15, 0.0045, (30, 50, 150),
                 _rod((0, 0, 0.065), (0, 0, 1), (0.0035, 0.001, 0.012), (30, 30, 30))),
    "paper": _slab((0.075, 0.0012, 0.1), (244, 242, 234), (0.45, 0.5, (180, 180, 190)), "card"),
    "letter": _slab((0.055, 0.003, 0.09), (226, 206, 170), (0.86, 0.95, (190, 40, 50)), "card"),
    "book": _slab((0.07, 0.014, 0.1), (36, 70, 140), (0.7, 0.85, (240, 200, 80)), "card"),
    "calculator": _slab((0.036, 0.008, 0.065), (60, 64, 70), (0.68, 0.92, (160, 190, 150))),
    "match": _tool(0.09, 0.0025, (214, 180, 130),
                   _rod((0, 0, 0.04), (0, 0, 1), (0.004, 0.004, 0.006), (190, 30, 30))),
    "cell_charger": _slab((0.018, 0.012, 0.03), (34, 34, 38), (0.0, 0.15, _STEEL)),
    "glasses": Item(
        (
            _box((-0.035, 0, 0.03), (0.026, 0.003, 0.018), (40, 44, 60)),
            _box((0.035, 0, 0.03), (0.026, 0.003, 0.018), (40, 44, 60)),
            _rod((-0.06, 0, 0.035), (0, 0.3, -1), (0.003, 0.003, 0.09), (120, 50, 30)),
            _rod((0.06, 0, 0.035), (0, 0.3, -1), (0.003, 0.003, 0.09), (120, 50, 30)),
        ),
        "flat",
        0.004,
    ),
    "wallet": _slab((0.045, 0.009, 0.055), (104, 60, 32), (0.45, 0.52, (200, 160, 90))),
    "coin": Item(
        (Solid("frustum", (0, -0.002, 0), (0.017, 0.017, 0.004), (212, 172, 60), None, (0, 1, 0)),),
        "card",
        0.004,
    ),
    "card": _slab((0.027, 0.0015, 0.043), (40, 150, 160), (0.7, 0.85, (20, 20, 24)), "card"),
    "wine_bottle": _bottle(0.036, 0.16, (38, 66, 40), (232, 220, 190), (110, 22, 36)),
    "wine_glass": Item(
        (
            _round(-0.085, -0.081, 0.032, 0.03, (206, 216, 226)),
            _round(-0.081, -0.02, 0.004, 0.004, (206, 216, 226)),
            _round(-0.02, 0.02, 0.008, 0.034, (150, 24, 50)),
            _round(0.02, 0.06, 0.034, 0.028, (206, 216, 226)),
        ),
        "wrap",
        0.02,
    ),
    "hand": Item((), "none", 0.0),
    "espresso": _can(0.027, 0.085, (50, 34, 28), (206, 170, 90), (176, 178, 182)),
    "lotion": _bottle(0.028, 0.12, (248, 226, 232), (230, 110, 150), (250, 250, 250)),
    "cocoa": _slab((0.048, 0.022, 0.068), (98, 54, 34), (0.3, 0.7, (246, 206, 140)), "wrap"),
    "chips": _can(0.036, 0.16, (220, 46, 40), (250, 214, 60), (236, 232, 226)),
    "cappuccino": _slab((0.044, 0.022, 0.062), (200, 170, 130), (0.25, 0.6, (120, 70, 40)), "wrap"),
}  # fmt: skip
"""Every noun of both datasets."""


def clutter(rng: np.random.Generator) -> Item:
    """Something that lies about: a box or a can in a random colour."""
    colour, label = random_colour(rng), random_colour(rng)
    if rng.random() < 0.6:
        x, y, z = rng.uniform((0.025, 0.006, 0.04), (0.08, 0.03, 0.12))
        return _slab((x, y, z), colour, (0.1, rng.uniform(0.2, 0.9), label))
    return _can(rng.uniform(0.02, 0.045), rng.uniform(0.05, 0.14), colour, label, label)


@dataclasses.dataclass(frozen=True)
class Sheet:
    """A sheet of paper, a folder or a tablet that faces the camera: its face and a stripe."""

    corners: Float[np.ndarray, "parts 4 3"]  # m, about the middle; x right, y down
    colours: tuple[Colour, ...]


def sheet(rng: np.random.Generator) -> Sheet:
    """Something that may pass between camera and hand."""
    colour = (232, 230, 222) if rng.random() < 0.5 else random_colour(rng)
    x, y = rng.uniform((0.08, 0.065), (0.1, 0.085))
    square = np.array([[-1.0, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]])
    stripe = square * (0.88, 0.07, 0.0) + (0.0, rng.uniform(-0.8, 0.8), 0.0)
    return Sheet(np.stack([square, stripe]) * (x, y, 1.0), (colour, random_colour(rng)))


def random_colour(rng: np.random.Generator) -> Colour:
    """A colour as things have them: seldom glaring."""
    hue, saturation, value = rng.random(), 0.9 * rng.random() ** 1.3, rng.uniform(0.2, 0.92)
    red, green, blue = (int(255 * c) for c in colorsys.hsv_to_rgb(hue, saturation, value))
    return red, green, blue


Pose = tuple[
    Float[np.ndarray, "*batch 3"], Float[np.ndarray, "*batch 3 3"]
]  # place, axes (columns)
