"""The colours in which recordings are shown, on pictures and on the page alike."""

import colorsys
from collections.abc import Sequence

import numpy as np
from jaxtyping import UInt8

from htt_jax.datasets.spec import DatasetSpec
from htt_jax.visual import colours
from htt_jax.visual.colours import RGB

_GOLDEN = 0.618  # of the circle of hues from one colour to the next: neighbours are far apart


def of_hands(hands: Sequence[str]) -> dict[str, RGB]:
    """The colour of each hand."""
    return colours.assign(colours.HAND, hands)


def of_joints(spec: DatasetSpec) -> UInt8[np.ndarray, "joints 3"]:
    """By finger, and the root by hand: exchanged fingers show, and exchanged hands."""
    found = colours.finger_colours(spec.skeleton, len(spec.hands))
    roots = spec.skeleton.root + len(spec.skeleton.joints) * np.arange(len(spec.hands))
    found[roots] = list(of_hands(spec.hands).values())
    return found


def of_actions(actions: Sequence[str]) -> dict[str, RGB]:
    """The colour of each action, whose number nothing bounds."""
    usual = dict(zip(actions, colours.CATEGORIES, strict=False))
    return {action: usual.get(action) or _hue(i) for i, action in enumerate(actions)}


def _hue(place: int) -> RGB:
    red, green, blue = colorsys.hls_to_rgb(place * _GOLDEN % 1, 0.5, 0.5)
    return round(255 * red), round(255 * green), round(255 * blue)
