"""How long a hand's bones are: as dataset.toml says, or as grown people's are."""

import dataclasses
import math
import pathlib
from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Float

from data_prep.plausibility.lengths import EXPECTED
from htt_jax.datasets.skeleton import HAND
from htt_jax.support.errors import InputError

KEY = "fit_joints"
HAND_LENGTH = "hand_length"
BONES = tuple(name for i, name in enumerate(HAND.joints) if i != HAND.root)
"""A bone is called as the joint at its end."""

_DEFAULT = np.array([[32, 46, 32, 27], [92, 40, 22, 20], [90, 45, 26, 21], [84, 41, 26, 21],
                     [80, 33, 18, 20]]) / 1000  # fmt: skip
"""Metres, from the wrist to each finger's tip.

Bones and the skin beyond the last as Buryanov and Kotiuk found them in X-ray images of 66 grown
people (Proportions of hand segments, International Journal of Morphology 28(3), 2010), rounded; the
wrist's own bones, which they did not measure, are taken for 22 to 27 mm, 32 of the thumb.
"""
_MIDDLE = 2  # finger, along which a hand is measured
_LONGEST_BONE = 0.6  # of a hand's length: a palm's is about half


@dataclasses.dataclass(frozen=True)
class HandLengths:
    """The bones of a hand.

    Attributes:
        metres: in the order of `BONES`.
        said: whose they are, for people.
    """

    metres: tuple[float, ...]
    said: str

    @property
    def of_fingers(self) -> Float[np.ndarray, "5 4"]:
        """Metres, by finger, from the wrist to its tip."""
        return np.reshape(self.metres, _DEFAULT.shape)

    @property
    def whole(self) -> float:
        """Metres from the wrist along the middle finger to its tip."""
        return float(self.of_fingers[_MIDDLE].sum())


def read(path: pathlib.Path, content: Mapping[str, Any], unit: float) -> HandLengths | None:
    """What dataset.toml says of the hand whose joints are to be fitted; None: none are to be.

    Args:
        path: of the file, for messages.
        content: of the file.
        unit: metres.

    Raises:
        InputError: it says something else, or lengths that no hand has.
    """
    given = content.get(KEY, False)
    if isinstance(given, bool):
        return HandLengths(tuple(_DEFAULT.ravel().tolist()), "the default hand") if given else None
    if not isinstance(given, dict) or not given:
        raise InputError(
            f"{path}: {KEY} is {given!r}; expected true, or a table [{KEY}] with {HAND_LENGTH}, or "
            f"with the lengths of all bones, {BONES[0]} to {BONES[-1]}"
        )
    unknown = next((name for name in given if name not in (*BONES, HAND_LENGTH)), None)
    if unknown is not None:
        raise InputError(
            f"{path}: unknown key {KEY}.{unknown}; known are {HAND_LENGTH}, or all of "
            f"{', '.join(BONES)}, a bone by the joint at its end"
        )
    for name, value in given.items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and math.isfinite(value) and value > 0):
            raise InputError(f"{path}: {KEY}.{name} is {value!r}, expected a length above 0")
    if HAND_LENGTH in given:
        return _scaled(path, given, unit)
    absent = [name for name in BONES if name not in given]
    if absent:
        raise InputError(
            f"{path}: {KEY} has no {', '.join(absent)}; give the lengths of all {len(BONES)} "
            f"bones, or {HAND_LENGTH} alone"
        )
    return _checked(path, HandLengths(tuple(unit * given[name] for name in BONES), "its bones"))


def _scaled(path: pathlib.Path, given: Mapping[str, Any], unit: float) -> HandLengths:
    """The default hand, as long as another."""
    if len(given) > 1:
        other = next(name for name in given if name != HAND_LENGTH)
        raise InputError(
            f"{path}: {KEY} has both {HAND_LENGTH} and {other}; give the one, or all bones"
        )
    factor = unit * given[HAND_LENGTH] / _DEFAULT[_MIDDLE].sum()
    metres = tuple((factor * _DEFAULT).ravel().tolist())
    return _checked(path, HandLengths(metres, "its length"))


def _checked(path: pathlib.Path, found: HandLengths) -> HandLengths:
    shortest, longest = EXPECTED
    if not shortest <= found.whole <= longest:
        raise InputError(
            f"{path}: {KEY} is a hand of {found.whole:.3g} m from the wrist along the middle "
            f"finger to its tip, expected {shortest:g} to {longest:g}; are its lengths in another "
            "unit than `units`?"
        )
    for name, metres in zip(BONES, found.metres, strict=True):
        if metres > _LONGEST_BONE * found.whole:
            raise InputError(
                f"{path}: {KEY}.{name} is {metres:.3g} m, of a hand of {found.whole:.3g} m; no "
                "bone is so long"
            )
    return found
