"""Attention weights of a tiny model, and how they are put together."""

import jax
import numpy as np
import pytest

from htt_jax.models.htt import HTT, attention_weights
from htt_jax.prediction import attention
from htt_jax.systems.htt.system import HTTSystem


def small_model(window):
    """With variables, and inputs of one clip of eight frames, of which five are real."""
    model = HTT(
        num_actions=3, num_objects=2, window=window, width=32, heads=2, mlp_width=32,
        backbone_width=4,
    )  # fmt: skip
    rng = np.random.default_rng(0)
    batch = {
        "image": rng.uniform(-0.5, 0.5, (1, 8, 24, 32, 3)).astype(np.float32),
        "valid": np.arange(8)[None] < 5,
        "intrinsics": np.broadcast_to(np.eye(3, dtype=np.float32), (1, 8, 3, 3)),
    }
    abstract = jax.eval_shape(model.init, jax.random.key(0), *batch.values())

    def draw(x):
        return rng.uniform(0.05, 0.2, x.shape).astype(np.float32) * rng.choice([-1, 1], x.shape)

    variables = jax.tree.map(draw, abstract)
    variables["batch_stats"] = jax.tree.map(np.abs, variables["batch_stats"])
    return model, variables, batch


@pytest.fixture(scope="module")
def windowed():
    return small_model(window=4)


def even(variables, block):
    """The variables of a model whose final layer of `block` attends to all it sees alike."""

    def changed(path, x):
        names = [key.key for key in path[1:-1]]
        return 0 * x if names == [block, "layer_1", "attention", "query_key"] else x

    return jax.tree_util.tree_map_with_path(changed, variables)


def test_weights_add_up_and_padding_has_none(windowed):
    found = jax.jit(attention_weights.weights, static_argnums=0)(*windowed)
    action, pose = np.array(found["action_attention"]), np.array(found["pose_attention"])
    assert action.shape == (1, 8)
    assert (action[:, :5] > 0).all()
    assert (action[:, 5:] == 0).all()
    assert 0.3 < action.sum() < 1  # the rest is the token's own
    assert pose.shape == (1, 2, 4, 4)
    np.testing.assert_allclose(pose.sum(axis=-1), 1, rtol=1e-5)
    assert (pose[0, 0] > 0).all()
    np.testing.assert_array_equal(pose[0, 1], np.eye(4)[[0] * 4])  # only its first frame is real


def test_weights_are_those_of_the_final_layers(windowed):
    model, variables, batch = windowed
    weights = jax.jit(attention_weights.weights, static_argnums=0)
    found = weights(model, even(variables, "action_block"), batch)
    np.testing.assert_allclose(found["action_attention"], [[1 / 6] * 5 + [0] * 3], rtol=1e-6)
    assert np.ptp(found["pose_attention"][0, 0]) > 1e-4
    found = weights(model, even(variables, "pose_block"), batch)
    np.testing.assert_allclose(found["pose_attention"][0, 0], 0.25, rtol=1e-6)
    assert np.ptp(found["action_attention"][0, :5]) > 1e-4


def test_weights_beside_predictions_cost_little(windowed):
    model, variables, batch = windowed

    def predict(variables, batch):
        return HTTSystem(model).estimates(variables, batch)

    def both(variables, batch):
        return predict(variables, batch) | attention_weights.weights(model, variables, batch)

    cost, of_both = (
        jax.jit(f).lower(variables, batch).compile().cost_analysis()["flops"]
        for f in (predict, both)
    )
    assert of_both < 1.1 * cost  # of a tiny backbone; of the paper's a thousandth


def test_a_model_without_a_pose_block_has_the_actions_only():
    found = jax.jit(attention_weights.weights, static_argnums=0)(*small_model(window=1))
    assert set(found) == {"action_attention"}
    outputs = {name: np.array(array[0]) for name, array in found.items()}
    collected = attention.collect([np.array([0, 2, 4]), np.array([1, 3])], [outputs, outputs])
    assert collected.pose is None
    assert (collected.action > 0).tolist() == [[True] * 3, [True] * 2 + [False]]


def test_collected_windows_name_their_raw_frames():
    pose = np.arange(2 * 2 * 2).reshape(2, 2, 2).astype(np.float32)
    outputs = [{"action_attention": np.array([0.1, 0.2, 0.3, 0.4]), "pose_attention": pose}] * 2
    found = attention.collect([np.array([0, 2, 4]), np.array([1, 3])], outputs)
    np.testing.assert_allclose(found.action, [[0.1, 0.2, 0.3], [0.1, 0.2, 0]])
    assert found.window_frames.tolist() == [[0, 2], [4, -1], [1, 3]]
    np.testing.assert_array_equal(found.pose, [pose[0], [[4, 5], [0, 0]], pose[0]])


def test_outputs_without_attention_have_none():
    assert attention.collect([np.array([0])], [{"depth": np.zeros((1, 21))}]) is None
