"""Where poses err: by joint and finger, by how much of the hand is in the image, in the window."""

from collections.abc import Callable
from functools import partial

import numpy as np
from matplotlib.axes import Axes

from htt_jax import measures
from htt_jax.evaluation.analysis import Row, Table
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.plotting import (
    SPACES,
    Panel,
    Plot,
)
from htt_jax.measures import Space
from htt_jax.support.words import thousands
from htt_jax.visual import colours

_ROOM = 1.14  # above the highest bar, for the figure there
_STRIP = 0.16  # of the height, for the numbers of frames below a curve
_LEAST = 1.0  # millimetres that an axis of errors shows, and
_LEAST_SPAN = 0.2  # of the error, so that noise stays small


def joint_plot(by_joint: Table, by_finger: Table) -> Plot:
    """Bars for the joints of each hand, grouped by finger, with the finger's mean over them.

    Takes the tables of `analysis.by_joint` and `analysis.by_finger`, not empty.
    """
    several = len(hands_of(by_joint)) > 1
    panels = []
    for hand in hands_of(by_joint):
        for space, title in SPACES.items():
            key, name = _key_and_name(space)
            fingers = [row for row in by_finger if row["hand"] == hand and row[key] is not None]
            if not fingers:  # root-aligned, of a hand whose root is nowhere known
                continue
            means = ", ".join(f"{row['finger']} {row[key]:.1f}" for row in fingers)
            panels.append(
                Panel(
                    f"{title}, {hand} hand" if several else title,
                    f"{name} of each joint of the {hand} hand. Mean in mm: {means}.",
                    partial(_draw_joints, joints=by_joint, fingers=fingers, hand=hand, space=space),
                    (460, 260),
                )
            )
    return Plot(
        "error_by_joint",
        "Error by joint and finger",
        panels,
        "The bars of a finger run from palm to tip; the figure over them is their mean.",
    )


def visibility_plot(rows: Table) -> Plot:
    """Bars for how many of a hand's joints are in the image.

    Takes the table of `analysis.by_visibility`, not empty.
    """
    return Plot(
        "error_by_visibility",
        "Error by visibility of the hand",
        _panels(rows, "joints inside the image", _draw_visibility),
        "By how many of the hand's true joints lie inside the image, be they occluded or not; "
        "n: frames.",
    )


def window_plot(rows: Table) -> Plot:
    """A curve over the places of the pose window, the numbers of frames below it.

    Takes the table of `analysis.by_window_position`, not empty.
    """
    return Plot(
        "error_by_window_position",
        "Error by position in the window",
        _panels(rows, "position in the window", _draw_window),
        "The pose block sees the frames of a window together. Grey: frames counted at each place.",
    )


def hands_of(rows: Table) -> list[str]:
    """The hands of a table, in its order."""
    return list(dict.fromkeys(row["hand"] for row in rows))


def _panels(rows: Table, axis: str, draw: Callable[..., None]) -> list[Panel]:
    """One for each space; `axis` is what errors are drawn against."""
    panels = []
    for space, title in SPACES.items():
        key, name = _key_and_name(space)
        known = [row for row in rows if row[key] is not None]
        if not known:
            continue
        found = ", ".join(f"{row['hand']} {_place(row)}: {row[key]:.1f}" for row in known)
        description = f"{name} in mm by {axis}: {found}."
        panels.append(Panel(title, description, partial(draw, rows=known, space=space, axis=axis)))
    return panels


def _key_and_name(space: Space) -> tuple[str, str]:
    """Of the mean error in a row."""
    measure = measures.in_space("mepe", space)
    return measure.key, measure.title


def _place(row: Row) -> str:
    """Where a row stands on the axis."""
    return row["visible"] if "visible" in row else str(row["position"] + 1)


def _draw_joints(axes: Axes, *, joints: Table, fingers: Table, hand: str, space: Space) -> None:
    key, name = _key_and_name(space)
    # The same for both hands.
    known = [row for row in joints if row[key] is not None]
    highest = max(_LEAST, *(row[key] for row in known))
    place = 0.0
    centres = []
    for finger in fingers:
        values = [
            row[key] for row in known if row["hand"] == hand and row["finger"] == finger["finger"]
        ]
        places = place + np.arange(len(values))
        shade = colours.FINGER.get(finger["finger"])
        axes.bar(places, values, 0.82, color=colours.hex_code(shade) if shade else plotting.MUTED)
        centres.append(float(places.mean()))
        above = max(values) + 0.025 * highest
        axes.text(centres[-1], above, f"{finger[key]:.1f}", ha="center", va="bottom")
        place = places[-1] + 1.8
    axes.set_xticks(centres, [row["finger"] for row in fingers])
    axes.tick_params(axis="x", length=0, labelcolor=plotting.INK)
    axes.set_ylim(0, _ROOM * highest)
    plotting.draw_error_axis(axes, name)


def _draw_visibility(axes: Axes, *, rows: Table, space: Space, axis: str) -> None:
    key, name = _key_and_name(space)
    hands = plotting.hand_colours(hands_of(rows))
    bins = sorted({(row["visible_from"], row["visible"]) for row in rows})
    width = 0.8 / max(len(hands), 2)
    counts = [label for _, label in bins]
    for number, (hand, colour) in enumerate(hands.items()):
        found = {row["visible"]: row for row in rows if row["hand"] == hand}
        offset = (number - (len(hands) - 1) / 2) * width
        initial = f"{hand[0].upper()} " if len(hands) > 1 else ""
        for place, (_, label) in enumerate(bins):
            if label in found:
                value = found[label][key]
                axes.bar(place + offset, value, 0.92 * width, color=colour)
                axes.text(place + offset, value, f"{value:.1f}", ha="center", va="bottom")
            frames = found[label]["frames"] if label in found else 0
            counts[place] += f"\n{initial}n = {thousands(frames)}"
    axes.set_xticks(range(len(bins)), counts)
    axes.tick_params(axis="x", length=0)
    axes.set_xlim(-0.6, len(bins) - 0.4)
    axes.margins(y=0.1)
    axes.set_xlabel(axis)
    plotting.draw_error_axis(axes, name)
    _name_hands(axes, hands)


def _draw_window(axes: Axes, *, rows: Table, space: Space, axis: str) -> None:
    key, name = _key_and_name(space)
    hands = plotting.hand_colours(hands_of(rows))
    frames = axes.twinx()
    for number, (hand, colour) in enumerate(hands.items()):
        of_hand = [row for row in rows if row["hand"] == hand]
        places = np.array([row["position"] + 1 for row in of_hand])
        axes.plot(places, [row[key] for row in of_hand], color=colour, lw=1.6, marker="o", ms=3.5)
        width = 0.8 / len(hands)
        offset = (number - (len(hands) - 1) / 2) * width
        counts = [row["frames"] for row in of_hand]
        frames.bar(places + offset, counts, 0.92 * width, color=plotting.GRID)
    most = max(row["frames"] for row in rows)
    frames.set_ylim(0, most / _STRIP)
    frames.set_yticks([0, most], ["0", thousands(most)])
    frames.tick_params(axis="y", length=0)
    frames.spines[:].set_visible(False)
    axes.set_zorder(frames.get_zorder() + 1)
    axes.patch.set_visible(False)
    _leave_room_below(axes, [row[key] for row in rows])
    last = max(row["position"] for row in rows) + 1
    axes.set_xlim(0.4, last + 0.6)
    axes.set_xticks(_places(last))
    axes.set_xlabel(axis)
    plotting.draw_error_axis(axes, name)
    _name_hands(axes, hands)


def _leave_room_below(axes: Axes, values: list[float]) -> None:
    """Limits that show all values above the strip of frame counts."""
    middle = (min(values) + max(values)) / 2
    half = max((max(values) - min(values)) / 2 * 1.1, _LEAST_SPAN / 2 * middle, _LEAST / 2)
    low, high = middle - half, middle + half
    axes.set_ylim(low - (high - low) * (_STRIP + 0.06), high)


def _places(last: int) -> list[int]:
    """Positions to write on an axis: all, or the first and about eight evenly spaced ones."""
    step = max(1, 2 ** int(np.ceil(np.log2(last / 16))))
    return sorted({1, *range(step, last + 1, step)})


def _name_hands(axes: Axes, hands: dict[str, str]) -> None:
    if len(hands) > 1:
        for hand, colour in hands.items():
            axes.plot([], [], color=colour, lw=4, label=f"{hand} hand")
        plotting.legend_above(axes, columns=len(hands))
