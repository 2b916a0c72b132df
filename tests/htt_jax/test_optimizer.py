import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from htt_jax.models.htt import HTT
from htt_jax.optimizer import (
    adam,
    amsgrad,
    constant_where_frozen,
    freezing,
    moments,
    muon,
    step_decay,
    with_moments,
)
from htt_jax.support import trees
from htt_jax.systems.htt.system import HTTSystem


def test_learning_rate_is_halved_every_fifteen_epochs():
    schedule = step_decay(3e-5, decay_factor=0.5, decay_epochs=15, steps_per_epoch=10)
    rates = [float(schedule(step)) for step in (0, 149, 150, 299, 300, 449)]
    np.testing.assert_allclose(rates, [3e-5, 3e-5, 1.5e-5, 1.5e-5, 0.75e-5, 0.75e-5], rtol=1e-6)


def test_learning_rate_rises_linearly_over_the_warmup():
    schedule = step_decay(1e-3, 0.5, decay_epochs=1, steps_per_epoch=100, warmup_steps=10)
    rates = [float(schedule(step)) for step in (0, 4, 9, 10, 99, 100)]
    np.testing.assert_allclose(rates, [1e-4, 5e-4, 1e-3, 1e-3, 1e-3, 5e-4], rtol=1e-6)


def test_adam_moves_as_worked_out_by_hand_without_weight_decay():
    optimizer = adam(lambda step: 0.1)
    params = {"x": jnp.array([2.0, -3.0]), "still": jnp.array([5.0])}
    state = optimizer.init(params)
    gradients = [np.array([0.5, -4.0]), np.array([-1.0, 2.0])]
    first, second, x = np.zeros(2), np.zeros(2), np.array([2.0, -3.0])
    for step, gradient in enumerate(gradients, start=1):
        updates, state = optimizer.update(
            {"x": jnp.asarray(gradient, jnp.float32), "still": jnp.zeros(1)}, state, params
        )
        params = optax.apply_updates(params, updates)
        first = 0.9 * first + 0.1 * gradient
        second = 0.999 * second + 0.001 * gradient**2
        x = x - 0.1 * (first / (1 - 0.9**step)) / (np.sqrt(second / (1 - 0.999**step)) + 1e-8)
        np.testing.assert_allclose(params["x"], x, rtol=1e-5)
    np.testing.assert_array_equal(params["still"], [5.0])


KERNELS = {"dense": (20, 48), "convolution": (3, 3, 16, 32), "narrow": (8, 3)}


def like(rng, tree):
    """Random numbers in the shapes of a tree."""
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), jnp.float32), tree)


@pytest.mark.parametrize("size", [1e-3, 1e3])
def test_muons_steps_of_kernels_are_orthogonal_and_as_large_as_adams_usually_are(size):
    params = {name: {"kernel": jnp.zeros(shape)} for name, shape in KERNELS.items()}
    gradients = jax.tree.map(lambda x: size * x, like(np.random.default_rng(0), params))
    optimizer = muon(lambda step: 0.01)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    for name, shape in KERNELS.items():
        step, gradient = (
            np.asarray(tree[name]["kernel"]).reshape(-1, shape[-1]) for tree in (updates, gradients)
        )
        left, _, right = np.linalg.svd(gradient, full_matrices=False)
        along = np.einsum("ri,rc,ic->i", left, -step, right)
        # Five iterations of Newton and Schulz leave them within a third.
        np.testing.assert_allclose(along, 0.01 * 0.2 * np.sqrt(max(step.shape)), rtol=1 / 3)
        np.testing.assert_allclose(np.linalg.norm(along), np.linalg.norm(step), rtol=1e-3)


def test_muon_keeps_a_mean_of_kernels_gradients_and_looks_one_step_ahead():
    params, rng = {"kernel": jnp.zeros((6, 4))}, np.random.default_rng(1)
    optimizer = muon(lambda step: 1.0)
    state, mean = optimizer.init(params), np.zeros((6, 4))
    for _ in range(3):
        gradients = like(rng, params)
        updates, state = optimizer.update(gradients, state, params)
        mean = 0.95 * mean + 0.05 * np.asarray(gradients["kernel"])
    # Nesterov's, both parts corrected for the start from zero.
    last = np.asarray(gradients["kernel"])
    ahead = 0.95 * mean / (1 - 0.95**4) + 0.05 * last / (1 - 0.95**3)
    left, _, right = np.linalg.svd(ahead, full_matrices=False)
    along = np.einsum("ri,rc,ic->i", left, -np.asarray(updates["kernel"]), right)
    np.testing.assert_allclose(along, 0.2 * np.sqrt(6), rtol=1 / 3)


def test_muon_leaves_to_adam_what_is_no_matrix_or_ends_a_head_or_sees_pixels():
    params = {
        "token": jnp.zeros((2, 4)),
        "layer": {"bias": jnp.zeros(4)},
        "depthwise": {"kernel": jnp.zeros((3, 3, 1, 8))},
        "conv1": {"kernel": jnp.zeros((7, 7, 3, 8))},
        "action_head": {"kernel": jnp.zeros((8, 4))},
        "pose_head": {"output": {"kernel": jnp.zeros((8, 6))}},
    }
    found = []
    for make in (adam, muon):
        optimizer, rng = make(lambda step: 0.1), np.random.default_rng(2)
        state = optimizer.init(params)
        for _ in range(2):
            updates, state = optimizer.update(like(rng, params), state, params)
        found.append(updates)
    jax.tree.map(np.testing.assert_array_equal, *found)


def test_muon_moves_the_hidden_layers_of_htt_and_no_others():
    variables = jax.eval_shape(HTTSystem(HTT(object_box=True)).random_variables, jax.random.key(0))
    state = jax.eval_shape(muon(lambda step: 0.1).init, variables["params"])
    kept = trees.flatten(variables["params"]).keys()
    moved = {
        name: x
        for name, x in trees.flatten(state.inner_states[True].inner_state[0].mu).items()
        if isinstance(x, jax.ShapeDtypeStruct)
    }
    left = {name for name in kept - moved.keys() if name.endswith("kernel")}
    assert left == {
        "backbone/conv1/kernel",
        "pose_head/output/kernel",
        "object_head/output/kernel",
        "object_box_head/output/kernel",
        "action_head/kernel",
    }
    assert all(name.endswith("kernel") for name in moved)


def test_muons_steps_leave_out_what_is_frozen():
    params = {name: {"kernel": jnp.zeros((4, 4))} for name in ("backbone", "block")}
    optimizer = freezing(muon(lambda step: 1.0), lambda name: name.startswith("backbone"))
    gradients = like(np.random.default_rng(3), params)
    updates, _ = optimizer.update(gradients, optimizer.init(params), params)
    norms = {name: float(jnp.linalg.norm(x["kernel"])) for name, x in updates.items()}
    assert norms == {"backbone": 0.0, "block": pytest.approx(0.2 * 4, rel=1 / 3)}


def test_moments_and_the_schedules_step_are_replaced_each_with_its_own_count():
    rates = optax.piecewise_constant_schedule(1.0, {5: 0.5, 8: 0.5})
    optimizer = adam(rates)
    params = {"x": jnp.array([2.0, -3.0])}
    adam_state = optax.ScaleByAdamState(
        count=jnp.asarray(3), mu={"x": jnp.array([0.1, 0.2])}, nu={"x": jnp.array([0.3, 0.4])}
    )
    state = with_moments(optimizer.init(params), adam_state, step=7)
    found = moments(state, params)
    jax.tree.map(np.testing.assert_array_equal, found, adam_state)
    updates, state = optimizer.update({"x": jnp.zeros(2)}, state)
    mean = 0.9 * np.array([0.1, 0.2]) / (1 - 0.9**4)  # Adam's fourth step
    square = 0.999 * np.array([0.3, 0.4]) / (1 - 0.999**4)
    expected = -0.5 * mean / np.sqrt(square)  # at the rate of step 7
    np.testing.assert_allclose(updates["x"], expected, rtol=1e-5)
    assert moments(state, params).count == 4
    assert state[1].count == 8


def test_frozen_parameters_stay_as_they_are_with_l2_too():
    optimizer = freezing(amsgrad(lambda step: 0.1, l2=1.0), lambda name: name == "part/still")
    params = {"part": {"still": jnp.array([5.0]), "free": jnp.array([5.0])}}
    updates, _ = optimizer.update(
        jax.tree.map(jnp.ones_like, params), optimizer.init(params), params
    )
    np.testing.assert_array_equal(updates["part"]["still"], [0.0])
    np.testing.assert_allclose(updates["part"]["free"], [-0.1], rtol=1e-4)


def test_adam_keeps_no_moments_of_frozen_parameters_and_takes_those_of_others():
    params = {"part": {"still": jnp.array([5.0, 6.0]), "free": jnp.array([5.0])}}
    optimizer = freezing(adam(lambda step: 0.1), lambda name: name == "part/still")
    state = optimizer.init(params)
    assert [x.shape for x in jax.tree.leaves(state)].count((2,)) == 0
    wanted = jax.tree.map(jnp.ones_like, params)
    adam_state = optax.ScaleByAdamState(jnp.asarray(3), wanted, wanted)
    state = with_moments(state, adam_state, step=7)
    found = moments(state, params)
    assert found.count == 3
    for tree in (found.mu, found.nu):
        np.testing.assert_array_equal(tree["part"]["still"], [0, 0])
        np.testing.assert_array_equal(tree["part"]["free"], [1])
    zeros = jax.tree.map(jnp.zeros_like, params)
    updates, _ = optimizer.update(zeros, state, params)
    np.testing.assert_array_equal(updates["part"]["still"], [0, 0])
    expected = -0.1 * (0.9 / (1 - 0.9**4)) / np.sqrt(0.999 / (1 - 0.999**4))
    np.testing.assert_allclose(updates["part"]["free"], expected, rtol=1e-5)


def test_no_gradient_is_computed_of_frozen_parameters():
    params = {"part": {"still": jnp.array([5.0]), "free": jnp.array([5.0])}}

    def loss(params):
        part = constant_where_frozen(params, lambda name: name == "part/still")["part"]
        return jnp.sum(part["still"] * part["free"])

    gradient = jax.grad(loss)(params)["part"]
    np.testing.assert_array_equal(gradient["still"], [0.0])
    np.testing.assert_array_equal(gradient["free"], [5.0])
