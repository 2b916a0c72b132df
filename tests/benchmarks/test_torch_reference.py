import dataclasses
import functools

import jax
import jaxtyping
import numpy as np
import pytest
import torch

from benchmarks import torch_reference
from benchmarks.torch_reference import PUBLISHED, TUNED, Inference, TrainStep
from htt_jax.losses import LossWeights, htt_loss
from tests.parity import cases, recipe

# The graph is traced and differentiated as for inductor, but run as it is: that compiles for
# a minute on a processor.
TRACED = dataclasses.replace(TUNED, compiler="aot_eager")


@pytest.fixture(autouse=True)
def _traceable(monkeypatch):
    """Dynamo cannot look through the check of annotations."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@functools.cache
def published(name):
    """Returns (weights, batch, what the published code returned)."""
    *_, reference, expected = cases.load(name)
    return recipe.state_dict(cases.CASES[name]), reference, expected


def load(name, setting):
    """Returns (model, batch, what the published code returned)."""
    case = cases.CASES[name]
    weights, reference, expected = published(name)
    model = torch_reference.make_model(
        setting,
        joints=case["joints"],
        actions=case["actions"],
        objects=case["objects"],
        window=case["t"],
        state_dict={key: torch.tensor(x) for key, x in weights.items()},
    )
    batch = {name: torch.tensor(x) for name, x in reference.items()}
    for label in ("object", "action"):
        batch[label] = batch[label].long()
    return model, batch, expected


@pytest.fixture
def outputs():
    """Random outputs and labels of three clips of four frames, some of them unknown or masked."""
    rng = np.random.default_rng(0)
    shape = (3, 4)

    def normal(*more):
        return rng.normal(size=(*shape, *more)).astype(np.float32)

    out = {
        "joints_2d": normal(42, 2),
        "depth": normal(42),
        "object_logits": normal(5),
        "action_logits": rng.normal(size=(3, 6)).astype(np.float32),
    }
    batch = {
        "joints_2d": normal(42, 2),
        "depth": normal(42),
        "valid": np.arange(4) < np.array([[4], [2], [0]]),
        "hand_annotated": rng.random((*shape, 2)) < 0.5,
        "object": np.array([3, -1, 0]),
        "action": np.array([-1, 2, 4]),
    }
    return out, batch


# As it comes, the same model is held to these numbers in `tests/htt_jax/interop`.
@pytest.mark.proof
def test_traced_inference_gives_the_published_poses_objects_and_actions():
    model, batch, expected = load("h2o_forward", TRACED)
    found = {key: x.numpy() for key, x in Inference(model, TRACED)(batch).items()}
    real = batch["valid"].numpy()
    assert np.abs(found["estimated_joints_3d"] - expected["joints_3d"])[real].max() < 1e-6
    objects = expected["object_probs"].argmax(-1)
    np.testing.assert_array_equal(found["estimated_object"][real], objects[real])
    assert np.abs(found["action_probabilities"] - expected["action_probs"]).max() < 2e-6


# All four steps are taken as the model comes in `tests/htt_jax/interop`.
@pytest.mark.proof
def test_two_traced_steps_of_fused_adam_give_the_published_losses():
    case = cases.CASES["fpha_train"]
    model, batch, expected = load("fpha_train", TRACED)
    step = TrainStep(model, TRACED, learning_rate=case["lr"])
    losses = [step(batch).item() for _ in range(3)]
    np.testing.assert_allclose(losses, expected["loss"][:3], rtol=5e-5)


def test_loss_is_ours_where_hands_objects_and_actions_are_unknown(outputs):
    out, batch = outputs
    expected, _ = htt_loss(
        {name: jax.numpy.array(x) for name, x in out.items()},
        {name: jax.numpy.array(x) for name, x in batch.items()},
        LossWeights(),
    )
    found = torch_reference.htt_loss(
        {name: torch.tensor(x) for name, x in out.items()},
        {name: torch.tensor(x) for name, x in batch.items()},
    )
    np.testing.assert_allclose(found.item(), expected, rtol=1e-6)


def test_uint8_images_give_what_their_floats_give():
    model, batch, _ = load("fpha_train", PUBLISHED)
    pixels = torch.randint(0, 256, batch["image"].shape, dtype=torch.uint8)
    floats = pixels.float() / 255 - 0.5
    estimates = Inference(model, PUBLISHED)
    found, expected = (estimates({**batch, "image": image}) for image in (pixels, floats))
    for name, x in expected.items():
        torch.testing.assert_close(found[name], x, msg=name)


def test_tuned_keeps_kernels_in_the_layout_of_its_images():
    model, *_ = load("fpha_train", TUNED)
    kernel = model.meshregnet["base_net"].conv1.weight
    assert kernel.is_contiguous(memory_format=torch.channels_last)
