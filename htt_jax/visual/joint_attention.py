"""Where each joint's query looks: its attention over the frame, a tile for each joint."""

from collections.abc import Sequence

import cv2
import numpy as np
from jaxtyping import Float

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.visual import colours, text
from htt_jax.visual.drawing import Canvas, Resized, at_size, drawable, resize

NOTE = (
    "Attention of each joint's query, and of the object's, to places in the frame; final layer, "
    "mean of its heads.\nAll tiles of a frame share one scale. Ring: where the joint is estimated."
)
"""What the tiles show, two lines."""

_TILE = 150  # pixels, longer side
_LABEL, _GAP = 17, 6
_DARK = 0.45  # what is left of the frame's brightness
_PAPER, _INK = (255, 255, 255), (27, 32, 39)


def draw(
    image: Canvas,
    maps: Float[np.ndarray, "tokens rows columns"],
    joints_2d: Float[np.ndarray, "joints 2"],
    hand: Skeleton,
    hands: Sequence[str],
    pitch: tuple[float, float],
) -> Resized:
    """All tiles of a frame: a row for each place along a finger, a column for each finger.

    Args:
        image: RGB; stays as it is.
        maps: of each joint and, the last one, of the object.
        joints_2d: pixels of `image`; not finite where nothing is to be marked.
        hand: the joints of each hand.
        hands: their names, in the order of the joints.
        pitch: (x, y) pixels of `image` from the centre of a map's cell to that of the next; the
            first lies on the first pixel.
    """
    height, width, _ = image.shape
    scale = _TILE / max(height, width)
    size = (round(scale * width), round(scale * height))
    dark = (_DARK * cv2.cvtColor(resize(image, size), cv2.COLOR_RGB2GRAY)).astype(np.float32)
    marks = at_size(joints_2d, (width, height), size)
    of_tile = (pitch[0] * size[0] / width, pitch[1] * size[1] / height)
    columns = _columns(hand, hands)
    rows = max(map(len, columns))
    step = np.array([size[0] + _GAP, size[1] + _GAP + _LABEL])
    canvas = np.full((rows * step[1], len(columns) * step[0] - _GAP, 3), _PAPER, np.uint8)
    for column, entries in enumerate(columns):
        for row, (label, token) in enumerate(entries):
            left, top = (int(x) for x in step * (column, row))
            tile = _tile(dark, maps[token] / maps.max(), of_tile)
            if token < len(marks) and drawable(marks[token][None])[0]:
                _ring(tile, marks[token])
            name, letters = text.fit(label, size[0], 12)
            text.draw(canvas, name, (left, top + _LABEL - 4), size=letters, colour=_INK)
            canvas[top + _LABEL : top + _LABEL + size[1], left : left + size[0]] = tile
    return canvas


def page(title: str, frames: Sequence[tuple[str, Canvas]]) -> Resized:
    """The same with a title above, and what it shows."""
    lines = NOTE.split("\n")
    content = stacked(frames)
    head = 40 + 16 * len(lines)
    height, width, _ = content.shape
    canvas = np.full((head + height + 12, width + 32, 3), _PAPER, np.uint8)
    text.draw(canvas, title, (16, 28), size=18, colour=_INK, bold=True)
    for number, line in enumerate(lines):
        line, letters = text.fit(line, width, 12)
        text.draw(canvas, line, (16, 46 + 16 * number), size=letters, colour=colours.FAINT)
    canvas[head : head + height, 16 : 16 + width] = content
    return canvas


def stacked(frames: Sequence[tuple[str, Canvas]]) -> Resized:
    """The tiles of several frames below each other, each with its name above."""
    line = 24
    width = max(picture.shape[1] for _, picture in frames)
    height = sum(line + picture.shape[0] for _, picture in frames)
    canvas = np.full((height, width, 3), _PAPER, np.uint8)
    top = 0
    for name, picture in frames:
        text.draw(canvas, name, (0, top + 14), size=13, colour=_INK, bold=True)
        bottom = top + line + picture.shape[0]
        canvas[top + line : bottom, : picture.shape[1]] = picture
        top = bottom
    return canvas


def smooth(
    weights: Float[np.ndarray, "rows columns"], size: tuple[int, int], pitch: tuple[float, float]
) -> Float[np.ndarray, "height width"]:
    """A map at `size` (width, height), of which a cell is `pitch` (x, y) pixels."""
    # A cell's centre is that of a pixel of the model's image, and its first one that of the first.
    to_map = np.array([[1 / pitch[0], 0, 0], [0, 1 / pitch[1], 0]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    found = cv2.warpAffine(
        weights.astype(np.float32), to_map, size, flags=flags, borderMode=cv2.BORDER_REPLICATE
    )
    return np.clip(found, 0, None)


def _columns(hand: Skeleton, hands: Sequence[str]) -> list[list[tuple[str, int]]]:
    """(label, token) of each tile: of each hand the joints of no finger, then finger by finger."""
    found: list[list[tuple[str, int]]] = []
    of_fingers = {joint for joints in hand.fingers.values() for joint in joints}
    joints = len(hand.joints)
    for number, name in enumerate(hands):
        start = number * joints
        rest = [
            (f"{name} {hand.joints[joint].replace('_', ' ')}", start + joint)
            for joint in range(joints)
            if joint not in of_fingers
        ]
        if number == 0:
            rest.append(("object", len(hands) * joints))
        found.append(rest)
        found += [
            [(f"{name} {finger} {place}", start + joint) for place, joint in enumerate(chain, 1)]
            for finger, chain in hand.fingers.items()
        ]
    return found


def _tile(
    dark: Float[np.ndarray, "height width"],
    weights: Float[np.ndarray, "rows columns"],
    pitch: tuple[float, float],
) -> Canvas:
    height, width = dark.shape
    share = np.minimum(smooth(weights, (width, height), pitch), 1)
    heat = cv2.applyColorMap((255 * share).astype(np.uint8), cv2.COLORMAP_INFERNO)[..., ::-1]
    weight = share[..., None]
    return (dark[..., None] * (1 - weight) + heat * weight).astype(np.uint8)


def _ring(tile: Canvas, centre: Float[np.ndarray, "2"]) -> None:
    x, y = (round(16 * float(value)) for value in centre)
    cv2.circle(tile, (x, y), 16 * 4, colours.GROUND_TRUTH, 1, cv2.LINE_AA, 4)
