"""Where queries looked in a video: which frames are kept, and the picture of them."""

import cv2
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.prediction.drawn import scenes
from htt_jax.prediction.files import Origin
from htt_jax.prediction.frames import FrameArray
from htt_jax.prediction.joint_attention import Collected
from htt_jax.prediction.joint_picture import FILE, JointPicture
from htt_jax.prediction.video import predict_video
from tests import online_runs
from tests.online_runs import INTRINSICS, SIZE


@pytest.mark.parametrize(("frames", "shown"), [(1, [0]), (2, [0, 1]), (16, [4, 12]), (100, None)])
def test_few_maps_are_kept_of_a_video_of_any_length(frames, shown):
    collected = Collected()
    for start in range(0, frames, 8):
        block = np.arange(start, min(start + 8, frames))
        clips = [block[::2], block[1::2]] if len(block) > 1 else [block]
        maps = np.zeros((len(clips), 4, 1, 1, 1))
        for clip, numbers in enumerate(clips):
            maps[clip, : len(numbers), 0, 0, 0] = numbers
        maps = jnp.asarray(maps)
        left = collected.take({"joint_attention": maps, "depth": maps}, clips)
        assert set(left) == {"depth"}
        assert len(collected._found) <= 16
    found = collected.result()
    np.testing.assert_array_equal(found.maps[:, 0, 0, 0], found.frames)
    if shown:
        assert found.frames.tolist() == shown
    else:
        np.testing.assert_allclose(found.frames, [25, 75], atol=8)


def test_a_frames_maps_are_its_own_and_drawn(tmp_path):
    run = online_runs.make_run(spatial="queries")
    frames = online_runs.make_frames(8)
    found = predict_video(run, FrameArray(frames), INTRINSICS)
    looked = found.joint_attention
    assert looked.frames.tolist() == [2, 6]
    assert looked.maps.shape == (2, 22, 2, 3)
    np.testing.assert_allclose(looked.maps.sum(axis=(2, 3)), 1, rtol=1e-5)
    frames[6] = 255 - frames[6]
    other = predict_video(run, FrameArray(frames), INTRINSICS).joint_attention
    np.testing.assert_array_equal(other.maps[0], looked.maps[0])
    assert np.abs(other.maps[1] - looked.maps[1]).max() > 1e-4
    assert len(found.attention.action) == 2

    origin = Origin(
        input="x",
        workdir="runs/tiny",
        step=7,
        dataset=run.dataset,
        image_size=SIZE,
        intrinsics=INTRINSICS,
        intrinsics_source="given",
        window=2,
    )
    picture = JointPicture(looked, origin)
    for scene in scenes(found, origin, FrameArray(frames).read()):
        picture.add(scene)
    assert picture.write(tmp_path) == [FILE]
    drawn = cv2.imread(str(tmp_path / FILE))
    assert drawn.shape[0] > 2 * 4 * 84
    assert drawn.shape[1] == 6 * 156 - 6 + 32
