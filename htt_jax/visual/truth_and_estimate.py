"""A small picture of a frame's hands: the ground truth beside the estimate."""

import numpy as np
from jaxtyping import Float

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.visual import colours, skeleton
from htt_jax.visual.drawing import Canvas, Resized, at_size, drawable, resize

_LEAST = 0.4  # of the frame is shown, along each side
_AROUND = 0.3  # of the hands' extent is shown on each side of them
_FINER = 2  # how much larger it is drawn: thin lines look better when made smaller


def compare(
    image: Canvas,
    truth_2d: Float[np.ndarray, "joints 2"],
    estimate_2d: Float[np.ndarray, "joints 2"],
    hand: Skeleton,
    size: tuple[int, int],
) -> Resized:
    """The part of a frame around its hands, with two skeletons.

    The ground truth is drawn in `colours.GROUND_TRUTH`, the estimate over it in `colours.ESTIMATE`.

    Args:
        image: RGB; stays as it is.
        truth_2d: pixels of `image`; not finite where unknown.
        estimate_2d: pixels of `image`.
        hand: the joints of each hand.
        size: (width, height) of the result.
    """
    corner, shown = _around(np.concatenate([truth_2d, estimate_2d]), image, size)
    (left, top), (width, height) = corner, shown
    fine = (_FINER * size[0], _FINER * size[1])
    canvas = resize(image[top : top + height, left : left + width], fine)
    pairs = ((truth_2d, colours.GROUND_TRUTH), (estimate_2d, colours.ESTIMATE))
    for joints, colour in pairs:
        tints = np.tile(np.array(colour, np.uint8), (len(joints), 1))
        skeleton.draw(canvas, at_size(joints - corner, shown, fine), tints, hand)
    return resize(canvas, size)


def _around(
    joints: Float[np.ndarray, "joints 2"], image: Canvas, size: tuple[int, int]
) -> tuple[tuple[int, int], tuple[int, int]]:
    """The corner and size of a part of `image`, of the shape of `size`, with the joints in it."""
    whole = np.array([image.shape[1], image.shape[0]])
    most = np.array(size) * (whole / size).min()  # the largest of that shape
    inside = np.clip(joints[drawable(joints)], 0, whole - 1)
    low, high = (inside.min(axis=0), inside.max(axis=0)) if len(inside) else (0 * whole, whole)
    needed = ((high - low) * (1 + 2 * _AROUND) / most).max()
    shown = most * np.clip(needed, _LEAST, 1)
    corner = np.clip((low + high - shown) / 2, 0, whole - shown)
    (left, top), (width, height) = corner.astype(int).tolist(), shown.astype(int).tolist()
    return (left, top), (width, height)
