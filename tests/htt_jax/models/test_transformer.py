import numpy as np

from htt_jax.models.transformer import sine_positions


def test_positions_are_exact_to_float32_up_to_the_longest_clip():
    frequency = 10000.0 ** (-np.arange(0, 512, 2) / 512)
    angle = np.arange(129)[:, None] * frequency
    found = sine_positions(129, 512)
    np.testing.assert_allclose(found[:, 0::2], np.sin(angle), rtol=0, atol=4e-7)
    np.testing.assert_allclose(found[:, 1::2], np.cos(angle), rtol=0, atol=4e-7)
