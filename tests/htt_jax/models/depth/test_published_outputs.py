"""The depth networks against numbers that the published PyTorch code returned (float32, CPU)."""

import jax
import numpy as np
import pytest

from htt_jax.models.depth import principal_components
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from htt_jax.models.depth.pose_network import PoseNetwork
from tests.parity.depth import cases, recipe

POSE, POSE_FILM, ACTION = PoseNetwork(), PoseNetwork(num_actions=45), ActionNetwork()
ATTENTION = ActionNetwork(attention=True, mask_padding=False)
TOLERANCE = 1e-5


def is_near(found, expected):
    return np.abs(np.asarray(found) - expected).max() < TOLERANCE


def assert_near(found, expected, **keys):
    """`found` of each name is what `expected` has of that key."""
    off = {name: key for name, key in keys.items() if not is_near(found[name], expected[key])}
    assert not off


def of_network(name, *parts):
    """Variables of one network alone."""
    found = cases.variables(name, *parts)
    return {kind: tree[cases.NETWORKS[parts[0]]] for kind, tree in found.items() if tree}


def everything_inside(network):
    """The network, giving what each of its modules returned too."""
    options = {"capture_intermediates": True, "mutable": ["intermediates"]}
    return jax.jit(lambda *arguments: network.apply(*arguments, **options))


def pose_and_what_led_to_it(out, state):
    found = state["intermediates"]
    inside = {name: found[name]["__call__"][0] for name in found if name != "__call__"}
    maps = {"stem": "stem", "final_bn": "norm", **{f"group{i}": f"group{i}_4" for i in range(1, 5)}}
    return {
        "pca": out.codes,
        "joints": out.joints.reshape(-1, 63),
        **{f"mean_{theirs}": inside[ours].mean(axis=(1, 2)) for theirs, ours in maps.items()},
        **{f"fc{i}": jax.nn.relu(inside[f"hidden{i}"]) for i in (1, 2)},
    }


def test_the_pose_network_computes_what_is_published_at_every_stage():
    case, expected = cases.CASES["hpe_forward"], cases.published("hpe_forward")
    crops = recipe.crops(case["frames"], case["input_seed"])[..., None]
    outputs = everything_inside(POSE)(of_network("hpe_forward", "hpe"), crops)
    found = pose_and_what_led_to_it(*outputs)
    assert found.keys() == expected.keys()
    assert_near(found, expected, **{name: name for name in found})


def test_a_conditioned_pose_network_computes_what_is_published_at_every_stage():
    case, expected = cases.CASES["film_hpe_forward"], cases.published("film_hpe_forward")
    frames = case["frames"]
    crops = recipe.crops(frames, case["input_seed"])[..., None]
    variables = of_network("film_hpe_forward", "film_hpe")
    compute = everything_inside(POSE_FILM)
    for told, action in {
        "w_eq": np.full((frames, 45), 1 / 45, np.float32),
        "given": recipe.probabilities(frames, case["input_seed"]),
    }.items():
        found = pose_and_what_led_to_it(*compute(variables, crops, action))
        assert_near(found, expected, **{name: f"{name}_{told}" for name in found})


def test_the_action_network_computes_what_is_published_with_and_without_attention():
    case, expected = cases.CASES["har_forward"], cases.published("har_forward")
    lengths = case["lengths"]
    poses = recipe.padded(recipe.poses(sum(lengths), case["input_seed"]), lengths)
    valid = np.arange(poses.shape[1]) < np.array(lengths)[:, None]
    variables = of_network("har_forward", "har", "attention")
    attended, state = everything_inside(ATTENTION)(variables, poses, valid)
    found = {
        "hidden": state["intermediates"]["lstm"]["__call__"][0],
        "attention": attended.attention,
        "log_prob_attention": attended.log_probabilities,
        "log_prob": jax.jit(ACTION.apply)(variables, poses, valid).log_probabilities,
    }
    assert_near(found, expected, **{name: name for name in found})


@pytest.fixture(scope="module")
def joint():
    """The case's batch, and its published numbers."""
    name = "joint_forward"
    return cases.batch(name, cases.CASES[name]["input_seed"]), cases.published(name)


def packed(batch):
    return batch["crops"], batch["slot"], batch["valid"]


def flat(joints):
    return np.asarray(joints).reshape(*joints.shape[:2], 63)


def test_a_chain_computes_what_is_published(joint):
    batch, expected = joint
    variables = cases.variables("joint_forward", "hpe", "har")
    out = jax.jit(Chain(POSE, ACTION).apply)(variables, *packed(batch))
    assert is_near(flat(out.joints), expected["pose_1"])
    assert is_near(out.log_probabilities, expected["log_prob_1"])


def test_feedback_computes_what_is_published(joint):
    batch, expected = joint
    variables = cases.variables("joint_forward", "film_hpe", "har")
    compute = jax.jit(Feedback(POSE_FILM, ACTION).apply)
    for i, draws in enumerate(cases.CASES["joint_forward"]["draws_2"]):
        out = compute(variables, *packed(batch), np.array(draws, bool))
        assert is_near(flat(out.joints), expected[f"pose_2_{i}"])
        assert is_near(out.log_probabilities, expected[f"log_prob_2_{i}"])
        told = np.exp(out.action_over_time) * batch["valid"][..., None]
        assert is_near(told, expected[f"w_2_{i}"])


@pytest.mark.proof
@pytest.mark.parametrize(("system", "action"), [("3", ACTION), ("3a", ATTENTION)])
def test_an_ensemble_computes_what_is_published(joint, system, action):
    batch, expected = joint
    variables = cases.variables("joint_forward", "hpe", "film_hpe", "har", "attention")
    compute = jax.jit(
        lambda *arguments: Ensemble(POSE, POSE_FILM, action).apply(
            *arguments,
            capture_intermediates=lambda module, _: module.name in ("action", "pose_film"),
            mutable=["intermediates"],
        )
    )
    for draw in (0, 1):
        out, state = compute(variables, *packed(batch), np.array(draw, bool))
        inside = state["intermediates"]
        second = np.zeros((*batch["valid"].shape, 63), np.float32)
        second[batch["valid"]] = inside["pose_film"]["__call__"][0].joints.reshape(-1, 63)
        found = {
            f"pose_{system}_{draw}": flat(out.joints),
            f"log_prob_{system}_{draw}": out.log_probabilities,
            f"pose2_{system}_{draw}": second,
            f"log_prob1_{system}": inside["action"]["__call__"][0].log_probabilities,
            f"log_prob2_{system}_{draw}": inside["action"]["__call__"][1].log_probabilities,
        }
        if action is ATTENTION:
            found["attention_3a"] = out.attention
        assert_near(found, expected, **{name: name for name in found})


def test_principal_components_are_the_published_ones():
    case, expected = cases.CASES["pca"], cases.published("pca")
    poses = recipe.pose_matrix(case["rows"], case["input_seed"])
    found = principal_components.fit(poses, 30)
    codes = (poses - found.mean) @ found.components.T
    restored = codes @ found.components + found.mean
    assert is_near(found.mean, expected["mean"])
    assert is_near(found.components, expected["components"])
    assert is_near(codes.var(axis=0, ddof=1), expected["variance"])
    assert is_near(codes[:5], expected["codes"])
    assert is_near(restored[:5], expected["restored"])
