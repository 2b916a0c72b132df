"""Training the depth systems against numbers of the published PyTorch code (float32, CPU)."""

import dataclasses
import functools
from collections.abc import Mapping

import flax.linen as nn
import jax
import numpy as np
import optax
import pytest

from htt_jax import depth_losses
from htt_jax.depth_losses import DepthLossWeights, joint_loss
from htt_jax.depth_metrics import BatchErrors
from htt_jax.interop import depth_names
from htt_jax.models.depth import frozen
from htt_jax.models.depth.action_network import ActionNetwork
from htt_jax.models.depth.chain import Chain
from htt_jax.models.depth.ensemble import Ensemble
from htt_jax.models.depth.feedback import Feedback
from htt_jax.models.depth.pose_network import PoseNetwork
from htt_jax.optimizer import adam, amsgrad, freezing
from htt_jax.support import trees
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


def train(name, steps):
    """Takes so many steps of a case; of each what it found, and how far parameters came by then."""
    system, case = SYSTEMS[name], cases.CASES[name]
    variables = cases.variables(name, *system.parts)
    is_frozen = functools.partial(frozen.of_joint_training, networks=system.frozen)
    optimizer = freezing(amsgrad(lambda _: 3e-5, l2=1e-5), is_frozen)

    def loss_of(params, batch, draws):
        inputs = (batch["crops"], batch["slot"], batch["valid"])
        out = system.model.apply({**variables, "params": params}, *inputs, *draws)
        targets = (batch["joints"], batch["valid"], batch["action"])
        loss, terms = joint_loss(out.joints, out.log_probabilities, *targets, DepthLossWeights())
        return loss, {"loss": loss, "out": out, **terms}

    @jax.jit
    def step(params, state, batch, draws):
        (_, found), gradients = jax.value_and_grad(loss_of, has_aux=True)(params, batch, draws)
        updates, state = optimizer.update(gradients, state, params)
        norms = jax.tree.map(optax.tree.norm, gradients)
        return optax.apply_updates(params, updates), state, found | {"gradient_norms": norms}

    batches = [cases.batch(name, seed) for seed in case["input_seeds"]]
    start = trees.flatten(variables["params"])
    params, state = variables["params"], optimizer.init(variables["params"])
    for i in range(steps):
        draws = (np.array(case["draws"][i], bool),) if "draws" in case else ()
        batch = batches[case["batch_of_step"][i]]
        params, state, found = step(params, state, batch, draws)
        now = trees.flatten(params)
        yield found, {key: np.linalg.norm(np.asarray(now[key]) - x) for key, x in start.items()}


@pytest.mark.parametrize(
    ("name", "evaluations"), [("train_1", 5), ("train_2", 2), ("train_3", 5), ("train_3a", 5)]
)
def test_a_joint_system_trains_as_published(name, evaluations):
    expected = cases.published(name)
    names = of_parameters(expected, SYSTEMS[name].networks)
    most = 2e-3 if name == "train_2" else 1e-3  # through time, rounding adds up
    for i, (found, moved) in enumerate(train(name, evaluations)):
        tolerance = 1e-4 if i else 1e-5
        for ours, theirs in (("loss", "loss"), ("joints", "mse"), ("action", "nll")):
            np.testing.assert_allclose(found[ours], expected[theirs][i], rtol=tolerance)
        if i == 0:
            norms = trees.flatten(found["gradient_norms"])
            assert_norms([norms[key] for key in names], expected["grad_norm"], most=most)
            assert {key for key in moved if moved[key]} == set(names)
        if i in (0, 1, 3):
            assert_norms([moved[key] for key in names], expected[f"update_norm_{i + 1}"], most=most)
    if i == 4:
        joints = np.asarray(found["out"].joints).reshape(*expected["pose_last"].shape)
        np.testing.assert_allclose(joints, expected["pose_last"], atol=1e-4)
        log_probabilities = found["out"].log_probabilities
        np.testing.assert_allclose(log_probabilities, expected["log_prob_last"], atol=1e-4)


def test_a_pose_network_is_pretrained_as_published():
    case, expected = cases.CASES["hpe_pretrain"], cases.published("hpe_pretrain")
    variables = {
        kind: tree["pose"] for kind, tree in cases.variables("hpe_pretrain", "hpe").items()
    }
    crops = jax.numpy.asarray(recipe.crops(case["frames"], case["input_seed"])[..., None])
    target = jax.numpy.asarray(recipe.poses(case["frames"], case["input_seed"])[:, 33:])
    optimizer = freezing(adam(lambda _: case["lr"]), frozen.of_pose_training)

    @jax.jit
    def step(params, statistics, state):
        def loss_of(params):
            out, changed = POSE.apply(
                {"params": params, "batch_stats": statistics},
                crops,
                batch_statistics=True,
                mutable=["batch_stats"],
            )
            everywhere = jax.numpy.ones(len(crops), bool)
            return depth_losses.mean_squared(out.codes, target, everywhere), changed["batch_stats"]

        (loss, changed), gradients = jax.value_and_grad(loss_of, has_aux=True)(params)
        updates, state = optimizer.update(gradients, state, params)
        norms = jax.tree.map(optax.tree.norm, gradients)
        return optax.apply_updates(params, updates), changed, state, loss, norms

    params, statistics = variables["params"], variables["batch_stats"]
    state = optimizer.init(params)
    for i in range(case["steps"] + 1):
        params, statistics, state, loss, norms = step(params, statistics, state)
        np.testing.assert_allclose(loss, expected["loss"][i], rtol=1e-4 if i else 1e-5)
        if i == 0:
            found = trees.flatten({"params": norms, "batch_stats": statistics})
            paths = {name: depth_names.path_of(name) for name in expected["parameters"]}
            assert_norms([found[path] for path in paths.values()], expected["grad_norm"])
            assert set(trees.flatten({"params": params})) - set(paths.values()) == {
                "params/principal_components/components",
                "params/principal_components/mean",
            }
            for name in expected.keys() - {"loss", "parameters", "grad_norm"}:
                np.testing.assert_allclose(
                    found[depth_names.path_of(name)], expected[name], atol=1e-6
                )


def test_amsgrad_moves_as_pytorchs():
    case, expected = cases.CASES["amsgrad"], cases.published("amsgrad")["change"]
    start, gradients = recipe.gradients(case["steps"], case["n"], case["input_seed"])
    with jax.enable_x64(True):
        optimizer = amsgrad(lambda _: case["lr"], l2=case["weight_decay"])
        params = jax.numpy.asarray(start)
        state = optimizer.init(params)
        for gradient, change in zip(gradients, expected, strict=True):
            updates, state = optimizer.update(jax.numpy.asarray(gradient), state, params)
            params = optax.apply_updates(params, updates)
            np.testing.assert_allclose(params - start, change, rtol=1e-8, atol=1e-14)


def test_errors_and_losses_of_batches_are_the_published_ones():
    case, expected = cases.CASES["metric"], cases.published("metric")
    errors, of_batches = BatchErrors(), []
    for batch in recipe.predictions(case["lengths"], case["input_seed"]):
        joints, target = (batch[key].reshape(-1, 21, 3) / 10 for key in ("pred", "true"))
        errors.update(joints, target)
        frames = jax.numpy.ones(len(joints), bool)
        likelihood = depth_losses.negative_log_likelihood(
            jax.numpy.asarray(batch["log_prob"]), jax.numpy.asarray(batch["action"])
        )
        square = depth_losses.mean_squared(
            *(jax.numpy.asarray(batch[key]) for key in ("pred", "true")), frames
        )
        chosen_by = depth_losses.selection(float(square), float(likelihood))
        of_batches.append((square, likelihood, chosen_by))
    found = errors.result()
    np.testing.assert_allclose(found["over_batches"], expected["published_mm"], rtol=1e-6)
    frames = [sum(lengths) for lengths in case["lengths"]]
    by_frame = np.average(expected["error_mm"], weights=frames)
    np.testing.assert_allclose(found["over_frames"], by_frame, rtol=1e-6)
    for values, name in zip(
        zip(*of_batches, strict=True), ("mse", "nll", "selection"), strict=True
    ):
        np.testing.assert_allclose(values, expected[name], rtol=1e-6)
