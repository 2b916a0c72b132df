import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch
from jax import lax

from htt_jax.models.processor import FEW_CHANNELS, FEWEST_CHANNELS, convolve, max_pool


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
@pytest.mark.parametrize(("height", "width"), [(9, 13), (8, 14), (2, 3), (4, 1)])
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


@pytest.mark.parametrize("channels", [FEW_CHANNELS, 2 * FEW_CHANNELS])
@pytest.mark.parametrize("width", [4, 14])
def test_so_are_those_of_wide_maps_whose_channels_double_at_stride_2(channels, width):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 4, width, channels)).astype(np.float32)
    kernel = rng.normal(size=(3, 3, channels, 2 * channels)).astype(np.float32) / channels
    found = gradients(convolve, x, kernel, 2)
    for ours, theirs in zip(found, gradients(plain, x, kernel, 2), strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=2e-5)


def test_gradients_have_the_type_of_what_they_are_of():
    x = jnp.ones((2, 6, 6, FEWEST_CHANNELS), jnp.bfloat16)
    kernel = jnp.ones((3, 3, FEWEST_CHANNELS, 4), jnp.bfloat16)
    for found in gradients(convolve, x, kernel, 1):
        assert found.dtype == jnp.bfloat16


@pytest.mark.parametrize("stride", [1, 2])
def test_maps_smaller_than_the_kernel_are_matrix_products_on_processors_alone(stride):
    x, kernel = jnp.ones((2, 2, 3, FEWEST_CHANNELS)), jnp.ones((3, 3, FEWEST_CHANNELS, 4))
    traced = jax.jit(convolve, static_argnums=2).trace(x, kernel, stride)
    on_processors = traced.lower(lowering_platforms=("cpu",)).as_text()
    elsewhere = traced.lower(lowering_platforms=("tpu",)).as_text()
    assert ["convolution" in str(text) for text in (on_processors, elsewhere)] == [False, True]


@pytest.mark.parametrize(("height", "width"), [(9, 13), (8, 14), (1, 2)])
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_pooling_and_its_gradient_are_pytorchs_also_where_values_are_equal(height, width, dtype):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 4, (2, height, width, 3)).astype(np.float32)  # ties in most windows
    x = torch.tensor(image.transpose(0, 3, 1, 2), dtype=getattr(torch, dtype), requires_grad=True)
    y = torch.nn.functional.max_pool2d(x, 3, stride=2, padding=1)
    gradient = rng.integers(-8, 9, y.shape).astype(np.float32)  # whose sums are exact
    y.backward(torch.tensor(gradient, dtype=y.dtype))

    found, transpose = jax.vjp(max_pool, jnp.asarray(image, dtype))
    (of_image,) = transpose(jnp.asarray(gradient.transpose(0, 2, 3, 1), dtype))
    for ours, theirs in ((found, y), (of_image, x.grad)):
        assert ours.dtype == dtype
        expected = theirs.detach().float().numpy().transpose(0, 2, 3, 1)
        np.testing.assert_array_equal(np.asarray(ours, np.float32), expected)


def test_pooling_elsewhere_than_on_processors_is_xlas_own_and_gives_the_same():
    image = np.random.default_rng(0).integers(0, 4, (2, 9, 12, 3)).astype(np.float32)
    gradient = np.random.default_rng(1).integers(-8, 9, (2, 5, 6, 3)).astype(np.float32)
    results = [
        (y, transpose(jnp.asarray(gradient))[0])
        for y, transpose in (jax.vjp(pool, image) for pool in (max_pool, plain_pool))
    ]
    jax.tree.map(np.testing.assert_array_equal, *results)
    exported = jax.export.export(jax.jit(max_pool), platforms=["cuda"])(image)
    assert "reduce_window" in exported.mlir_module()
    assert "reduce-window" not in jax.jit(max_pool).lower(image).compile().as_text()
    assert "reduce-window" in jax.jit(plain_pool).lower(image).compile().as_text()


def plain_pool(x):
    """Flax's, whose gradient XLA scatters."""
    return nn.max_pool(x, (3, 3), strides=(2, 2), padding=((1, 1), (1, 1)))


def test_pooling_hands_on_what_is_no_number():
    image = np.zeros((1, 5, 5, 1), np.float32)
    image[0, 3, 1] = np.nan
    found = np.isnan(max_pool(jnp.asarray(image)))[0, ..., 0]
    np.testing.assert_array_equal(found, [[False] * 3, [True, True, False], [True, True, False]])
