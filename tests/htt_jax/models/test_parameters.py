import flax.errors
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models.parameters import Dense

X = jnp.ones((1, 2))
KERNEL = np.float32([[1, 2], [3, 4]])


def test_a_parameter_that_is_there_is_taken_without_its_initializer():
    traced = []

    def start(key, shape, dtype):
        traced.append(shape)
        return jnp.zeros(shape, dtype)

    layer = Dense(2, use_bias=False, kernel_init=start)
    assert layer.init(jax.random.key(0), X)["params"]["kernel"].shape == (2, 2)
    traced.clear()
    np.testing.assert_array_equal(layer.apply({"params": {"kernel": KERNEL}}, X), [[4, 6]])
    assert not traced


def test_a_parameter_of_another_shape_or_none_is_refused():
    layer = Dense(3, use_bias=False)
    with pytest.raises(flax.errors.ScopeParamShapeError, match="kernel"):
        layer.apply({"params": {"kernel": KERNEL}}, X)
    with pytest.raises(flax.errors.ScopeParamNotFoundError, match="kernel"):
        layer.apply({"params": {"other": KERNEL}}, X)
