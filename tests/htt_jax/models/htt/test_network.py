import functools
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import camera
from htt_jax.models.htt import HTT, rematerialised

SMALL = functools.partial(
    HTT,
    num_actions=3,
    num_objects=2,
    window=4,
    width=32,
    heads=4,
    mlp_width=64,
    pose_layers=1,
    action_layers=1,
    backbone_width=4,
)
FRAMES, HEIGHT, WIDTH = 8, 36, 64
POSES = ("joints_2d", "depth", "joints_3d", "object_logits")


def shapes(model, height=HEIGHT, width=WIDTH):
    """Shapes of variables and outputs; nothing is computed."""
    image = jax.ShapeDtypeStruct((2, 16, height, width, 3), jnp.float32)
    valid = jax.ShapeDtypeStruct((2, 16), bool)
    intrinsics = jax.ShapeDtypeStruct((2, 16, 3, 3), jnp.float32)
    out, variables = jax.eval_shape(
        model.init_with_output, jax.random.key(0), image, valid, intrinsics
    )
    return variables, {name: x.shape for name, x in out.items()}


@pytest.fixture(scope="module")
def inputs():
    rng = np.random.default_rng(0)
    image = rng.random((2, FRAMES, HEIGHT, WIDTH, 3), np.float32) - 0.5
    valid = np.ones((2, FRAMES), bool)
    valid[1, 6:] = False
    intrinsics = np.array([[58, 0, 32], [0, 57, 18], [0, 0, 1]], np.float32)
    return image, valid, np.broadcast_to(intrinsics, (2, FRAMES, 3, 3))


def drawn(model, *inputs):
    """Variables much as they start, sooner made than compiled: kernels random, biases zero."""
    return drawn_like(jax.eval_shape(model.init, jax.random.key(0), *inputs))


def drawn_like(abstract):
    """Variables of these shapes."""
    rng = np.random.default_rng(0)

    def draw(path, x):
        if path[-1].key in ("scale", "var"):
            return jnp.ones(x.shape)
        deviation = 0 if path[-1].key in ("bias", "mean") else math.prod(x.shape[:-1]) ** -0.5
        return jnp.asarray(deviation * rng.normal(size=x.shape), x.dtype)

    return jax.tree.map_with_path(draw, abstract)


@pytest.fixture(scope="module")
def variables(inputs):
    return drawn(SMALL(), *inputs)


@pytest.fixture(scope="module")
def apply(variables):
    compiled = jax.jit(SMALL().apply)
    return lambda *inputs: jax.device_get(compiled(variables, *inputs))


@pytest.fixture(scope="module")
def out(apply, inputs):
    return apply(*inputs)


def test_a_frame_changes_the_poses_of_its_own_window_only(apply, inputs, out):
    image, *others = inputs
    changed = image.copy()
    changed[0, 5] += 0.2
    found = apply(changed, *others)
    for name in POSES:
        np.testing.assert_array_equal(found[name][0, :4], out[name][0, :4], err_msg=name)
        np.testing.assert_array_equal(found[name][1], out[name][1], err_msg=name)
        differs = found[name][0, 4:] != out[name][0, 4:]
        assert differs.reshape(4, -1).any(axis=1).all(), name
    assert (found["action_logits"][0] != out["action_logits"][0]).all()
    np.testing.assert_array_equal(found["action_logits"][1], out["action_logits"][1])


def test_what_is_in_padding_changes_no_real_frame(apply, inputs, out):
    image, valid, intrinsics = inputs
    changed = image.copy()
    changed[~valid] = 100.0
    found = apply(changed, valid, intrinsics)
    for name in POSES:
        np.testing.assert_array_equal(found[name][valid], out[name][valid], err_msg=name)
    np.testing.assert_array_equal(found["action_logits"], out["action_logits"])


def test_a_clip_of_padding_alone_is_finite(apply, inputs):
    image, valid, intrinsics = inputs
    found = apply(image, np.zeros_like(valid), intrinsics)
    assert all(np.isfinite(x).all() for x in found.values())


def test_joints_in_camera_space_project_to_the_joints_in_the_image(inputs, out):
    joints_2d, depth = camera.project(out["joints_3d"], inputs[2])
    np.testing.assert_allclose(joints_2d, out["joints_2d"], atol=1e-3)
    np.testing.assert_array_equal(depth, out["depth"])


def test_untrained_poses_lie_about_the_middle_of_the_image_at_forty_centimetres(out):
    np.testing.assert_allclose(out["joints_2d"].mean(axis=(0, 1, 2)), [32, 18], atol=60)
    np.testing.assert_allclose(out["depth"].mean(), 0.4, atol=0.05)


def test_bfloat16_gives_close_results_in_float32(variables, inputs, out):
    found = jax.jit(SMALL(dtype=jnp.bfloat16).apply)(variables, *inputs)
    assert {x.dtype for x in found.values()} == {jnp.dtype("float32")}
    np.testing.assert_allclose(found["joints_2d"], out["joints_2d"], atol=4)
    np.testing.assert_allclose(found["joints_3d"], out["joints_3d"], atol=0.03)
    for name in ("object_logits", "action_logits"):
        np.testing.assert_allclose(found[name], out[name], atol=0.06)


def test_default_model_has_the_papers_number_of_parameters():
    variables, out = shapes(HTT())
    parameters = sum(math.prod(x.shape) for x in jax.tree.leaves(variables["params"]))
    assert round(parameters / 1e6, 1) == 25.5
    assert out == {
        "joints_2d": (2, 16, 21, 2),
        "depth": (2, 16, 21),
        "joints_3d": (2, 16, 21, 3),
        "object_logits": (2, 16, 26),
        "action_logits": (2, 45),
    }


def test_two_hands_have_forty_two_joints():
    _, out = shapes(SMALL(num_joints=42))
    assert out["joints_3d"] == (2, 16, 42, 3)


def test_parallel_blocks_share_nothing_but_the_frame_features():
    cascaded, expected = shapes(SMALL())
    parallel, out = shapes(SMALL(cascaded=False))
    assert out == expected
    assert set(cascaded["params"]) - set(parallel["params"]) == {
        "pose_to_action",
        "object_to_action",
        "action_input",
    }


@pytest.mark.parametrize(
    ("action_inputs", "missing"),
    [
        (("pose", "object"), set()),
        (("image", "object"), {"pose_to_action"}),
        (("image", "pose"), {"object_to_action"}),
        (("image",), {"pose_to_action", "object_to_action"}),
    ],
)
def test_each_input_of_the_action_block_can_be_left_out(action_inputs, missing):
    full, expected = shapes(SMALL())
    variables, out = shapes(SMALL(action_inputs=action_inputs))
    assert out == expected
    assert set(full["params"]) - set(variables["params"]) == missing
    assert variables["params"]["action_input"]["kernel"].shape == (32 * len(action_inputs), 32)


def test_a_window_of_one_frame_has_no_pose_block():
    full, expected = shapes(SMALL())
    variables, out = shapes(SMALL(window=1))
    assert out == expected
    assert set(full["params"]) - set(variables["params"]) == {"pose_block"}


@pytest.mark.parametrize("layers", [1, 3])
def test_depth_of_the_encoders_can_be_chosen(layers):
    variables, _ = shapes(SMALL(pose_layers=layers, action_layers=2))
    assert len(variables["params"]["pose_block"]) == layers + 1  # and the last norm
    assert len(variables["params"]["action_block"]) == 2 + 1


def test_features_of_another_width_are_projected():
    variables, out = shapes(SMALL(backbone_width=8))
    assert variables["params"]["image_projection"]["kernel"].shape == (64, 32)
    assert out["action_logits"] == (2, 3)


def test_frames_that_are_no_whole_windows_are_refused():
    with pytest.raises(ValueError, match="16 frames are not a multiple of the window, 3"):
        shapes(SMALL(window=3))


def test_packed_frames_give_what_padded_clips_give(inputs, variables, apply):
    image, valid, intrinsics = inputs
    valid = np.array([[True] * 5 + [False] * 3, [True] * 2 + [False] * 6])
    padded = apply(image, valid, intrinsics)
    packed = image[valid]
    slot = np.minimum(np.cumsum(valid).reshape(valid.shape) - 1, len(packed) - 1)
    found = apply(packed, valid, intrinsics, slot)
    for name in POSES:
        np.testing.assert_allclose(found[name][valid], padded[name][valid], rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(
        found["action_logits"], padded["action_logits"], rtol=1e-4, atol=1e-5
    )


def test_windows_of_padding_alone_are_not_computed(inputs, variables):
    image, _, intrinsics = inputs
    valid = np.array([[True] * 4 + [False] * 4, [True] * 3 + [False] * 5])
    slot = np.minimum(np.cumsum(valid).reshape(valid.shape) - 1, 6)
    packed = [jnp.asarray(x) for x in (image[valid], valid, intrinsics, slot)]
    apply = functools.partial(SMALL().apply, mutable=["intermediates"])
    _, seen = jax.eval_shape(apply, variables, *packed)
    (weights,) = seen["intermediates"]["pose_block"]["layer_0"]["attention"]["weights"]
    assert weights.shape == (1, 3, 4, 4)  # 7 // 4 windows and one for each clip, of 4 in the clips


def test_gradients_do_not_depend_on_packing(inputs, variables):
    image, valid, intrinsics = inputs
    valid = np.array([[True] * 5 + [False] * 3, [True] * 2 + [False] * 6])
    slot = np.minimum(np.cumsum(valid).reshape(valid.shape) - 1, valid.sum() - 1)
    packed = image[valid]
    image, packed, valid, intrinsics, slot = map(
        jnp.asarray, (image, packed, valid, intrinsics, slot)
    )

    def loss(out):
        poses = jnp.where(valid[..., None, None], jnp.square(out["joints_3d"]), 0.0).sum()
        return poses + jnp.square(out["action_logits"]).sum()

    model = SMALL()
    statistics = {"batch_stats": variables["batch_stats"]}
    expected = jax.jit(
        jax.grad(lambda p: loss(model.apply({"params": p} | statistics, image, valid, intrinsics)))
    )(variables["params"])
    found = jax.jit(
        jax.grad(
            lambda p: loss(model.apply({"params": p} | statistics, packed, valid, intrinsics, slot))
        )
    )(variables["params"])
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(
            one, other, rtol=2e-3, atol=1e-5 * float(jnp.abs(other).max() + 1)
        )


def step_of(model, state, batch):
    """The compiled gradient of a sum over what the model returns."""

    def loss(params):
        out = model.apply({**state, "params": params}, *batch)
        return jnp.square(out["joints_3d"]).sum() + jnp.square(out["action_logits"]).sum()

    return jax.jit(jax.grad(loss)).lower(state["params"]).compile()


@pytest.mark.proof
def test_rematerialising_gives_the_same_gradients_from_less_memory(monkeypatch):
    monkeypatch.setattr(rematerialised, "FRAMES_AT_ONCE", 5)
    places = 11  # three times four at once, and the last is filled up
    kept = SMALL()
    again = kept.clone(rematerialise=True)
    rng = np.random.default_rng(0)
    image = rng.random((places, 64, 96, 3), np.float32) - 0.5
    valid = np.arange(8) < np.array([[8], [places - 8]])
    slot = np.minimum(np.arange(16).reshape(2, 8), places - 1)
    intrinsics = np.tile(np.array([[90, 0, 48], [0, 90, 32], [0, 0, 1]], np.float32), (2, 8, 1, 1))
    batch = [jnp.asarray(x) for x in (image, valid, intrinsics, slot)]
    state, same = drawn(again, *batch), drawn(kept, *batch)
    jax.tree.map(np.testing.assert_array_equal, state, same)
    ours, theirs = step_of(again, state, batch), step_of(kept, state, batch)
    for one, other in zip(
        jax.tree.leaves(ours(state["params"])),
        jax.tree.leaves(theirs(state["params"])),
        strict=True,
    ):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=1e-4 * np.abs(other).max())
    memory = [step.memory_analysis().temp_size_in_bytes for step in (ours, theirs)]
    assert memory[0] < 0.75 * memory[1]
