import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import augment
from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.models.htt import attention_weights
from htt_jax.prediction.frames import FrameArray, Resizer
from htt_jax.prediction.video import predict_video
from tests import online_runs
from tests.online_runs import INTRINSICS, MODEL, SIZE


@pytest.fixture(scope="module")
def run():
    return online_runs.make_run()


@pytest.fixture(scope="module")
def model_alone(run):
    """What the model gives of a batch, and its attention."""

    @jax.jit
    def apply(variables, batch):
        estimates = run.system.estimates(variables, batch)
        return estimates, attention_weights.weights(run.model, variables, batch)

    return lambda batch: apply(run.variables, batch)


@pytest.mark.parametrize("count", [3, 8, 19])  # a block has eight frames: two clips of four
def test_every_clip_gives_what_the_model_gives_of_it_alone(run, model_alone, count):
    frames = online_runs.make_frames(count)
    found = predict_video(run, FrameArray(frames), INTRINSICS)
    resized = np.stack([Resizer(run.dataset.spec, SIZE, MODEL)(frame) for frame in frames])
    clips = ClipSpec(window=2, frames=4, spacing=2)
    table = clip_table(np.array([count]), clips, training=False)
    windows = 0
    for clip, (_, start, real) in enumerate(table):
        indices, valid = clip_frames(int(start), int(real), clips)
        batch = {
            "image": augment.to_pixel_range(jnp.asarray(resized[indices]))[None],
            "valid": jnp.asarray(valid)[None],
            "intrinsics": jnp.tile(jnp.eye(3), (1, 4, 1, 1)),
        }
        alone, weights = model_alone(batch)
        places = indices[valid]
        np.testing.assert_array_equal(found.frame_clip[places], clip)
        np.testing.assert_allclose(
            found.joints_2d[places],
            alone["joints_2d"][0, valid] * (np.array(SIZE) / MODEL),
            rtol=1e-4,
            atol=1e-3,
        )
        np.testing.assert_allclose(
            found.clip_action_probabilities[clip], alone["action_probabilities"][0], rtol=1e-4
        )
        np.testing.assert_allclose(
            found.attention.action[clip, :real], weights["action_attention"][0, :real], rtol=1e-4
        )
        for window in range(-(-int(real) // 2)):
            inside = min(2, int(real) - 2 * window)
            np.testing.assert_allclose(
                found.attention.pose[windows, :inside, :inside],
                weights["pose_attention"][0, window, :inside, :inside],
                rtol=1e-4,
            )
            windows += 1
    assert windows == len(found.attention.pose)
