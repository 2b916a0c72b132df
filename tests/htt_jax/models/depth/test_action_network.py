import functools

import jax
import numpy as np
import pytest

from tests.htt_jax.models.depth import small

FRAMES = 5
LENGTHS = (5, 3, 0)
VALID = np.arange(FRAMES) < np.array(LENGTHS)[:, None]


@functools.cache
def made(attention):
    """A network, its variables, poses with zeros for padding, and what it says of them."""
    network = small.action_network(attention=attention)
    poses = np.random.default_rng(0).normal(size=(*VALID.shape, 63)).astype(np.float32)
    poses *= VALID[..., None]
    variables = small.variables_of(network, poses, VALID)
    out = jax.device_get(jax.jit(network.apply)(variables, poses, VALID))
    return network, variables, poses, out


@pytest.mark.parametrize("attention", [False, True])
def test_frame_by_frame_it_says_what_it_says_of_the_clip(attention):
    network, variables, poses, out = made(attention)
    step = jax.jit(functools.partial(network.apply, method="step"))
    state = jax.device_get(network.initial_state(len(poses)))
    for frame in range(FRAMES):
        state, log_probabilities = jax.device_get(step(variables, state, poses[:, frame]))
        here = VALID[:, frame]
        np.testing.assert_allclose(
            log_probabilities[here], out.over_time[:, frame][here], atol=1e-6
        )


@pytest.mark.parametrize("attention", [False, True])
def test_behind_the_last_frame_it_stands_still_at_the_clips_action(attention):
    out = made(attention)[-1]
    for clip, length in enumerate(LENGTHS):
        for frame in range(max(length - 1, 0), FRAMES):
            np.testing.assert_array_equal(out.over_time[clip, frame], out.log_probabilities[clip])
    np.testing.assert_allclose(np.exp(out.log_probabilities).sum(axis=-1), 1, rtol=1e-6)


def test_padding_has_no_share_in_the_attention_unless_it_is_let_in():
    _, variables, poses, out = made(True)
    np.testing.assert_allclose(out.attention[:2].sum(axis=1), 1, rtol=1e-6)
    assert (out.attention[:2][~VALID[:2]] == 0).all()
    let_in = small.action_network(attention=True, mask_padding=False)
    both = jax.jit(
        lambda *inputs: [let_in.apply(*inputs, ends_with_clip=ends) for ends in (False, True)]
    )
    shares = jax.device_get(both(variables, poses, VALID))
    for found in shares:
        assert (found.attention[1][~VALID[1]] > 0).all()
        np.testing.assert_allclose(found.attention[0], out.attention[0], rtol=1e-6)
    # A score of zero is the least that there is.
    assert (shares[1].attention[1, 3:] <= shares[0].attention[1, 3:]).all()


def test_attention_left_out_is_the_last_frames_action():
    network, variables, poses, _ = made(True)
    out = jax.jit(functools.partial(network.apply, attend=False))(variables, poses, VALID)
    plain = small.action_network()
    last = jax.jit(plain.apply)(variables, poses, VALID)
    assert out.attention is None
    np.testing.assert_array_equal(out.log_probabilities, last.log_probabilities)
