"""The check of annotations that all tests run under (`tests.annotations`)."""

import numpy as np
import pytest
from jaxtyping import TypeCheckError

from htt_jax import camera
from htt_jax.datasets.spec import Thresholds
from htt_jax.evaluation.baselines import Baselines

MATRIX = np.eye(3, dtype=np.float32)


def test_a_wrong_number_of_coordinates_is_refused():
    camera.project(np.ones((21, 3), np.float32), MATRIX)
    with pytest.raises(TypeCheckError, match="joints_3d"):
        camera.project(np.ones((21, 2), np.float32), MATRIX)


def test_axes_of_one_name_have_one_length():
    with pytest.raises(TypeCheckError, match="depth"):
        camera.unproject(np.ones((21, 2), np.float32), np.ones(42, np.float32), MATRIX)


def test_integers_are_no_coordinates():
    with pytest.raises(TypeCheckError, match="joints_3d"):
        camera.project(np.ones((21, 3), int), MATRIX)


def test_fields_of_dataclasses_are_checked():
    with pytest.raises(TypeCheckError, match="pose"):
        Baselines(pose=np.zeros((21, 2)), places=np.zeros((21, 2)), action=0, object=0)


def test_a_plain_int_is_a_float_but_no_float_is_an_int():
    assert Thresholds(80, 33).maximum == 80
    with pytest.raises(TypeCheckError, match="steps"):
        Thresholds(80.0, 33.0)
