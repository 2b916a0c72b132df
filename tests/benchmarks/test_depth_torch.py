"""What the depth systems are measured beside follows the published training."""

import jax
import numpy as np
import pytest
import torch

from benchmarks import depth_clips, depth_torch
from htt_jax import systems
from htt_jax.interop import torch_depth_program
from tests.parity.depth import cases, recipe

_DEPTH = 0.4  # metres, of all centres


def batch(case, seed):
    """The case's, as crops in millimetres and joints in metres."""
    videos = recipe.videos(case["lengths"], seed)
    valid = videos["valid"] > 0
    centre = np.full((*valid.shape, 1, 3), [0, 0, _DEPTH], np.float32)
    joints = centre + 0.1 * videos["pose"].reshape(*valid.shape, 21, 3)
    crops = 1000 * _DEPTH * (1 + videos["depth"] / 2)
    arrays = {"seen": crops[..., None], "valid": valid, "centre": centre, "joints_3d": joints}
    return {name: torch.tensor(x) for name, x in arrays.items()} | {
        "action": torch.tensor(videos["action"])
    }


@pytest.mark.proof
def test_method_1_has_the_published_losses():
    case, expected = cases.CASES["train_1"], cases.published("train_1")
    model = systems.make(depth_clips.config("direct", 128), depth_clips.dataset()).model
    step = depth_torch.TrainStep("direct", model, 128)
    variables = cases.variables("train_1", "hpe", "har")
    torch_depth_program.load(step.program.networks, jax.device_get(variables))
    found = [float(step(batch(case, case["input_seeds"][0]))) for _ in range(3)]
    np.testing.assert_allclose(found, expected["loss"][:3], rtol=1e-4)
    np.testing.assert_allclose(found[0], expected["loss"][0], rtol=1e-5)
