"""The project's colours, for pictures and plots alike; RGB, 0 to 255.

The five hues are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), moved until people with
any kind of colour blindness tell all of them apart and each is readable on dark and on white.
"""

from collections.abc import Sequence
from typing import TypeAlias

import cv2
import numpy as np
from jaxtyping import Float, UInt8

from htt_jax.datasets.skeleton import Skeleton

RGB: TypeAlias = tuple[int, int, int]

FINGER: dict[str, RGB] = {
    "thumb": (194, 70, 42),
    "index": (230, 159, 0),
    "middle": (18, 192, 142),
    "ring": (70, 114, 250),
    "little": (164, 100, 166),
}
WRIST: RGB = (214, 219, 226)

HAND: dict[str, RGB] = {"left": (70, 114, 250), "right": (230, 159, 0)}

GROUND_TRUTH: RGB = (255, 255, 255)  # on pictures, where its dark outline makes it readable
ESTIMATE: RGB = (20, 166, 240)  # far from skin

CATEGORIES: tuple[RGB, ...] = (
    (70, 114, 250),
    (230, 159, 0),
    (18, 192, 142),
    (164, 100, 166),
    (194, 70, 42),
)
"""For things without colours of their own, such as actions, in the order in which they appear."""

BACKGROUND: RGB = (15, 18, 23)
OUTLINE: RGB = (12, 14, 18)  # around skeletons on pictures
GRID: RGB = (46, 52, 61)
FAINT: RGB = (98, 106, 118)  # marks that may be missed
MUTED: RGB = (152, 161, 172)  # text that explains
TEXT: RGB = (232, 236, 241)

DEFAULT_DEPTH_LIMITS = (0.2, 0.7)
"""Where an egocentric camera sees hands, metres; for when no depth is known beforehand."""

_DEPTH_STEP = 0.05  # metres

# Plasma without its darkest blues, reversed: near is bright yellow, far is violet.
_PLASMA = cv2.applyColorMap(np.arange(256, dtype=np.uint8)[:, None], cv2.COLORMAP_PLASMA)
_DEPTH = np.ascontiguousarray(_PLASMA[56:245][::-1, 0, ::-1])


def hex_code(colour: RGB) -> str:
    """The colour as HTML and matplotlib write it, '#d55e00'."""
    return "#{:02x}{:02x}{:02x}".format(*colour)


def of_fingers(hand: Skeleton) -> dict[str, RGB]:
    """The colour of each finger; of one that is none of the usual five, one of those left."""
    return assign(FINGER, tuple(hand.fingers))


def finger_colours(hand: Skeleton, hands: int) -> UInt8[np.ndarray, "joints 3"]:
    """The colour of each joint of so many hands, by finger; the wrist is grey."""
    colour_of = of_fingers(hand)
    one = np.tile(np.array(WRIST, np.uint8), (len(hand.joints), 1))
    for finger, joints in hand.fingers.items():
        one[list(joints)] = colour_of[finger]
    return np.tile(one, (hands, 1))


def depth_colours(
    depth: Float[np.ndarray, " points"], limits: tuple[float, float]
) -> UInt8[np.ndarray, "points 3"]:
    """The colour of each depth, metres, between the `limits` (near, far) and not beyond them."""
    near, far = limits
    place = (np.where(np.isfinite(depth), depth, far) - near) / (far - near)
    last = len(_DEPTH) - 1
    return _DEPTH[np.clip(place * last, 0, last).astype(int)]


def depth_limits(depth: Float[np.ndarray, "*any"]) -> tuple[float, float]:
    """(near, far) in metres, whole 5 cm, that hold nearly all of a video's depths."""
    finite = depth[np.isfinite(depth)]
    if not finite.size:
        return DEFAULT_DEPTH_LIMITS
    low, high = np.percentile(finite, (1, 99))
    near = np.floor(low / _DEPTH_STEP) * _DEPTH_STEP
    far = max(np.ceil(high / _DEPTH_STEP) * _DEPTH_STEP, near + 2 * _DEPTH_STEP)
    return round(float(near), 2), round(float(far), 2)


def assign(
    taken: dict[str, RGB], names: Sequence[str], palette: Sequence[RGB] = CATEGORIES
) -> dict[str, RGB]:
    """A colour for each name: the one it had in `taken`, else one that no other name has.

    Names beyond the palette's length are faint.
    """
    kept = {name: taken[name] for name in names if name in taken}
    free = iter([colour for colour in palette if colour not in kept.values()])
    return {name: kept[name] if name in kept else next(free, FAINT) for name in names}
