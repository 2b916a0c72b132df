import numpy as np

from htt_jax.evaluation.depth_error import BatchErrors


def test_the_published_error_weighs_batches_the_other_one_frames():
    errors = BatchErrors()
    for frames, metres in ((3, 0.01), (1, 0.02), (0, 5.0)):
        target = np.zeros((frames, 21, 3))
        errors.update(target + np.array([metres, 0, 0]), target)
    np.testing.assert_allclose(errors.result()["over_batches"], 15)
    np.testing.assert_allclose(errors.result()["over_frames"], 12.5)


def test_without_frames_there_is_no_error():
    assert BatchErrors().result() == {"over_batches": None, "over_frames": None}
