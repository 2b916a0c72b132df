"""How a hand moves during an action: position, orientation and grip as functions of time.

Time runs from 0 to 1. An action that is another one in reverse is the same function called
with 1 - time, so both show the same frames and only their order tells which is which.
"""

import dataclasses
from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from data_prep.simulation.geometry import bump, step

Time = Float[np.ndarray, " frames"]


@dataclasses.dataclass(frozen=True)
class Style:
    """What differs between two performances of the same action."""

    size: float  # of the movement, about 1
    cycles: float  # repetitions, relative to the usual number
    phase: float  # radians


def draw_style(rng: np.random.Generator) -> Style:
    """A random performance."""
    return Style(rng.uniform(0.85, 1.2), rng.uniform(0.8, 1.25), rng.uniform(0.0, 2.0 * np.pi))


@dataclasses.dataclass(frozen=True)
class Movement:
    """Offsets from the resting place (m) and orientation (degrees); arrays (n,) or constants.

    right, up, forward: where the grip is, in the axes of the desk.
    pronation: 0 thumb up, 90 palm down. pitch: finger tips towards the palm's side.
    twist: about the vertical through the grip. closure: 0 open hand, 1 gripping. tap: index finger.
    """

    right: Time | float = 0.0
    up: Time | float = 0.0
    forward: Time | float = 0.0
    pronation: Time | float = 0.0
    pitch: Time | float = 0.0
    twist: Time | float = 0.0
    closure: Time | float = 1.0
    tap: Time | float = 0.0


@dataclasses.dataclass(frozen=True)
class Program:
    """A verb: its movement, when the object is let go (1: never), and whether a cap comes off."""

    move: Callable[[Time, Style], Movement]
    release: float = 1.0
    uncaps: bool = False


def _wave(time: Time, cycles: float, style: Style) -> Time:
    return np.sin(2.0 * np.pi * cycles * style.cycles * time + style.phase)


def _uncap(time: Time, style: Style) -> Movement:
    lift = step(time, 0.45, 0.82)
    twist = step(time, 0.08, 0.45)
    return Movement(
        right=0.075 * style.size * lift,
        up=0.075 * style.size * lift,
        pronation=-55.0 * lift,
        pitch=-15.0 * lift,
        twist=style.size * (38.0 - 80.0 * twist),
        closure=1.0 - 0.3 * step(time, 0.85, 1.0),
    )


def _pour(time: Time, style: Style) -> Movement:
    tilt = bump(time, 0.12, 0.4, 0.62, 0.9)
    return Movement(
        right=-0.05 * style.size * tilt,
        up=0.05 * style.size * tilt,
        pronation=105.0 * tilt + 5.0 * _wave(time, 4.0, style) * tilt,
    )


def _shake(time: Time, style: Style) -> Movement:
    over = bump(time, 0.0, 0.2, 0.85, 1.0)
    beat = _wave(time, 5.0, style) * over
    return Movement(
        right=0.02 * beat,
        up=0.045 * style.size * beat + 0.03 * over,
        forward=0.02 * over,
        pronation=125.0 * over,
        pitch=14.0 * beat,
    )


def _drink(time: Time, style: Style) -> Movement:
    near = bump(time, 0.1, 0.42, 0.6, 0.92)
    return Movement(
        right=-0.05 * near,
        up=0.08 * style.size * near,
        forward=-0.09 * style.size * near,
        pronation=20.0 * near,
        pitch=-10.0 * near,
        twist=55.0 * near,
    )


def _flip(time: Time, style: Style) -> Movement:
    turn = step(time, 0.25, 0.72)
    return Movement(
        right=0.11 * style.size * (turn - 0.5),
        up=0.075 * bump(time, 0.15, 0.45, 0.5, 0.85),
        pronation=-165.0 * turn + 20.0,
    )


def _circle(time: Time, style: Style) -> Movement:
    angle = 2.0 * np.pi * 2.2 * style.cycles * time + style.phase
    return Movement(
        right=0.065 * style.size * np.cos(angle),
        forward=0.05 * style.size * np.sin(angle),
        twist=14.0 * np.cos(angle),
    )


def _stir(time: Time, style: Style) -> Movement:
    angle = 2.0 * np.pi * 3.5 * style.cycles * time + style.phase
    return Movement(
        right=0.035 * style.size * np.cos(angle),
        forward=0.035 * style.size * np.sin(angle),
        pitch=12.0 * np.sin(angle),
    )


def _rub(time: Time, style: Style) -> Movement:
    beat = _wave(time, 4.0, style)
    return Movement(forward=0.055 * style.size * beat, up=0.02 * beat, pitch=10.0 * beat)


def _squeeze(time: Time, style: Style) -> Movement:
    return Movement(closure=0.6 + 0.4 * _wave(time, 3.0, style), up=0.01 * _wave(time, 3.0, style))


def _prick(time: Time, style: Style) -> Movement:
    stab = _wave(time, 1.5, style) ** 2
    return Movement(up=0.05 - 0.1 * style.size * stab, forward=0.05 * stab, pitch=25.0 * stab)


def _scoop(time: Time, style: Style) -> Movement:
    dip = bump(time, 0.1, 0.35, 0.4, 0.7)
    return Movement(
        right=0.12 * style.size * (0.5 - step(time, 0.45, 0.9)),
        up=0.05 - 0.1 * dip,
        forward=0.05 * dip,
        pronation=-60.0 * step(time, 0.3, 0.6),
    )


def _write(time: Time, style: Style) -> Movement:
    return Movement(
        right=0.12 * style.size * (time - 0.5) + 0.008 * _wave(time, 8.0, style),
        forward=0.012 * _wave(time, 9.0, style),
        pitch=6.0 * _wave(time, 8.0, style),
    )


def _press(time: Time, style: Style) -> Movement:
    beat = 0.5 + 0.5 * _wave(time, 4.0, style)
    return Movement(
        forward=0.05 * style.size * bump(time, 0.05, 0.25, 0.8, 1.0),
        up=0.012 * beat,
        tap=45.0 * beat,
    )


def _put(time: Time, style: Style) -> Movement:
    carry, leave = step(time, 0.08, 0.55), step(time, 0.68, 0.95)
    return Movement(
        right=style.size * (0.09 - 0.15 * carry + 0.07 * leave),
        up=0.05 * bump(time, 0.05, 0.3, 0.35, 0.6) - 0.045 * carry + 0.09 * leave,
        forward=style.size * (0.09 * carry - 0.04 - 0.07 * leave),
        twist=style.size * (20.0 * carry - 10.0),
        closure=1.0 - step(time, 0.6, 0.75),
    )


def _insert(time: Time, style: Style) -> Movement:
    carry, push, leave = step(time, 0.05, 0.3), step(time, 0.32, 0.6), step(time, 0.68, 0.95)
    return Movement(
        right=0.05 * style.size * (1.0 - carry),
        up=0.075 * style.size * (carry - 1.5 * push + 1.3 * leave),
        forward=0.05 * carry + 0.03 * push - 0.06 * leave,
        pronation=60.0 * carry - 15.0 * leave,
        closure=1.0 - step(time, 0.6, 0.75),
    )


def _give(time: Time, style: Style) -> Movement:
    reach, leave = step(time, 0.08, 0.5), step(time, 0.7, 0.98)
    return Movement(
        up=0.05 * reach - 0.02 * leave,
        forward=style.size * (0.15 * reach - 0.06 - 0.06 * leave),
        pronation=-90.0 * reach + 50.0 * leave,
        closure=1.0 - step(time, 0.58, 0.72),
    )


def _tear(time: Time, style: Style) -> Movement:
    pull = bump(time, 0.15, 0.35, 0.42, 0.5) + bump(time, 0.55, 0.75, 0.82, 0.95)
    return Movement(right=0.1 * style.size * pull, forward=-0.06 * pull, pronation=-40.0 * pull)


def _unfold(time: Time, style: Style) -> Movement:
    away = step(time, 0.2, 0.75)
    return Movement(
        right=0.13 * style.size * (away - 0.5),
        up=0.06 * bump(time, 0.1, 0.4, 0.5, 0.9),
        pronation=-110.0 * away + 30.0,
        closure=1.0 - 0.6 * step(time, 0.7, 0.95),
    )


def _read(time: Time, style: Style) -> Movement:
    return Movement(
        up=0.05 * bump(time, 0.0, 0.3, 0.7, 1.0),
        forward=-0.03 * bump(time, 0.0, 0.3, 0.7, 1.0),
        pronation=-60.0 + 8.0 * _wave(time, 1.0, style),
        pitch=-12.0,
    )


def _strike(time: Time, style: Style) -> Movement:
    return Movement(
        right=0.14 * style.size * (0.5 - step(time, 0.3, 0.48)),
        up=0.06 * step(time, 0.5, 0.8),
        pronation=-30.0 * step(time, 0.3, 0.48),
    )


def _toast(time: Time, style: Style) -> Movement:
    raised = bump(time, 0.1, 0.4, 0.6, 0.9)
    return Movement(
        up=0.06 * raised,
        forward=0.11 * style.size * raised + 0.015 * bump(time, 0.44, 0.49, 0.51, 0.56),
        pronation=-12.0 * raised,
    )


def _push(time: Time, style: Style) -> Movement:
    raised = bump(time, 0.1, 0.45, 0.55, 0.9)
    return Movement(
        up=0.06 * raised, forward=0.1 * style.size * raised, pitch=-60.0 * raised, closure=0.0
    )


def _hold(time: Time, style: Style) -> Movement:
    return Movement()


def _rest(time: Time, style: Style) -> Movement:
    return Movement(up=-0.03, closure=0.5 + 0.4 * np.sin(3.0 * time + style.phase))


PROGRAMS = {
    "uncap": Program(_uncap, uncaps=True),
    "pour": Program(_pour),
    "shake": Program(_shake),
    "drink": Program(_drink),
    "flip": Program(_flip),
    "circle": Program(_circle),
    "stir": Program(_stir),
    "rub": Program(_rub),
    "squeeze": Program(_squeeze),
    "prick": Program(_prick),
    "scoop": Program(_scoop),
    "write": Program(_write),
    "press": Program(_press),
    "put": Program(_put, release=0.62),
    "insert": Program(_insert, release=0.62),
    "give": Program(_give, release=0.62),
    "tear": Program(_tear),
    "unfold": Program(_unfold),
    "read": Program(_read),
    "strike": Program(_strike),
    "toast": Program(_toast),
    "push": Program(_push),
    "hold": Program(_hold),
    "rest": Program(_rest),
}
"""Every motion that an action can name."""
