"""The depth parity cases as this project takes them: variables, inputs, the published numbers."""

import functools
import json
import pathlib

import numpy as np

from htt_jax.interop import depth_names
from tests.parity.depth import recipe

HERE = pathlib.Path(__file__).parent
CASES = json.loads((HERE / "cases.json").read_text())
NETWORKS = {"hpe": "pose", "film_hpe": "pose_film", "har": "action", "attention": "action"}
"""The recipe's parts, and the networks here whose variables they are."""


def published(name):
    """Every array of a case."""
    return dict(np.load(HERE / f"{name}.npz"))


@functools.cache
def _of_part(part, seed):
    return depth_names.to_variables(recipe.weights(part, seed))


def variables(name, *parts):
    """Variables of the networks that `parts` of a case are, side by side."""
    found = {"params": {}, "batch_stats": {}}
    for part in parts:
        for collection, tree in _of_part(part, CASES[name]["seeds"][part]).items():
            found[collection].setdefault(NETWORKS[part], {}).update(tree)
    return found


def batch(name, seed):
    """A batch of packed clips; poses in units of 100 mm."""
    lengths = CASES[name]["lengths"]
    videos = recipe.videos(lengths, seed)
    valid = videos["valid"].astype(bool)
    slot = np.zeros(valid.shape, np.int32)
    slot[valid] = np.arange(sum(lengths))
    return {
        "crops": videos["depth"][valid][..., None],
        "slot": slot,
        "valid": valid,
        "joints": videos["pose"].reshape(*valid.shape, 21, 3),
        "action": videos["action"].astype(np.int32),
    }
