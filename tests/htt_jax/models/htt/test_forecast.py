"""Forecasts of a small network: how they begin, what they see, and what they change."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.losses import forecast_terms
from htt_jax.models.htt import HTT
from htt_jax.models.htt.forecast import Forecaster
from htt_jax.systems.htt.system import HTTSystem

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
FRAMES, STEPS, WINDOWS, JOINTS = 6, 3, 3, 21
SYSTEM = HTTSystem(HTT(**SIZES, forecast=STEPS))
LOGITS = "forecast_action_logits"
SIZE = (36, 64)  # height, width
VALID = np.arange(FRAMES) < np.array([[FRAMES], [3]])
CAMERAS = np.tile(np.array([[58, 0, 32], [0, 57, 18], [0, 0, 1]], np.float32), (2, FRAMES, 1, 1))


@pytest.fixture(scope="module")
def outputs():
    """As `per_frame` makes them, of two clips; the second has three real frames."""
    rng = np.random.default_rng(0)
    shapes = {"pose_tokens": (16,), "frame_tokens": (16,), "raw_pose": (JOINTS, 3)}
    return {n: rng.normal(size=(2, FRAMES, *s)).astype(np.float32) for n, s in shapes.items()}


@pytest.fixture(scope="module")
def variables(outputs):
    return jax.jit(functools.partial(SYSTEM.model.init, method="ahead"), static_argnums=4)(
        jax.random.key(0), outputs, VALID, CAMERAS, SIZE
    )


@pytest.fixture(scope="module")
def ahead():
    compiled = jax.jit(functools.partial(SYSTEM.model.apply, method="ahead"), static_argnums=4)
    return lambda variables, outputs: compiled(variables, outputs, VALID, CAMERAS, SIZE)


@pytest.fixture(scope="module")
def shapes():
    return jax.eval_shape(SYSTEM.random_variables, jax.random.key(0))


def test_without_it_the_parameters_are_those_of_old(shapes):
    of_old = HTTSystem(HTT(**SIZES))
    without = jax.eval_shape(of_old.random_variables, jax.random.key(0))
    with_it = shapes | {"params": dict(shapes["params"])}
    added = with_it["params"].pop("forecaster")
    names = ("future_token", "seen_to_future", "encoder", "pose_change", "action")
    assert set(added) == set(names)
    assert with_it == without


def test_it_begins_by_holding_the_last_pose(ahead, variables, outputs):
    found = ahead(variables, outputs)
    assert found["forecast_joints_3d"].shape == (2, WINDOWS, STEPS, JOINTS, 3)
    for clip, window, last in ((0, 0, 1), (0, 1, 3), (0, 2, 5), (1, 0, 1), (1, 1, 2)):
        xyz = outputs["raw_pose"][clip, last]
        pixels = 100 * xyz[:, :2] + np.array([32, 18])
        np.testing.assert_allclose(
            found["forecast_joints_2d"][clip, window], np.stack([pixels] * STEPS), rtol=1e-5
        )
        depth = 0.4 + 1e-4 * 58 * xyz[:, 2]
        np.testing.assert_allclose(
            found["forecast_depth"][clip, window], np.stack([depth] * STEPS), rtol=1e-5
        )


def test_it_sees_the_past_alone_and_its_steps_differ(ahead, variables, outputs):
    rng = np.random.default_rng(1)
    head = variables["params"]["forecaster"]
    kernel = rng.normal(0, 0.1, head["pose_change"]["kernel"].shape).astype(np.float32)
    head = head | {"pose_change": head["pose_change"] | {"kernel": kernel}}
    moved = {"params": variables["params"] | {"forecaster": head}}
    before = ahead(moved, outputs)
    assert np.abs(np.diff(before["forecast_joints_2d"], axis=2)).min() > 0

    def changed(name, frames):
        other = outputs[name].copy()
        other[0, frames] += rng.normal(size=other[0, frames].shape)
        found = ahead(moved, outputs | {name: other})
        differs = [np.abs(found[n] - before[n]) for n in ("forecast_joints_2d", LOGITS)]
        assert not any(x[1].any() for x in differs)  # of the other clip
        return [[bool(x[0, w].max() > 1e-6) for w in range(WINDOWS)] for x in differs]

    later, its_own = [False, True, True], [False, True, False]
    assert changed("frame_tokens", slice(2, 4)) == [later, later]
    assert changed("pose_tokens", slice(2, 4)) == [its_own, its_own]
    assert changed("raw_pose", slice(2, 3)) == [[False] * 3] * 2
    assert changed("raw_pose", slice(3, 4)) == [its_own, [False] * 3]


def test_the_last_pose_is_left_to_its_own_loss():
    head = Forecaster(STEPS, JOINTS, 3, 2, 16, jnp.float32)

    def total(raw_pose):
        arrays = jnp.ones((2, 16)), raw_pose, jnp.ones(2, bool), jnp.ones(16)
        poses, logits = head.init_with_output(jax.random.key(0), *arrays)[0]
        return poses.sum() + logits.sum()

    assert not jax.jit(jax.grad(total))(jnp.ones((2, JOINTS, 3))).any()


def test_the_system_tells_forecasts_and_has_their_terms(shapes):
    image = jax.ShapeDtypeStruct((2 * FRAMES, 36, 64, 3), jnp.float32)
    of_frames = {"joints_2d": (JOINTS, 2), "depth": (JOINTS,), "intrinsics": (3, 3)}
    batch = {
        "image": image,
        "slot": jax.ShapeDtypeStruct((2, FRAMES), jnp.int32),
        "valid": jax.ShapeDtypeStruct((2, FRAMES), bool),
        "hand_annotated": jax.ShapeDtypeStruct((2, FRAMES, 1), bool),
        **{n: jax.ShapeDtypeStruct((2, FRAMES, *s), jnp.float32) for n, s in of_frames.items()},
        **{n: jax.ShapeDtypeStruct((2,), jnp.int32) for n in ("object", "action")},
    }
    terms = jax.eval_shape(SYSTEM.loss, shapes, batch).terms
    names = ("joints_2d", "depth", "action")
    assert set(terms) == {*names, "object", *(f"forecast_{name}" for name in names)}
    found = jax.eval_shape(SYSTEM.estimates, shapes, batch)
    assert found["forecast_joints_3d"].shape == (2, WINDOWS, STEPS, JOINTS, 3)
    assert found["forecast_action_probabilities"].shape == (2, WINDOWS, 3)


terms_of = jax.jit(forecast_terms)


def forecasts(rng, windows, steps):
    shape = (2, windows, steps, 42)
    return {
        "forecast_joints_2d": rng.normal(size=(*shape, 2)).astype(np.float32),
        "forecast_depth": rng.normal(size=shape).astype(np.float32),
        "forecast_action_logits": rng.normal(size=(2, windows, 4)).astype(np.float32),
    }


def test_the_loss_counts_real_frames_of_the_same_clip_alone():
    """Windows of two, three steps ahead: by hand, from the first clip of six frames, five real."""
    rng = np.random.default_rng(2)
    out = forecasts(rng, windows=3, steps=3)
    hands = np.ones((2, FRAMES, 2), bool)
    hands[0, 3, 1] = False
    valid = np.arange(FRAMES) < np.array([[5], [2]])
    batch = {
        "joints_2d": np.where(valid[..., None, None], 0.5, np.inf)
        .astype(np.float32)
        .repeat(42, 2)
        .repeat(2, 3),
        "depth": np.where(valid[..., None], 0.25, np.nan).astype(np.float32).repeat(42, 2),
        "valid": valid,
        "hand_annotated": hands,
        "action": np.array([2, 1]),
    }
    terms = terms_of(out, batch)
    counted = [(0, 0, 42), (0, 1, 21), (0, 2, 42), (1, 0, 42)]  # window, step, joints
    errors = np.concatenate(
        [np.abs(out["forecast_depth"][0, w, k, :n] - 0.25) for w, k, n in counted]
    )
    np.testing.assert_allclose(terms["forecast_depth"], errors.mean(), rtol=1e-6)
    pixels = [np.abs(out["forecast_joints_2d"][0, w, k, :n] - 0.5) for w, k, n in counted]
    np.testing.assert_allclose(
        terms["forecast_joints_2d"], np.concatenate(pixels).mean(), rtol=1e-6
    )
    logs = np.asarray(jax.nn.log_softmax(out["forecast_action_logits"][0, :2]))
    np.testing.assert_allclose(terms["forecast_action"], -logs[:, 2].mean(), rtol=1e-6)


def test_a_future_that_is_nowhere_adds_nothing():
    out = forecasts(np.random.default_rng(3), windows=3, steps=3)
    batch = {
        "joints_2d": np.zeros((2, FRAMES, 42, 2), np.float32),
        "depth": np.zeros((2, FRAMES, 42), np.float32),
        "valid": np.broadcast_to(np.arange(FRAMES) < 2, (2, FRAMES)),
        "hand_annotated": np.ones((2, FRAMES, 2), bool),
        "action": np.array([0, -1]),
    }
    assert {float(x) for x in terms_of(out, batch).values()} == {0.0}
