"""The backbone on columns side by side, as TPUs have it, gives what it gives without."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models import lanes
from htt_jax.models.processor import convolve
from htt_jax.models.resnet import ResNet18


@pytest.fixture(scope="module")
def backbone():
    """Variables whose statistics are not trivial, and images of an odd number of rows."""
    image = jax.random.normal(jax.random.key(1), (2, 19, 16, 3))
    variables = ResNet18(4).init(jax.random.key(0), image)
    leaves, structure = jax.tree.flatten(variables["batch_stats"])
    keys = jax.random.split(jax.random.key(2), len(leaves))
    drawn = [
        0.5 + jax.random.uniform(key, leaf.shape) for key, leaf in zip(keys, leaves, strict=True)
    ]
    return variables | {"batch_stats": jax.tree.unflatten(structure, drawn)}, image


def test_features_and_gradients_are_the_same(backbone):
    variables, image = backbone
    results = []
    for model in (ResNet18(4), ResNet18(4, side_by_side=True)):

        def loss(params, model=model):
            features = model.apply({**variables, "params": params}, image)
            return jnp.square(features).sum(), features

        results.append(jax.jit(jax.grad(loss, has_aux=True))(variables["params"]))
    plain, folded = results
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5), plain, folded)


def test_columns_lie_side_by_side_where_the_width_lets_them(backbone):
    variables, _ = backbone
    model = ResNet18(4, side_by_side=True)
    for width, channels in ((16, "2x12x2x8"), (12, "2x12x3x4")):
        size = (2, 46, width, 3)
        text = jax.jit(model.apply).lower(variables, jnp.zeros(size)).as_text()
        assert f"tensor<{channels}xf32>" in text


@pytest.mark.parametrize(
    ("size", "stride", "columns"), [(3, 1, 2), (3, 2, 1), (3, 1, 1), (1, 2, 1), (7, 2, 4)]
)
def test_a_folded_convolution_gives_the_same_columns(size, stride, columns):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.normal(size=(2, 6, 16, 3)), jnp.float32)
    kernel = jnp.asarray(rng.normal(size=(size, size, 3, 5)), jnp.float32)
    found = lanes.convolve(lanes.fold(x, stride * columns), kernel, stride, columns=columns)
    expected = lanes.fold(convolve(x, kernel, stride), columns)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)
