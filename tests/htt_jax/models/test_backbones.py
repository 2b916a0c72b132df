"""Backbones besides the paper's, beside what they are in PyTorch."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from htt_jax.interop import pytorch
from htt_jax.models import backbones, mobile
from htt_jax.models.htt import cells
from htt_jax.models.resnet import cell_size
from tests.timm_backbones import EfficientNetLite0, MobileNetV4ConvSmall, with_random_norms

V4, LITE = "mobilenetv4_conv_small", "tf_efficientnet_lite0"
SIZE = (70, 97)  # an even and an odd side, at most strides


@pytest.mark.parametrize(
    ("name", "width", "make"),
    [(V4, 32, lambda: MobileNetV4ConvSmall(0.5)), (LITE, 64, EfficientNetLite0)],
)
def test_features_of_random_weights_are_those_of_pytorch_whatever_the_size(name, width, make):
    torch.manual_seed(0)
    module = with_random_norms(make())
    state_dict = {key: x.numpy() for key, x in module.state_dict().items()}
    variables = pytorch.backbone_variables(state_dict, "random", name, width)
    image = np.random.default_rng(0).normal(size=(2, *SIZE, 3)).astype(np.float32)
    with torch.no_grad():
        expected = module(torch.tensor(image.transpose(0, 3, 1, 2))).numpy()
    backbone = backbones.make(name, width)
    found = jax.jit(backbone.apply)(variables, image)
    assert found.dtype == jnp.float32
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())


# As timm counts them, of all but the ImageNet head.
@pytest.mark.parametrize(
    ("name", "width", "parameters", "features"),
    [
        (V4, 64, 1_261_664, 960),
        (V4, 32, 340_992, 480),
        (LITE, 64, 3_371_008, 1280),
    ],
)
def test_parameters_and_features_are_as_many_as_published(name, width, parameters, features):
    backbone = backbones.make(name, width)
    image = jax.ShapeDtypeStruct((1, *SIZE, 3), jnp.float32)
    found, variables = jax.eval_shape(backbone.init_with_output, jax.random.key(0), image)
    assert found.shape == (1, features) == (1, backbone.features)
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == parameters
    assert backbones.width_of(name, features) == width


@pytest.mark.parametrize("name", backbones.NAMES)
def test_maps_have_the_cells_that_queries_look_for(name):
    backbone = backbones.make(name, 4)
    for size in ((270, 480), (33, 31)):
        image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)
        init = functools.partial(backbone.init_with_output, method="maps")
        maps, _ = jax.eval_shape(init, jax.random.key(0), image)
        assert len(maps) == 4
        for stage in cells.STAGES:
            assert maps[stage - 1].shape[1:3] == cells.grid(stage, size)


@pytest.mark.parametrize(("name", "first"), [(V4, (0, 0)), (LITE, (7, 4))])
def test_a_cell_sees_most_of_what_lies_at_its_centre(name, first):
    """Where the first is told to be; padding to even sizes alone moves it."""
    backbone = backbones.make(name, 4)
    size, stage = (64, 93), 2  # of 93, 47 and 24 columns only the last are even
    assert backbone.first_cell(stage, size) == first
    spots = ((first[0] + 4 * 8, first[1] + 5 * 8), (first[0] + 3 * 8, first[1] + 8 * 8))
    image = np.zeros((2, *size, 3), np.float32)
    for picture, spot in zip(image, spots, strict=True):
        picture[spot] = 1e-3
    abstract = jax.eval_shape(backbone.init, jax.random.key(0), image)
    fill = {"kernel": 0.1, "scale": 1.0, "var": 1.0}  # kernels weigh all alike
    even = jax.tree.map_with_path(
        lambda path, x: jnp.full(x.shape, fill.get(path[-1].key, 0.0)), abstract
    )
    seen = jax.jit(lambda even, image: backbone.apply(even, image, method="maps")[stage - 1])
    for x, spot in zip(np.asarray(seen(even, image)).sum(axis=-1), spots, strict=True):
        brightest = np.array(np.unravel_index(x.argmax(), x.shape))
        np.testing.assert_array_equal(brightest * cell_size(stage) + first, spot)


@pytest.mark.parametrize("ceiling", [None, 6.0])
def test_a_gradient_passes_activations_where_it_does_in_pytorch_at_their_bounds_too(ceiling):
    values = np.array([-1, 0, 1e-3, 3, 6, 7], np.float32)
    ours = jax.grad(lambda x: mobile.activated(x, ceiling).sum())(values)
    there = torch.tensor(values, requires_grad=True)
    activation = torch.nn.ReLU() if ceiling is None else torch.nn.ReLU6()
    activation(there).sum().backward()
    np.testing.assert_array_equal(ours, there.grad)
