import functools

import jax
import numpy as np
import pytest
from jax import lax

from htt_jax.models.depthwise import depthwise


@pytest.mark.parametrize(
    ("size", "stride", "padding"),
    [(3, 1, ((1, 1), (1, 1))), (5, 2, ((2, 2), (2, 2))), (5, 2, ((1, 2), (2, 2)))],
)
def test_sums_of_moved_images_and_their_gradients_are_those_of_xlas_convolution(
    size, stride, padding
):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2, 10, 9, 3)).astype(np.float32)
    kernel = rng.normal(size=(size, size, 1, 3)).astype(np.float32)
    plain = functools.partial(
        lax.conv_general_dilated,
        window_strides=(stride, stride),
        padding=padding,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=3,
    )

    @jax.jit
    def both(x, kernel):
        expected, back = jax.vjp(plain, x, kernel)
        found, ours = jax.vjp(lambda x, kernel: depthwise(x, kernel, stride, padding), x, kernel)
        return (found, *ours(found)), (expected, *back(expected))

    for found, expected in zip(*both(x, kernel), strict=True):
        np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-4)
