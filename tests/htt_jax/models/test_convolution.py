import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from htt_jax.models.convolution import FEWEST_CHANNELS, convolve


def plain(x, kernel, stride):
    padding = kernel.shape[0] // 2
    return lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        ((padding, padding), (padding, padding)),
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
    )


def gradients(function, x, kernel, stride):
    """The result, and the gradients of a sum of it in which every element counts differently."""

    def loss(x, kernel):
        y = function(x, kernel, stride)
        return (y * jnp.cos(jnp.arange(y.size).reshape(y.shape))).sum(), y

    (_, y), found = jax.jit(jax.value_and_grad(loss, argnums=(0, 1), has_aux=True))(x, kernel)
    return y, *found


@pytest.mark.parametrize("channels", [3, FEWEST_CHANNELS, 24])
@pytest.mark.parametrize("stride", [1, 2])
@pytest.mark.parametrize("size", [1, 3, 7])
@pytest.mark.parametrize(("height", "width"), [(9, 13), (8, 14)])
def test_results_and_gradients_are_those_of_xlas_own_convolution(
    channels, stride, size, height, width
):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(3, height, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(size, size, channels, 5)).astype(np.float32)
    found = gradients(convolve, x, kernel, stride)
    expected = gradients(plain, x, kernel, stride)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.shape == theirs.shape
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_gradients_have_the_type_of_what_they_are_of():
    x = jnp.ones((2, 6, 6, FEWEST_CHANNELS), jnp.bfloat16)
    kernel = jnp.ones((3, 3, FEWEST_CHANNELS, 4), jnp.bfloat16)
    for found in gradients(convolve, x, kernel, 1):
        assert found.dtype == jnp.bfloat16
