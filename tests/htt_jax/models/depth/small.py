"""Depth networks that take an instant, and clips for them."""

import functools

import jax
import numpy as np

from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.pose_network import PoseNetwork

ACTIONS, SIZE = 3, 16
pose_network = functools.partial(
    PoseNetwork, components=5, stem_width=4, widths=(8, 8), blocks=2, hidden=16
)
action_network = functools.partial(ActionNetwork, num_actions=ACTIONS, width=7)


def variables_of(network, *inputs):
    """Random ones, without compiling what draws them."""
    rng = np.random.default_rng(2)

    def drawn(path, x):
        values = rng.normal(scale=max(x.shape[:-1], default=9) ** -0.5, size=x.shape)
        is_scale = path[-1].key in ("scale", "var")
        return np.asarray(np.exp(values / 3) if is_scale else values, x.dtype)

    shapes = jax.eval_shape(network.init, jax.random.key(0), *inputs)
    return jax.tree_util.tree_map_with_path(drawn, shapes)


def crops(frames, seed=0):
    """Of one hand."""
    drawn = np.random.default_rng(seed).normal(size=(frames, SIZE, SIZE, 1))
    return drawn.astype(np.float32)


def packed(lengths, longest):
    """(crops, slot, valid) of clips: slots lie in another order than frames, padding anywhere."""
    total = sum(lengths)
    valid = np.arange(longest) < np.array(lengths)[:, None]
    slot = np.random.default_rng(1).integers(0, total, valid.shape).astype(np.int32)
    slot[valid] = np.arange(total)[::-1]
    return crops(total), slot, valid
