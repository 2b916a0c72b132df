"""Queries of joints and object in a small network: how they begin, and what each can change."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models.htt import HTT, cells
from htt_jax.models.htt.queries import Corrections, Queries
from tests.htt_jax.models.htt.test_network import drawn, drawn_like

SIZES = {
    "num_actions": 3,
    "num_objects": 2,
    "window": 2,
    "width": 16,
    "heads": 2,
    "mlp_width": 16,
    "pose_layers": 1,
    "action_layers": 1,
    "backbone_width": 2,
}
POOL, QUERIES = HTT(**SIZES), HTT(**SIZES, spatial="queries")
JOINTS, SIZE = 21, (36, 64)


@pytest.fixture(scope="module")
def batch():
    """Two clips of two windows, packed; the second has three real frames."""
    rng = np.random.default_rng(0)
    valid = np.arange(4) < np.array([[4], [3]])
    camera = np.array([[58, 0, 32], [0, 57, 18], [0, 0, 1]], np.float32)
    return {
        "image": rng.random((8, *SIZE, 3), np.float32) - 0.5,
        "slot": np.array([[0, 1, 2, 3], [4, 5, 6, 0]], np.int32),
        "valid": valid,
        "intrinsics": np.tile(camera, (2, 4, 1, 1)),
        "joints_2d": rng.uniform(0, 36, (2, 4, JOINTS, 2)).astype(np.float32),
        "depth": rng.uniform(0.3, 0.5, (2, 4, JOINTS)).astype(np.float32),
    }


@pytest.fixture(scope="module")
def opened(batch):
    """Variables of the model with queries whose gates stand open."""
    return drawn(QUERIES, *arrays_of(batch))


@pytest.fixture(scope="module")
def closed(opened):
    """The same with the gates as they begin."""

    def shut(path, x):
        return jnp.zeros_like(x) if path[-1].key == "factor" else x

    return jax.tree.map_with_path(shut, opened)


@pytest.fixture(scope="module")
def of_old(closed):
    params = {name: x for name, x in closed["params"].items() if name != "queries"}
    return closed | {"params": params}


@functools.partial(jax.jit, static_argnums=0)
def run(model, variables, batch):
    """What `per_frame` tells, and the gradient of a loss of it with respect to the queries."""

    def loss(queries):
        params = variables["params"] | ({"queries": queries} if queries else {})
        told = model.apply(variables | {"params": params}, *arrays_of(batch), method="per_frame")
        errors = [jnp.abs(told[name] - batch[name]).mean() for name in ("joints_2d", "depth")]
        return sum(errors) + jnp.square(told["object_logits"]).mean(), told

    queries = variables["params"].get("queries", {})
    gradient, told = jax.grad(loss, has_aux=True)(queries)
    return told, gradient


def arrays_of(batch):
    return [batch[name] for name in ("image", "valid", "intrinsics", "slot")]


def test_it_begins_as_the_model_without_them_and_its_gates_learn(batch, closed):
    params = {name: x for name, x in closed["params"].items() if name != "queries"}
    expected, _ = run(POOL, closed | {"params": params}, batch)
    found, gradient = run(QUERIES, closed, batch)
    assert found.keys() == expected.keys()
    for name, x in expected.items():
        np.testing.assert_array_equal(found[name], x, err_msg=name)
    for path, x in jax.tree.leaves_with_path(gradient):
        is_gate = path[-1].key == "factor"
        assert (np.abs(x) > 0).all() if is_gate else not x.any(), path


def test_behind_open_gates_every_part_learns(batch, opened):
    _, gradient = run(QUERIES, opened, batch)
    for path, x in jax.tree.leaves_with_path(gradient):
        # A bias of all keys alike changes no attention.
        assert np.abs(x).max() > 1e-7, path


def test_padding_changes_no_real_frame(batch, opened):
    told, _ = run(QUERIES, opened, batch)
    image = batch["image"].copy()
    image[7] = 100  # of no frame
    again, _ = run(QUERIES, opened, batch | {"image": image})
    for name, x in told.items():
        real = batch["valid"]
        np.testing.assert_array_equal(again[name][real], x[real], err_msg=name)


@pytest.fixture(scope="module")
def look():
    """Tokens of what queries find in maps, and where they looked last; variables are open."""
    module = Queries(num_joints=5, layers=2, width=16, heads=2, mlp_width=16, dtype=jnp.float32)
    rng = np.random.default_rng(1)
    sizes = [(*cells.grid(stage, SIZE), 8 * stage) for stage in cells.STAGES]
    maps = tuple(jnp.asarray(rng.random((3, *size), np.float32)) for size in sizes)
    variables = drawn_like(jax.eval_shape(lambda: module.init(jax.random.key(0), maps, SIZE)))
    apply = jax.jit(functools.partial(module.apply, mutable=["intermediates"]), static_argnums=2)
    return variables["params"], maps, lambda params, maps: apply({"params": params}, maps, SIZE)


def test_tokens_follow_their_queries_whatever_their_order(look):
    params, maps, apply = look
    tokens, _ = apply(params, maps)
    order = np.array([3, 0, 4, 1, 2])
    embedding = params["joints"]["embedding"][order]
    other, _ = apply(params | {"joints": {"embedding": embedding}}, maps)
    np.testing.assert_allclose(other, tokens[:, [*order, 5]], rtol=1e-4, atol=1e-5)
    assert np.abs(tokens[:, 0] - tokens[:, 1]).max() > 0.1


def test_each_frame_is_looked_at_by_itself_and_weights_add_up(look):
    params, maps, apply = look
    tokens, seen = apply(params, maps)
    for layer in ("layer_0", "layer_1"):
        (weights,) = seen["intermediates"][layer]["cross"]["weights"]
        np.testing.assert_allclose(weights.sum(axis=-1), 1, rtol=1e-5)
    changed = maps[0].at[1].multiply(jnp.linspace(0, 2, maps[0].shape[-1]))
    other, _ = apply(params, (changed, *maps[1:]))
    np.testing.assert_array_equal(other[::2], tokens[::2])
    assert np.abs(other[1] - tokens[1]).max() > 0.01


def test_a_joints_token_corrects_that_joint_alone():
    module = Corrections(jnp.float32)
    rng = np.random.default_rng(2)
    joints, frame = (rng.normal(size=size).astype(np.float32) for size in ((2, 5, 8), (2, 8)))
    other_joint, other_frame = joints.copy(), frame.copy()
    other_joint[1, 3] += 1
    other_frame[1] += 1
    variables = drawn_like(jax.eval_shape(module.init, jax.random.key(0), joints, frame))
    apply = jax.jit(module.apply)
    before = np.asarray(apply(variables, joints, frame))
    found = np.asarray(apply(variables, other_joint, frame))
    changed = np.argwhere((found != before).any(axis=-1))
    np.testing.assert_array_equal(changed, [[1, 3]])
    found = np.asarray(apply(variables, joints, other_frame))
    assert (found[1] != before[1]).any(axis=-1).all()
    np.testing.assert_array_equal(found[0], before[0])
