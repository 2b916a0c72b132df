import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import augment
from htt_jax.losses import LossWeights, htt_loss

CLIPS, FRAMES, JOINTS, OBJECTS, ACTIONS = 2, 3, 42, 3, 4


@pytest.fixture
def out():
    rng = np.random.default_rng(0)

    def random(*shape):
        return jnp.asarray(rng.normal(size=shape).astype(np.float32))

    return {
        "joints_2d": random(CLIPS, FRAMES, JOINTS, 2),
        "depth": random(CLIPS, FRAMES, JOINTS),
        "object_logits": random(CLIPS, FRAMES, OBJECTS),
        "action_logits": random(CLIPS, ACTIONS),
    }


@pytest.fixture
def batch():
    return {
        "joints_2d": jnp.zeros((CLIPS, FRAMES, JOINTS, 2)),
        "depth": jnp.zeros((CLIPS, FRAMES, JOINTS)),
        "valid": jnp.array([[True, True, False], [True, False, False]]),
        "hand_annotated": jnp.ones((CLIPS, FRAMES, 2), bool),
        "object": jnp.array([1, 2]),
        "action": jnp.array([3, 0]),
    }


def test_each_term_is_the_mean_over_what_is_real(out, batch):
    loss, terms = htt_loss(out, batch, LossWeights())
    frames = ([0, 0, 1], [0, 1, 0])  # clip and frame of the three real ones
    objects = np.asarray(jax.nn.log_softmax(out["object_logits"]))[frames]
    actions = np.asarray(jax.nn.log_softmax(out["action_logits"]))
    expected = {
        "joints_2d": np.abs(out["joints_2d"][frames]).mean(),
        "depth": np.abs(out["depth"][frames]).mean(),
        "object": -(objects[0, 1] + objects[1, 1] + objects[2, 2]) / 3,
        "action": -(actions[0, 3] + actions[1, 0]) / 2,
    }
    for name, value in expected.items():
        np.testing.assert_allclose(terms[name], value, rtol=1e-6, err_msg=name)
    total = sum(
        weight * expected[name]
        for name, weight in {"joints_2d": 1, "depth": 100, "object": 1, "action": 1}.items()
    )
    np.testing.assert_allclose(loss, total, rtol=1e-6)


def test_weights_scale_the_terms(out, batch):
    weights = LossWeights(joints_2d=2.0, depth=3.0, object=4.0, action=5.0)
    loss, terms = htt_loss(out, batch, weights)
    total = 2 * terms["joints_2d"] + 3 * terms["depth"] + 4 * terms["object"] + 5 * terms["action"]
    np.testing.assert_allclose(loss, total, rtol=1e-6)


def test_only_annotated_hands_count(out, batch):
    left_only = jnp.zeros((CLIPS, FRAMES, 2), bool).at[0, 0, 0].set(True)
    _, terms = htt_loss(out, batch | {"hand_annotated": left_only}, LossWeights())
    expected = np.abs(out["joints_2d"][0, 0, :21]).mean()
    np.testing.assert_allclose(terms["joints_2d"], expected, rtol=1e-6)
    np.testing.assert_allclose(terms["depth"], np.abs(out["depth"][0, 0, :21]).mean(), rtol=1e-6)


def test_only_known_joints_count_each_by_what_is_known(out, batch):
    known = np.zeros((CLIPS, FRAMES, JOINTS, 2), bool)
    known[0, 0, [3, 8, 30], 0] = True  # places in the image
    known[0, 0, 8, 1] = True  # a depth
    known[0, 2] = True  # of a frame that is padding
    there = {
        "joints_2d": out["joints_2d"]
        .at[0, 0, jnp.array([3, 8, 30])]
        .set(jnp.array([[2.0, -4.0], [1.0, 1.0], [0.0, 6.0]])),
        "depth": out["depth"].at[0, 0, 8].set(-0.25),
    }
    labels = batch | {
        "joints_known": jnp.asarray(known),
        "hand_annotated": jnp.zeros((CLIPS, FRAMES, 2), bool),  # says nothing beside them
        "joints_2d": batch["joints_2d"].at[1].set(jnp.inf),  # nothing is known of it
    }
    loss, terms = htt_loss(out | there, labels, LossWeights())
    assert float(terms["joints_2d"]) == pytest.approx((3 + 1 + 3) / 3)  # of three joints, not 126
    assert float(terms["depth"]) == pytest.approx(0.25)  # of one
    assert np.isfinite(loss)
    gradient = jax.grad(lambda x: htt_loss(out | there | x, labels, LossWeights())[0])(
        {name: (out | there)[name] for name in ("joints_2d", "depth")}
    )
    expected = np.where(known[..., 0] & np.array(batch["valid"])[..., None], 1 / 6, 0)
    expected[0, 0, 30] = 1 / 6  # its x is right
    np.testing.assert_allclose(np.abs(gradient["joints_2d"]).max(axis=-1), expected, rtol=1e-6)
    np.testing.assert_allclose(gradient["depth"][0, 0, 8], -100, rtol=1e-6)
    assert np.count_nonzero(gradient["depth"]) == 1


def test_without_any_joint_the_action_is_trained_alone(out, batch):
    nothing = batch | {"hand_annotated": jnp.zeros((CLIPS, FRAMES, 2), bool)}
    loss, terms = htt_loss(out, nothing, LossWeights())
    assert float(terms["joints_2d"]) == float(terms["depth"]) == 0
    np.testing.assert_allclose(loss, terms["object"] + terms["action"], rtol=1e-6)


def test_a_hidden_action_and_an_unknown_object_are_left_out(out, batch):
    known = batch | {"action": jnp.array([3, -1]), "object": jnp.array([-1, 2])}
    _, terms = htt_loss(out, known, LossWeights())
    np.testing.assert_allclose(
        terms["action"], -jax.nn.log_softmax(out["action_logits"])[0, 3], rtol=1e-6
    )
    np.testing.assert_allclose(
        terms["object"], -jax.nn.log_softmax(out["object_logits"])[1, 0, 2], rtol=1e-6
    )


def test_nothing_known_gives_zero_loss_and_zero_gradient(out, batch):
    nothing = batch | {
        "hand_annotated": jnp.zeros((CLIPS, FRAMES, 2), bool),
        "action": jnp.full(CLIPS, -1),
        "object": jnp.full(CLIPS, -1),
    }
    loss, gradient = jax.value_and_grad(lambda out: htt_loss(out, nothing, LossWeights())[0])(out)
    assert loss == 0
    for x in jax.tree.leaves(gradient):
        np.testing.assert_array_equal(x, 0)


def test_padding_clips_contribute_nothing(out, batch):
    alone = htt_loss(
        {name: x[:1] for name, x in out.items()},
        {name: x[:1] for name, x in batch.items()},
        LossWeights(),
    )[0]
    padded = batch | {
        "valid": batch["valid"].at[1].set(False),
        "action": jnp.array([3, -1]),
        "object": jnp.array([1, -1]),
    }
    loss, gradient = jax.value_and_grad(lambda out: htt_loss(out, padded, LossWeights())[0])(out)
    np.testing.assert_allclose(loss, alone, rtol=1e-6)
    for name, x in gradient.items():
        np.testing.assert_array_equal(x[1], 0, err_msg=name)


def test_unannotated_joints_at_and_behind_the_camera_give_no_nan(out, batch):
    joints_3d = np.full((CLIPS, FRAMES, JOINTS, 3), 0.5, np.float32)
    joints_3d[0, 0, :21] = 0.0
    joints_3d[0, 1, :21, 2] = -1.0
    raw = batch | {
        "image": jnp.zeros((CLIPS, FRAMES, 2, 2, 3), jnp.uint8),
        "joints_3d": jnp.asarray(joints_3d),
        "intrinsics": jnp.broadcast_to(jnp.eye(3), (CLIPS, FRAMES, 3, 3)),
        "hand_annotated": batch["hand_annotated"].at[0, :, 0].set(False),
    }
    inputs = augment.to_inputs(raw)
    loss, gradient = jax.value_and_grad(lambda out: htt_loss(out, inputs, LossWeights())[0])(out)
    assert np.isfinite(loss)
    for x in jax.tree.leaves(gradient):
        assert np.isfinite(x).all()
    np.testing.assert_array_equal(gradient["joints_2d"][0, :, :21], 0)


def test_hands_may_have_any_number_of_joints(out, batch):
    joints = 3 * 26
    found = out | {
        "joints_2d": jnp.ones((CLIPS, FRAMES, joints, 2)),
        "depth": jnp.arange(joints) * jnp.ones((CLIPS, FRAMES, 1)),
    }
    third_only = jnp.zeros((CLIPS, FRAMES, 3), bool).at[0, 0, 2].set(True)
    three = batch | {
        "joints_2d": jnp.zeros((CLIPS, FRAMES, joints, 2)),
        "depth": jnp.zeros((CLIPS, FRAMES, joints)),
        "hand_annotated": third_only,
    }
    _, terms = htt_loss(found, three, LossWeights())
    np.testing.assert_allclose(terms["depth"], np.arange(52, 78).mean(), rtol=1e-6)


def cross_entropy(logits, labels):
    return -np.take_along_axis(np.asarray(jax.nn.log_softmax(logits)), labels[..., None], -1)[
        ..., 0
    ]


@pytest.fixture
def answers(out):
    """Of the whole clips, after windows of one frame, and at a cut."""
    rng = np.random.default_rng(1)
    classes = {"action": ACTIONS, "verb": 3, "noun": 2}
    over_time = {
        f"{kind}_logits": jnp.asarray(rng.normal(size=(CLIPS, FRAMES, n)).astype(np.float32))
        for kind, n in classes.items()
    }
    at_cut = {name: x[:, 0] for name, x in over_time.items()}
    whole = {name: x[:, -1] for name, x in over_time.items()}
    return out | whole | {"action_over_time": over_time, "action_at_cut": at_cut}


WITH_VERBS = {"verb": jnp.array([2, 1]), "noun": jnp.array([0, 1]), "cut": jnp.array([1, 0])}
WEIGHTS = LossWeights(action_over_time=3.0, action_at_cut=5.0, verb_noun=2.0)


def test_answers_over_time_count_after_windows_that_have_a_frame_and_cuts_where_there_are_some(
    answers, batch
):
    loss, terms = htt_loss(answers, batch | WITH_VERBS, WEIGHTS)
    labels = {"action": [3, 0], "verb": [2, 1], "noun": [0, 1]}
    clip, window = [0, 0, 1], [0, 1, 0]
    factors = {"action": 1, "verb": 2, "noun": 2}
    over_time = at_cut = 0.0
    for kind, factor in factors.items():
        entropy = cross_entropy(
            answers["action_over_time"][f"{kind}_logits"], np.repeat([labels[kind]], 3, axis=0).T
        )
        over_time += factor * entropy[clip, window].mean()
        at_cut += factor * entropy[0, 0]  # the second clip is not cut
        np.testing.assert_allclose(terms[kind], entropy[:, -1].mean(), rtol=1e-5, err_msg=kind)
    np.testing.assert_allclose(terms["action_over_time"], over_time, rtol=1e-5)
    np.testing.assert_allclose(terms["action_at_cut"], at_cut, rtol=1e-5)
    total = (
        terms["joints_2d"] + 100 * terms["depth"] + terms["object"] + terms["action"]
        + 2 * (terms["verb"] + terms["noun"]) + 3 * over_time + 5 * at_cut
    )  # fmt: skip
    np.testing.assert_allclose(loss, total, rtol=1e-5)


def test_hidden_actions_are_left_out_of_all_answers(answers, batch):
    hidden = batch | WITH_VERBS | {name: jnp.full(2, -1) for name in ("action", "verb", "noun")}
    _, terms = htt_loss(answers, hidden, WEIGHTS)
    for name in ("action", "verb", "noun", "action_over_time", "action_at_cut"):
        assert terms[name] == 0, name


def test_smoothing_spreads_labels_of_actions_and_leaves_objects(out, batch):
    _, sharp = htt_loss(out, batch, LossWeights())
    _, smooth = htt_loss(out, batch, LossWeights(label_smoothing=0.1))
    log = np.asarray(jax.nn.log_softmax(out["action_logits"]))
    expected = 0.9 * -(log[0, 3] + log[1, 0]) / 2 - 0.1 * log.mean()
    np.testing.assert_allclose(smooth["action"], expected, rtol=1e-6)
    assert smooth["object"] == sharp["object"]


def test_answers_are_weighted_by_their_clips_action(out, batch):
    logits = out["action_logits"]
    over_time = {"action_logits": jnp.stack([logits, 2 * logits], axis=1)}
    batch = {
        **batch,
        "valid": jnp.ones((CLIPS, 4), bool),
        **{
            name: jnp.zeros((CLIPS, 4, *batch[name].shape[2:]), batch[name].dtype)
            for name in ("joints_2d", "depth", "hand_annotated")
        },
    }
    made = {
        **{name: jnp.zeros((CLIPS, 4, *out[name].shape[2:])) for name in out},
        "action_logits": logits,
        "action_over_time": over_time,
    }
    weights = LossWeights(action_over_time=0.5)
    _, plain = htt_loss(made, batch, weights)
    _, found = htt_loss(made, batch | {"action_weight": jnp.array([0.25, 3.0])}, weights)
    once, twice = (-np.asarray(jax.nn.log_softmax(x)) for x in (logits, 2 * logits))
    first, second = once[0, 3], once[1, 0]
    np.testing.assert_allclose(plain["action"], (first + second) / 2, rtol=1e-6)
    np.testing.assert_allclose(found["action"], (0.25 * first + 3 * second) / 2, rtol=1e-6)
    expected = (0.25 * (first + twice[0, 3]) + 3 * (second + twice[1, 0])) / 4
    np.testing.assert_allclose(found["action_over_time"], expected, rtol=1e-6)
    np.testing.assert_array_equal(found["object"], plain["object"])
