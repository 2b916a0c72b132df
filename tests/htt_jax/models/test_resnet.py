import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models.resnet import ConvNorm, ResNet18


@pytest.fixture
def conv():
    """A strided convolution with statistics that are not trivial."""
    module = ConvNorm(features=5, size=3, stride=2, calibrate=False, dtype=jnp.float32)
    image = jax.random.normal(jax.random.key(1), (2, 7, 9, 3))
    variables = module.init(jax.random.key(0), image)
    keys = jax.random.split(jax.random.key(2), 4)
    variables["params"]["scale"] = jax.random.normal(keys[0], (5,))
    variables["params"]["bias"] = jax.random.normal(keys[1], (5,))
    variables["batch_stats"]["mean"] = jax.random.normal(keys[2], (5,))
    variables["batch_stats"]["var"] = jnp.exp(jax.random.normal(keys[3], (5,)))
    return module, variables, image


def test_statistics_folded_into_the_kernel_normalise_as_a_batch_norm_does(conv):
    module, variables, image = conv
    padded = np.pad(image, ((0, 0), (1, 1), (1, 1), (0, 0)))
    kernel = np.asarray(variables["params"]["kernel"])
    y = np.zeros((2, 4, 5, 5))
    for row in range(4):
        for column in range(5):
            patch = padded[:, 2 * row : 2 * row + 3, 2 * column : 2 * column + 3]
            y[:, row, column] = np.einsum("nhwc,hwcf->nf", patch, kernel)
    stats, params = variables["batch_stats"], variables["params"]
    normalised = (y - stats["mean"]) / np.sqrt(stats["var"] + 1e-5)
    expected = normalised * params["scale"] + params["bias"]
    np.testing.assert_allclose(module.apply(variables, image), expected, atol=1e-5)


def test_statistics_stay_as_they_are(conv):
    module, variables, image = conv
    _, changed = module.apply(variables, image, mutable=["batch_stats"])
    for name, before in variables["batch_stats"].items():
        np.testing.assert_array_equal(changed["batch_stats"][name], before)


@pytest.mark.parametrize(("height", "width"), [(36, 64), (33, 31)])
def test_features_are_eight_times_the_width_for_any_image(height, width):
    image = jax.ShapeDtypeStruct((2, height, width, 3), jnp.float32)
    out, variables = jax.eval_shape(ResNet18(4).init_with_output, jax.random.key(0), image)
    assert out.shape == (2, 32)
    assert out.dtype == jnp.float32
    assert set(variables) == {"params", "batch_stats"}
    assert {path[-1].key for path, _ in jax.tree.leaves_with_path(variables["batch_stats"])} == {
        "mean",
        "var",
    }
