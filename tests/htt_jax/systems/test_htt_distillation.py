"""What a student's loss adds for its teacher, in numbers."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.losses import LossWeights
from htt_jax.runs.config import check_options
from htt_jax.support.errors import InputError
from htt_jax.systems.htt import distillation
from htt_jax.systems.htt.distillation import Distillation
from tests import train_runs

FACTS = DatasetFacts(FPHA, ("open_milk", "close_milk", "put_salt"), ("milk", "salt"), (64, 36), "1")
CLIPS, FRAMES = 2, 6


def softmax(x, temperature=1.0):
    raised = np.exp(x / temperature)
    return raised / raised.sum(axis=-1, keepdims=True)


@pytest.fixture
def exchange():
    """A student's outputs and inputs with its teacher's answers; the second clip has padding."""
    rng = np.random.default_rng(0)

    def noise(*shape):
        return jnp.asarray(rng.normal(size=(CLIPS, *shape)).astype(np.float32))

    out = {
        "joints_2d": noise(FRAMES, 21, 2),
        "depth": noise(FRAMES, 21),
        "object_logits": noise(FRAMES, 2),
        "action_logits": noise(3),
        "frame_tokens": noise(FRAMES, 8),
    }
    inputs = {
        "valid": jnp.arange(FRAMES) < jnp.array([[FRAMES], [4]]),
        "taught_joints_2d": noise(FRAMES, 21, 2),
        "taught_depth": jnp.abs(noise(FRAMES, 21)) + 0.1,
        "taught_objects": jax.nn.softmax(noise(FRAMES, 2)),
        "taught_actions": jax.nn.softmax(noise(FRAMES, 3)),
        "taught_tokens": noise(FRAMES, 5),
    }
    return out, inputs


def test_only_real_frames_and_joints_ahead_of_the_camera_teach(exchange):
    out, inputs = exchange
    everything = Distillation(tokens=1.0)
    expected = distillation.terms(out, inputs, everything)
    spoilt = {name: x.at[1, 4:].set(7.0) for name, x in inputs.items() if name != "valid"}
    found = distillation.terms(out, inputs | spoilt, everything)
    for name, term in found.items():
        np.testing.assert_allclose(term, expected[name], rtol=1e-6, err_msg=name)
    behind = inputs | {"taught_depth": inputs["taught_depth"].at[0, 0, 0].set(-1.0)}
    seen = np.asarray(inputs["valid"])[..., None] & np.ones(21, bool)
    seen[0, 0, 0] = False
    error = np.abs(np.subtract(out["depth"], inputs["taught_depth"]))[seen].mean()
    found = distillation.terms(out, behind, Distillation())
    np.testing.assert_allclose(found["taught_depth"], error, rtol=1e-5)


def test_classes_are_taught_at_a_temperature_and_a_clip_by_the_mean_of_its_frames(exchange):
    out, inputs = exchange
    found = distillation.terms(out, inputs, Distillation(temperature=3.0))
    answers = np.asarray(inputs["taught_actions"])
    answer = np.stack([answers[0].mean(axis=0), answers[1, :4].mean(axis=0)])
    taught = softmax(np.log(answer), 3.0)
    learned = softmax(np.asarray(out["action_logits"]), 3.0)
    divergence = 9.0 * (taught * np.log(taught / learned)).sum(axis=-1)
    np.testing.assert_allclose(found["taught_action"], divergence.mean(), rtol=1e-5)


def test_a_student_that_says_the_same_loses_nothing_though_a_class_is_impossible():
    logits = jnp.array([[2.0, -1.0, 0.5], [80.0, -80.0, 0.0]])
    found = distillation.divergence(logits, jax.nn.softmax(logits), 2.0)
    np.testing.assert_allclose(found, 0, atol=1e-5)
    certain = jnp.array([[1.0, 0.0, 0.0]])
    loss, gradient = jax.value_and_grad(lambda x: distillation.divergence(x, certain, 1.0).sum())(
        logits[:1]
    )
    np.testing.assert_allclose(loss, -np.log(softmax(np.asarray(logits[0]))[0]), rtol=1e-5)
    assert np.isfinite(gradient).all()


def test_tokens_of_any_width_are_alike_where_their_cosines_are(exchange):
    out, inputs = exchange
    tokens, valid = out["frame_tokens"], inputs["valid"]
    turned, _ = np.linalg.qr(np.random.default_rng(1).normal(size=(16, 8)))
    wider = 3.0 * tokens @ turned.T.astype(np.float32)
    np.testing.assert_allclose(distillation.unlikeness(tokens, wider, valid), 0, atol=1e-9)
    assert distillation.unlikeness(tokens, inputs["taught_tokens"], valid) > 0.05


def test_terms_are_there_with_their_factors_if_they_are_asked_for(exchange):
    options = Distillation(pose=0.5, object=0.0, action=2.0, tokens=0.0)
    assert set(distillation.terms(*exchange, options)) == {
        *("taught_joints_2d", "taught_depth", "taught_action")
    }
    factors = options.factors(LossWeights(joints_2d=1.5))
    assert factors["taught_joints_2d"] == 0.75
    assert (factors["taught_depth"], factors["taught_action"]) == (50.0, 2.0)


def test_a_teachers_poses_move_with_the_frame_as_labels_do():
    config = train_runs.tiny_config("data", distill__teacher="run", augment__translation=8)
    system = systems.make(config, FACTS)
    rng = np.random.default_rng(0)
    joints = rng.normal(0, 0.1, (CLIPS, FRAMES, 21, 3)) + np.array([0, 0, 0.5])
    camera = jnp.array([[60.0, 0, 32], [0, 60, 18], [0, 0, 1]])
    slots = jnp.arange(CLIPS * FRAMES)
    batch = {
        "image": jnp.zeros((CLIPS * FRAMES, 36, 64, 3), jnp.uint8),
        "slot": slots.reshape(CLIPS, FRAMES).astype(jnp.int32),
        "slot_clip": slots // FRAMES,
        "slot_frame": slots % FRAMES,
        "video": jnp.array([0, 1]),
        "start": jnp.array([0, 0]),
        "valid": jnp.ones((CLIPS, FRAMES), bool),
        "hand_annotated": jnp.ones((CLIPS, FRAMES, 1), bool),
        "intrinsics": jnp.broadcast_to(camera, (CLIPS, FRAMES, 3, 3)),
        "joints_3d": jnp.asarray(joints.astype(np.float32)),
        "taught_joints_3d": jnp.asarray(joints.astype(np.float32)),
    }
    inputs = jax.jit(system.training_inputs)(jax.random.key(0), batch)
    moved = np.asarray(inputs["intrinsics"] - batch["intrinsics"])[:, 0, :2, 2]
    assert np.abs(moved).max() > 1
    np.testing.assert_array_equal(inputs["taught_joints_2d"], inputs["joints_2d"])
    np.testing.assert_array_equal(inputs["taught_depth"], inputs["depth"])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"distill__data": "videos"},
            r"distill.data=videos: nobody says anything .* name a config.distill.teacher",
        ),
        (
            {"distill__cache": "answers"},
            r"distill.cache=answers: there are no answers to keep without a teacher; name a",
        ),
        (
            {
                "distill__data": "videos",
                "distill__teacher": "run",
                "mask_unannotated_hands": False,
            },
            r"mask_unannotated_hands=False would take the hands of videos without labels",
        ),
        (
            {
                "distill__teacher": "run",
                **{f"distill__{name}": 0.0 for name in ("pose", "object", "action")},
            },
            r"teaches nothing: all of config.distill.\{pose,object,action,tokens\} are 0",
        ),
        ({"distill__temperature": 0.0}, r"distill.temperature=0.0 must be above 0"),
    ],
)
def test_what_cannot_be_is_refused(options, said):
    with pytest.raises(InputError, match=said):
        check_options(train_runs.tiny_config("data", **options))
