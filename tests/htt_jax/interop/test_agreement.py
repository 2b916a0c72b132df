import numpy as np
import pytest

from htt_jax import camera
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.interop import agreement
from htt_jax.models.htt import signature as htt_signature

SIZE = (64, 36)
SIGNATURE = htt_signature.signature(DatasetFacts(FPHA, ("pour",), ("milk",), SIZE, None), window=4)
SHAPES = {
    "joints_2d": (2, 8, 21, 2),
    "depth": (2, 8, 21),
    "joints_3d": (2, 8, 21, 3),
    "object_logits": (2, 8, 5),
    "action_logits": (2, 3),
}


@pytest.fixture
def outputs():
    random = np.random.default_rng(0)
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in SHAPES.items()}


@pytest.fixture
def valid():
    return agreement.noise(SIGNATURE)["valid"]


def test_noise_is_a_whole_clip_and_one_that_ends_within_a_window():
    inputs = agreement.noise(SIGNATURE)
    assert inputs["image"].shape == (2, 8, 36, 64, 3)
    assert inputs["image"].dtype == inputs["intrinsics"].dtype == np.float32
    assert -0.5 <= inputs["image"].min() < -0.49 < 0.49 < inputs["image"].max() < 0.5
    assert inputs["valid"].tolist() == [[True] * 8, [True] * 2 + [False] * 6]
    matrix = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, SIZE)
    np.testing.assert_array_equal(inputs["intrinsics"][1, 7], matrix.astype(np.float32))
    again = agreement.noise(SIGNATURE)
    np.testing.assert_array_equal(inputs["image"], again["image"])


def test_differences_are_the_largest_of_real_frames(outputs, valid):
    found = {name: x.copy() for name, x in outputs.items()}
    found["depth"][0, 7, 3] -= 0.25
    found["joints_2d"][1, 2:] = np.nan  # padding, whose outputs mean nothing
    found["action_logits"][1, 2] += 0.5
    differences = agreement.differences(outputs, found, valid)
    assert differences["depth"] == pytest.approx(0.25, rel=1e-6)
    assert differences["action_logits"] == pytest.approx(0.5, rel=1e-6)
    assert [differences[name] for name in ("joints_2d", "joints_3d", "object_logits")] == [0, 0, 0]


def test_depths_are_at_least_as_large_as_their_offset(outputs, valid):
    outputs["depth"][:] = 1e-3
    found = {**outputs, "depth": outputs["depth"] + np.float32(3e-5)}
    differences = agreement.differences(outputs, found, valid)
    assert agreement.too_large(outputs, differences, valid) == []  # 0.4 m is what they vary about


@pytest.mark.parametrize("name", SHAPES)
def test_a_ten_thousandth_of_an_outputs_size_is_too_much(outputs, valid, name):
    real = outputs[name] if name == "action_logits" else outputs[name][valid]
    size = np.abs(real).max()
    for factor, expected in ((0.9, []), (1.2, [name])):
        found = {**outputs, name: outputs[name] + np.float32(factor * 1e-4 * size)}
        differences = agreement.differences(outputs, found, valid)
        assert agreement.too_large(outputs, differences, valid) == expected


def test_numbers_that_are_none_are_too_different(outputs, valid):
    outputs["joints_3d"][0, 0, 0, 0] = np.nan
    differences = agreement.differences(outputs, outputs, valid)
    assert agreement.too_large(outputs, differences, valid) == ["joints_3d"]
