"""Training the depth systems against numbers of the published PyTorch code (float32, CPU)."""

import dataclasses
import functools
from collections.abc import Mapping

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from htt_jax.evaluation.depth_error import BatchErrors
from htt_jax.interop import depth_names
from htt_jax.models.depth import frozen
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.optimizer import adam, amsgrad, constant_where_frozen, freezing
from htt_jax.support import trees
from htt_jax.systems.depth.losses import (
    DepthLossWeights,
    joint_loss,
    mean_squared,
    negative_log_likelihood,
    selection,
)
from tests.parity.depth import cases, recipe

POSE, POSE_FILM, ACTION = PoseNetwork(), PoseNetwork(num_actions=45), ActionNetwork()
ATTENTION = ActionNetwork(attention=True, mask_padding=False)


@dataclasses.dataclass(frozen=True)
class System:
    """One case: what is trained, of which of the recipe's parts, and its networks' names there."""

    model: nn.Module
    parts: tuple[str, ...]
    networks: Mapping[str, str]
    frozen: tuple[str, ...] = ()


SYSTEMS = {
    "train_1": System(Chain(POSE, ACTION), ("hpe", "har"), {"hpe": "pose", "har": "action"}),
    "train_2": System(
        Feedback(POSE_FILM, ACTION), ("film_hpe", "har"), {"hpe": "pose_film", "har": "action"}
    ),
    "train_3": System(
        Ensemble(POSE, POSE_FILM, ACTION),
        ("hpe", "film_hpe", "har"),
        {"hpe_act": "pose_film", "har": "action"},
        ("pose",),
    ),
    "train_3a": System(
        Ensemble(POSE, POSE_FILM, ATTENTION),
        ("hpe", "film_hpe", "har", "attention"),
        {"hpe_act": "pose_film", "har": "action", "har_act": "action"},
        ("pose",),
    ),
}


def of_parameters(published, networks):
    """The names here of a case's parameters, in the case's order."""
    names = []
    for name in published["parameters"]:
        network, tensor = name.split(".", 1)
        path = depth_names.path_of(tensor).removeprefix("params/")
        names.append(f"{networks[network]}/{path}")
    return names


def assert_norms(found, expected, largest=5e-2, most=1e-3):
    """Apart from one in twenty they are as near as `most`; relative, tiny ones to the largest."""
    off = np.abs(np.array(found) - expected) / np.maximum(expected, 1e-4 * expected.max())
    assert off.max() < largest
    assert np.percentile(off, 95) < most


OPTIMIZER = freezing(amsgrad(lambda _: 3e-5, l2=1e-5), frozen.of_joint_training)
first_state = jax.jit(OPTIMIZER.init)


@jax.jit
def moved_by(gradients, state, params):
    """The parameters of a network after one step, and the optimizer's state."""
    updates, state = OPTIMIZER.update(gradients, state, params)
    return optax.apply_updates(params, updates), state


def norms(tree, origin=None):
    """By name, of each array, or of how far it is from where it was."""
    flat = {name: np.asarray(x) for name, x in trees.flatten(tree).items()}
    from_there = trees.flatten(origin) if origin else dict.fromkeys(flat, 0)
    return {name: np.linalg.norm(x - from_there[name]) for name, x in flat.items()}


def train(name, evaluations):
    """Evaluates the loss of a case so often, and takes the steps between.

    Yields gradients, what else was found with them, and the parameters after the step.
    """
    system, case = SYSTEMS[name], cases.CASES[name]
    variables = cases.variables(name, *system.parts)
    params, statistics = variables["params"], variables["batch_stats"]
    # The network that is not trained at all is none of the optimizer's business.
    fixed = {network: params.pop(network) for network in system.frozen}

    @jax.jit
    @functools.partial(jax.grad, has_aux=True)
    def gradients_of(params, fixed, statistics, batch, draws):
        params = constant_where_frozen(params, frozen.of_joint_training)
        variables = {"params": {**params, **fixed}, "batch_stats": statistics}
        inputs = (batch["crops"], batch["slot"], batch["valid"], *draws)
        out = system.model.apply(variables, *inputs)
        loss, terms = joint_loss(
            *(out.joints, out.log_probabilities),
            *(batch["joints"], batch["valid"], batch["action"]),
            DepthLossWeights(),
        )
        return loss, {"loss": loss, "out": out, **terms}

    batches = [cases.batch(name, seed) for seed in case["input_seeds"]]
    states = {network: first_state({network: tree}) for network, tree in params.items()}
    for i in range(evaluations):
        draws = (np.array(case["draws"][i], bool),) if "draws" in case else ()
        batch = batches[case["batch_of_step"][i]]
        gradients, found = gradients_of(params, fixed, statistics, batch, draws)
        if i < case["steps"]:
            params = dict(params)
            for network, state in states.items():  # one by one: systems share them, compiled
                mine, of_mine = {network: params[network]}, {network: gradients[network]}
                moved, states[network] = moved_by(of_mine, state, mine)
                params |= moved
        yield gradients, found, params


@pytest.mark.proof
# After its second step the feedback's norms are no measure: it hands on from frame to frame what
# rounding does to a ReLU whose input is nearly zero. In float64 they agree to 2e-4, losses to 1e-5.
@pytest.mark.parametrize(
    ("name", "evaluations"), [("train_1", 5), ("train_2", 2), ("train_3", 1), ("train_3a", 3)]
)
def test_a_joint_system_trains_as_published(name, evaluations):
    expected, start = cases.published(name), cases.variables(name, *SYSTEMS[name].parts)["params"]
    names = of_parameters(expected, SYSTEMS[name].networks)
    steps_with_norms = (0,) if name == "train_2" else (0, 1, 3)
    for i, (gradients, found, params) in enumerate(train(name, evaluations)):
        tolerance = 1e-4 if i else 1e-5
        for ours, theirs in (("loss", "loss"), ("joints", "mse"), ("action", "nll")):
            np.testing.assert_allclose(found[ours], expected[theirs][i], rtol=tolerance)
        if i == 0:
            of_gradients = norms(gradients)
            assert_norms([of_gradients[key] for key in names], expected["grad_norm"])
        if i in steps_with_norms:
            came = norms(params, start)
            assert {key for key in came if came[key]} == set(names)
            assert_norms([came[key] for key in names], expected[f"update_norm_{i + 1}"])
    if name == "train_1":
        out = found["out"]
        joints = np.asarray(out.joints).reshape(*expected["pose_last"].shape)
        np.testing.assert_allclose(joints, expected["pose_last"], atol=1e-5)
        np.testing.assert_allclose(out.log_probabilities, expected["log_prob_last"], atol=1e-5)


@pytest.mark.proof
def test_a_pose_network_is_pretrained_as_published():
    name = "hpe_pretrain"
    case, expected = cases.CASES[name], cases.published(name)
    variables = {kind: tree["pose"] for kind, tree in cases.variables(name, "hpe").items()}
    crops = recipe.crops(case["frames"], case["input_seed"])[..., None]
    target = recipe.poses(case["frames"], case["input_seed"])[:, 33:]
    optimizer = freezing(adam(lambda _: case["lr"]), frozen.of_pose_training)

    @jax.jit
    def step(params, statistics, state, crops, target):
        def loss_of(params):
            variables = {"params": params, "batch_stats": statistics}
            options = {"batch_statistics": True, "mutable": ["batch_stats"]}
            out, changed = POSE.apply(variables, crops, **options)
            loss = mean_squared(out.codes, target, jnp.ones(len(crops), bool))
            return loss, changed["batch_stats"]

        (loss, changed), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        return optax.apply_updates(params, updates), changed, state, loss, gradients

    params, statistics = variables["params"], variables["batch_stats"]
    state = jax.jit(optimizer.init)(params)
    for i in range(case["steps"] + 1):
        params, statistics, state, loss, gradients = step(params, statistics, state, crops, target)
        np.testing.assert_allclose(loss, expected["loss"][i], rtol=1e-4 if i else 1e-5)
        if i == 0:
            found = norms({"params": gradients}) | trees.flatten({"batch_stats": statistics})
    paths = {tensor: depth_names.path_of(tensor) for tensor in expected["parameters"]}
    assert_norms([found[path] for path in paths.values()], expected["grad_norm"])
    for tensor in expected.keys() - {"loss", "parameters", "grad_norm"}:
        mine = found[depth_names.path_of(tensor)]
        np.testing.assert_allclose(mine, expected[tensor], atol=1e-6, err_msg=tensor)
    fixed = trees.flatten({"params": params}).keys() - set(paths.values())
    assert fixed == {f"params/principal_components/{leaf}" for leaf in ("components", "mean")}
    for leaf, start in variables["params"]["principal_components"].items():
        np.testing.assert_array_equal(params["principal_components"][leaf], start)


def test_amsgrad_moves_as_pytorchs():
    case, expected = cases.CASES["amsgrad"], cases.published("amsgrad")["change"]
    start, gradients = recipe.gradients(case["steps"], case["n"], case["input_seed"])
    with jax.enable_x64(True):
        optimizer = amsgrad(lambda _: case["lr"], l2=case["weight_decay"])
        params = jnp.asarray(start)
        state = optimizer.init(params)
        for gradient, change in zip(gradients, expected, strict=True):
            updates, state = optimizer.update(jnp.asarray(gradient), state, params)
            params = optax.apply_updates(params, updates)
            np.testing.assert_allclose(params - start, change, rtol=1e-8, atol=1e-14)


def test_errors_and_losses_of_batches_are_the_published_ones():
    case, expected = cases.CASES["metric"], cases.published("metric")
    errors, of_batches = BatchErrors(), []
    for batch in recipe.predictions(case["lengths"], case["input_seed"]):
        found, target = batch["pred"], batch["true"]
        errors.update(*(x.reshape(-1, 21, 3) / 10 for x in (found, target)))  # metres
        counted = np.ones(len(found), bool)
        square = float(mean_squared(*map(jnp.asarray, (found, target, counted))))
        of_actions = (batch["log_prob"], batch["action"])
        likelihood = float(negative_log_likelihood(*map(jnp.asarray, of_actions)))
        of_batches.append((square, likelihood, selection(square, likelihood)))
    found = errors.result()
    np.testing.assert_allclose(found["over_batches"], expected["published_mm"], rtol=1e-6)
    frames = [sum(lengths) for lengths in case["lengths"]]
    by_frame = np.average(expected["error_mm"], weights=frames)
    np.testing.assert_allclose(found["over_frames"], by_frame, rtol=1e-6)
    for values, name in zip(
        zip(*of_batches, strict=True), ("mse", "nll", "selection"), strict=True
    ):
        np.testing.assert_allclose(values, expected[name], rtol=1e-6)
