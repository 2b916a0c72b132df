"""Draws hand skeletons onto pictures."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.visual import colours, text
from htt_jax.visual.colours import RGB
from htt_jax.visual.drawing import Canvas, disc, drawable, line

_PIECES = 4  # of a bone between joints of two colours


def draw(
    canvas: Canvas,
    joints_2d: Float[np.ndarray, "joints 2"],
    joint_colours: UInt8[np.ndarray, "joints 3"],
    hand: Skeleton,
    *,
    depth: Float[np.ndarray, " joints"] | None = None,
    thickness: int | None = None,
    outline: RGB = colours.OUTLINE,
) -> None:
    """Draws the skeletons of one or more hands over `canvas`, outlined so that they always show.

    Joints that are not finite are left out, with their bones; so is what lies outside.

    Args:
        canvas: RGB, drawn upon.
        joints_2d: pixels of `canvas`, hand by hand.
        joint_colours: bones run from the one joint's colour to the other's.
        hand: the joints of each hand.
        depth: of the joints, metres; what is nearer covers what is farther. None: all at one.
        thickness: of the bones, pixels; None: to suit the size of `canvas`.
        outline: its colour.
    """
    if thickness is None:
        thickness = _suitable_thickness(canvas)
    there = drawable(joints_2d)
    away = np.zeros(len(joints_2d)) if depth is None else np.where(np.isfinite(depth), depth, 0)
    bones = _bones(len(joints_2d), hand)
    bones = bones[there[bones].all(axis=1)]
    bones = bones[np.argsort(-away[bones].sum(axis=1), kind="stable")]
    cuts, shades = _cut_bones(joints_2d[bones], joint_colours[bones])
    # A joint is drawn when its last bone has been, so that it covers the ends of all of them.
    last = {joint: i for i, pair in enumerate(bones.tolist()) for joint in pair}
    radius = 0.5 * thickness + 1.25

    def draw_joint(joint: int) -> None:
        disc(canvas, joints_2d[joint], outline, radius + 1)
        disc(canvas, joints_2d[joint], joint_colours[joint], radius)

    for joint in np.flatnonzero(there).tolist():
        if joint not in last:
            draw_joint(joint)
    for i, pair in enumerate(bones.tolist()):
        line(canvas, cuts[i][0], cuts[i][-1], outline, thickness + 2)
        for start, end, shade in zip(cuts[i][:-1], cuts[i][1:], shades[i], strict=True):
            line(canvas, start, end, shade, thickness)
        for joint in pair:
            if last[joint] == i:
                draw_joint(joint)


def draw_hand_letters(
    canvas: Canvas,
    joints_2d: Float[np.ndarray, "joints 2"],
    hands: Sequence[str],
    hand: Skeleton,
) -> None:
    """Writes its initial, L or R, beside the wrist of each of `hands` that is there.

    It goes to the side away from the middle finger, and onto the canvas if the wrist is outside.
    """
    palm = [hand.root, hand.palm]
    size = max(11, round(min(canvas.shape[:2]) / 38))
    last = np.array(canvas.shape[1::-1]) - 1
    for name, joints in zip(hands, np.split(joints_2d, len(hands)), strict=True):
        wrist, middle = joints[palm]
        shows = (joints >= 0) & (joints <= last)
        if not drawable(joints[palm]).all() or not shows.all(axis=1).any():
            continue
        away = wrist - middle
        centre = wrist + 1.5 * size * away / max(float(np.linalg.norm(away)), 1.0)
        centre = np.clip(centre, size, last - size)
        disc(canvas, centre, colours.OUTLINE, 0.8 * size)
        text.draw(
            canvas,
            name[0].upper(),
            (centre[0] + 0.5, centre[1] + 0.37 * size),
            size=size,
            colour=colours.TEXT,
            bold=True,
            align="centre",
        )


def draw_depth_legend(canvas: Canvas, limits: tuple[float, float], corner: tuple[int, int]) -> None:
    """Draws the bar that says which colour is which depth.

    Args:
        canvas: RGB, drawn upon.
        limits: (near, far) of the colours, metres.
        corner: its left and top, pixels.
    """
    left, top = corner
    width, height, margin = 188, 38, 10
    area = canvas[top : top + height, left : left + width]
    area[:] = area // 4 + np.array(colours.BACKGROUND, np.uint8) // 4 * 3
    bar = area[margin - 1 : margin + 7, margin : width - margin]
    bar[:] = colours.depth_colours(np.linspace(*limits, bar.shape[1]), limits)
    baseline = height - 8
    near, far = (f"{100 * limit:.0f} cm" for limit in limits)
    text.draw(area, near, (margin, baseline), size=11, colour=colours.TEXT)
    middle, right = (width / 2, baseline), (width - margin, baseline)
    text.draw(area, "depth", middle, size=11, colour=colours.TEXT, align="centre")
    text.draw(area, far, right, size=11, colour=colours.TEXT, align="right")


def _suitable_thickness(canvas: Canvas) -> int:
    """Of bones, pixels, so that hands look the same on small and on large pictures."""
    return max(1, round(min(canvas.shape[:2]) / 150))


def _bones(joints: int, hand: Skeleton) -> Int[np.ndarray, "bones 2"]:
    """Pairs of joints of all hands, which have so many `joints` together."""
    starts = np.arange(0, joints, len(hand.joints))
    return (starts[:, None, None] + np.array(hand.bones, np.int64).reshape(-1, 2)).reshape(-1, 2)


def _cut_bones(
    ends: Float[np.ndarray, "bones 2 2"], end_colours: UInt8[np.ndarray, "bones 2 3"]
) -> tuple[list[list[list[float]]], list[list[list[float]]]]:
    """Where each bone is cut into pieces, (bones, pieces + 1, 2), and the colour of each piece."""
    places = np.linspace(0, 1, _PIECES + 1)[:, None]
    first, second = ends[:, :1], ends[:, 1:]
    cuts = first + places * (second - first)
    values = end_colours.astype(float)
    middles = (places[1:] + places[:-1]) / 2
    shades = values[:, :1] + middles * (values[:, 1:] - values[:, :1])
    return cuts.tolist(), shades.tolist()
