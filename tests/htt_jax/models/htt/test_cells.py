"""Where the cells of the backbone's maps are in the image."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.models.htt import cells
from htt_jax.models.resnet import ResNet18, cell_size


@pytest.mark.parametrize("size", [(36, 64), (270, 480), (33, 31)])
def test_the_grid_is_that_of_the_maps(size):
    image = jax.ShapeDtypeStruct((1, *size, 3), jnp.float32)

    def maps(image):
        return ResNet18(2).init_with_output(jax.random.key(0), image, method="maps")[0]

    found = jax.eval_shape(maps, image)
    for stage in cells.STAGES:
        assert found[stage - 1].shape[1:3] == cells.grid(stage, size)


def test_a_cell_sees_most_of_what_lies_at_its_centre():
    backbone = ResNet18(1)
    image = jnp.zeros((2, 128, 160, 3)).at[0, 64, 96].set(1).at[1, 32, 128].set(1)
    abstract = jax.eval_shape(backbone.init, jax.random.key(0), image)
    # Kernels that weigh all pixels alike, and neither biases nor means.
    fill = {"kernel": 0.1, "scale": 1.0, "var": 1.0}
    even = jax.tree.map_with_path(
        lambda path, x: jnp.full(x.shape, fill.get(path[-1].key, 0.0)), abstract
    )
    maps = jax.jit(functools.partial(backbone.apply, method="maps"))(even, image)
    for stage in (1, 2, 3):  # the fourth sees the borders everywhere
        for x, centre in zip(maps[stage - 1].sum(axis=-1), ((64, 96), (32, 128)), strict=True):
            brightest = np.array(np.unravel_index(x.argmax(), x.shape))
            np.testing.assert_array_equal(brightest * cell_size(stage), centre)


def test_places_are_the_same_in_an_image_of_every_size():
    small, large = cells.places(3, (36, 64)), cells.places(4, (72, 128))
    np.testing.assert_allclose(small, large, atol=1e-6)
    assert np.abs(small[0, 0] - small[0, 1]).max() > 0.5
    wide = cells.places(3, (68, 64))  # as many columns; the middle is one row further down
    np.testing.assert_allclose(wide[1:4], small, atol=1e-6)


def test_all_weights_are_in_the_picture_where_their_cells_are():
    size = (68, 120)
    fine, coarse = (np.prod(cells.grid(stage, size)) for stage in cells.STAGES)
    picture = np.asarray(cells.as_picture(jnp.eye(fine + coarse), size))
    assert picture.shape == (fine + coarse, 5, 8)
    np.testing.assert_allclose(picture.sum(axis=(1, 2)), 1, rtol=1e-6)
    np.testing.assert_array_equal(picture[:fine].reshape(fine, fine), np.eye(fine))
    second = picture[fine + 4 + 1]  # of the coarse map's second row and column
    assert np.unravel_index(second.argmax(), second.shape) == (2, 2)
    np.testing.assert_allclose(second[1:4, 1:4].sum(), 1, rtol=1e-6)
