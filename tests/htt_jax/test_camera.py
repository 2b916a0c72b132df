import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import camera

INTRINSICS = np.array([[300.0, 0, 240], [0, 310, 135], [0, 0, 1]], np.float32)


def test_a_point_lands_where_the_pinhole_model_says():
    joints_2d, depth = camera.project(np.array([[0.1, -0.2, 0.5]], np.float32), INTRINSICS)
    np.testing.assert_allclose(joints_2d, [[240 + 60, 135 - 124]], rtol=1e-6)
    np.testing.assert_array_equal(depth, np.float32([0.5]))


@pytest.mark.parametrize("kind", [np.asarray, jnp.asarray])
def test_unprojecting_a_projection_gives_the_points_back_in_the_same_kind_of_array(kind):
    rng = np.random.default_rng(0)
    points = kind((rng.normal(size=(4, 21, 3)) * 0.1 + [0, 0, 0.5]).astype(np.float32))
    intrinsics = kind(np.tile(INTRINSICS, (4, 1, 1)))
    back = camera.unproject(*camera.project(points, intrinsics), intrinsics)
    assert type(back) is type(points)
    np.testing.assert_allclose(back, points, atol=1e-6)


def test_both_directions_can_be_compiled():
    points = jnp.array([[0.1, -0.2, 0.5]])
    back = jax.jit(lambda p, k: camera.unproject(*camera.project(p, k), k))(points, INTRINSICS)
    np.testing.assert_allclose(back, points, atol=1e-6)


def test_scaled_intrinsics_move_pixels_with_the_image():
    small = camera.scale_intrinsics(INTRINSICS, (480, 270), (120, 90))
    point = np.array([[0.1, -0.2, 0.5]], np.float32)
    full, _ = camera.project(point, INTRINSICS)
    scaled, _ = camera.project(point, small)
    np.testing.assert_allclose(scaled, full * [[1 / 4, 1 / 3]], rtol=1e-6)
    assert small.dtype == np.float32
