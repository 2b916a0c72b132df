"""The depth systems in PyTorch return the published numbers."""

import numpy as np
import pytest
import torch

from htt_jax.interop import torch_depth, torch_depth_program
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.systems.depth.networks import Networks
from tests.parity.depth import cases, recipe

ACTIONS, SIZE = 45, 128
PLAIN, TOLD = PoseNetwork(), PoseNetwork(num_actions=ACTIONS)
ATTENTION = ActionNetwork(attention=True, mask_padding=False)


@pytest.fixture(scope="module")
def joint():
    """Variables of all networks of the joint case, and its input."""
    case = cases.CASES["joint_forward"]
    videos = recipe.videos(case["lengths"], case["input_seed"])
    crops = torch.tensor(videos["depth"])[..., None]
    variables = cases.variables("joint_forward", "hpe", "film_hpe", "har", "attention")
    return variables, crops, torch.tensor(videos["valid"] > 0)


def build(form, network, variables, part=None, told_equal=False):
    """In PyTorch, with those of the variables that it has."""
    module = torch_depth.make(Networks(form, network, part, ACTIONS), SIZE, told_equal)
    has_score = (network if form == "action" else getattr(network, "action", ATTENTION)).attention
    names = {name for name, _ in module.named_children()}
    kept = {
        collection: {
            name: {leaf: x for leaf, x in tree.items() if has_score or leaf != "score"}
            for name, tree in trees.items()
            if name in names
        }
        for collection, trees in variables.items()
    }
    torch_depth_program.load(module, kept)
    return module.eval()


def largest_error(found, expected):
    return np.abs(found.detach().numpy().reshape(expected.shape) - expected).max()


@pytest.mark.parametrize(
    ("network", "parts", "key"),
    [
        (ActionNetwork(), ("har",), "log_prob"),
        (ATTENTION, ("har", "attention"), "log_prob_attention"),
    ],
)
def test_action_networks_return_the_published_probabilities(network, parts, key):
    case, expected = cases.CASES["har_forward"], cases.published("har_forward")
    videos = recipe.videos(case["lengths"], case["input_seed"])
    variables = cases.variables("har_forward", *parts)
    module = build("action", network, variables)
    poses = torch.tensor(videos["pose"]).unflatten(2, (21, 3))
    found = module(poses, torch.tensor(videos["valid"] > 0))
    assert largest_error(found.log_probabilities, expected[key]) < 1e-5


@pytest.mark.parametrize(
    ("form", "network", "told_equal", "key"),
    [
        ("chain", Chain(PLAIN, ActionNetwork()), False, "1"),
        ("feedback", Feedback(TOLD, ActionNetwork()), False, "2_0"),
        ("ensemble", Ensemble(PLAIN, TOLD, ActionNetwork()), True, "3_1"),
        ("ensemble", Ensemble(PLAIN, TOLD, ATTENTION), False, "3a_0"),
    ],
)
def test_joint_systems_return_the_published_poses_and_probabilities(
    joint, form, network, told_equal, key
):
    variables, crops, valid = joint
    module = build(form, network, variables, told_equal=told_equal)
    with torch.no_grad():
        found = module(crops, valid)
    expected = cases.published("joint_forward")
    assert largest_error(found.joints, expected[f"pose_{key}"]) < 1e-5
    assert largest_error(found.log_probabilities, expected[f"log_prob_{key}"]) < 1e-5
    if form == "feedback":
        found_at_real, expected_at_real = found.over_time.exp()[valid], expected[f"w_{key}"][valid]
        assert largest_error(found_at_real, expected_at_real) < 1e-5
