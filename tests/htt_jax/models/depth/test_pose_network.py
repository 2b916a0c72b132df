import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models.depth.stem import convolve_and_pool
from htt_jax.support import trees
from tests.htt_jax.models.depth import small

NETWORK = small.pose_network()
TOLD = small.pose_network(num_actions=small.ACTIONS)
TRAINING = {"batch_statistics": True, "mutable": ["batch_stats"]}
TRAINED = jax.jit(functools.partial(NETWORK.apply, **TRAINING))


@pytest.fixture(scope="module")
def variables():
    return small.variables_of(NETWORK, small.crops(1))


def test_stored_statistics_follow_those_of_the_batch_where_they_are_asked_for(variables):
    crops = small.crops(6)
    out, changed = jax.device_get(TRAINED(variables, crops))
    plain = jax.jit(NETWORK.apply)(variables, crops)
    assert np.abs(out.codes - plain.codes).max() > 1e-3
    first = variables["params"]["stem"]
    maps = jax.jit(convolve_and_pool)(crops, first["kernel"]) + first["bias"]
    maps = np.asarray(maps).reshape(-1, maps.shape[-1])
    measured = {"mean": maps.mean(axis=0), "var": maps.var(axis=0, ddof=1)}
    for name, before in variables["batch_stats"]["group1_0"]["norm1"].items():
        stored = changed["batch_stats"]["group1_0"]["norm1"][name]
        np.testing.assert_allclose(stored, 0.9 * before + 0.1 * measured[name], rtol=1e-4)


def test_a_conditioned_network_has_no_scale_in_its_branches_and_follows_the_action():
    crops = small.crops(2)
    alike = np.full((2, small.ACTIONS), 1 / small.ACTIONS, np.float32)
    sure = np.eye(small.ACTIONS, dtype=np.float32)[[0, 0]]
    one_each = np.stack([alike[0], sure[1]])
    variables = small.variables_of(TOLD, crops, alike)
    compute = jax.jit(TOLD.apply)
    by_action = jax.device_get(
        [compute(variables, crops, told).joints for told in (alike, sure, one_each)]
    )
    np.testing.assert_allclose(by_action[2][0], by_action[0][0], atol=1e-6)
    np.testing.assert_allclose(by_action[2][1], by_action[1][1], atol=1e-6)
    assert np.abs(by_action[0] - by_action[1]).max() > 1e-3
    scaled = {name for name in trees.flatten(variables["params"]) if name.endswith("/scale")}
    assert scaled == {"norm/scale", "group1_0/skip_norm/scale"}


def test_dropout_is_drawn_and_left_out_by_default(variables):
    crops = small.crops(2)
    compute = jax.jit(
        lambda key, *inputs: NETWORK.apply(*inputs, dropout=True, rngs={"dropout": key})
    )
    first, again, other = (
        compute(jax.random.key(seed), variables, crops).codes for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - other).max() > 1e-3


def test_in_bfloat16_poses_and_statistics_stay_float32(variables):
    crops = small.crops(6)
    network = small.pose_network(dtype=jnp.bfloat16)
    out, changed = jax.jit(functools.partial(network.apply, **TRAINING))(variables, crops)
    full, _ = TRAINED(variables, crops)
    assert out.codes.dtype == out.joints.dtype == jnp.float32
    assert {x.dtype for x in jax.tree.leaves(changed)} == {jnp.dtype("float32")}
    np.testing.assert_allclose(out.codes, full.codes, atol=0.1 * float(np.abs(full.codes).max()))


@pytest.mark.parametrize(
    ("network", "actions", "said"),
    [
        (NETWORK, 3, "num_actions=None; it was given probabilities of 3 actions"),
        (TOLD, None, "num_actions=3; it was given no action"),
        (TOLD, 2, "num_actions=3; it was given probabilities of 2 actions"),
    ],
)
def test_an_action_that_does_not_fit_is_refused(network, actions, said):
    action = None if actions is None else np.ones((1, actions), np.float32)
    with pytest.raises(ValueError, match=said):
        jax.eval_shape(network.init, jax.random.key(0), small.crops(1), action)


@pytest.mark.parametrize(("height", "width", "channels"), [(8, 12, 1), (7, 9, 2)])
def test_the_stem_and_its_gradients_are_those_of_convolution_and_pool(height, width, channels):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(5, 5, channels, 3)).astype(np.float32)

    def plain(x, kernel):
        y = jax.lax.conv_general_dilated(
            x, kernel, (1, 1), ((2, 2), (2, 2)), dimension_numbers=("NHWC", "HWIO", "NHWC")
        )
        window = (1, 2, 2, 1)
        return jax.lax.reduce_window(y, -jnp.inf, jax.lax.max, window, window, "VALID")

    @jax.jit
    def both(x, kernel, gradient):
        found = []
        for function in (convolve_and_pool, plain):
            result, gradients_of = jax.vjp(function, x, kernel)
            found.append((result, *gradients_of(gradient)))
        return (*found, convolve_and_pool(x, kernel))

    gradient = rng.normal(size=(2, height // 2, width // 2, 3)).astype(np.float32)
    found, expected, alone = both(x, kernel, gradient)
    np.testing.assert_allclose(alone, expected[0], atol=1e-5)
    for mine, theirs in zip(found, expected, strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-4)
