import json
import pathlib

import numpy as np
import pytest

from htt_jax.data.clips import clip_frames, clip_table
from htt_jax.support.errors import InputError

PARITY = pathlib.Path(__file__).parents[2] / "parity" / "clip_table.json"


@pytest.mark.parametrize("training", [False, True])
def test_clips_are_those_of_the_published_code(training):
    for case in json.loads(PARITY.read_text()):
        table = clip_table(
            np.array([case["frames"]]),
            window=case["t"],
            frames=case["T"],
            spacing=case["spacing"],
            training=training,
        )
        expected = case["train" if training else "test"]
        np.testing.assert_array_equal(table[:, 0], 0)
        np.testing.assert_array_equal(table[:, 1:], expected)


def test_several_videos_follow_one_another_in_order():
    lengths = {"window": 2, "frames": 4, "spacing": 2, "training": True}
    table = clip_table(np.array([5, 1, 9]), **lengths)
    parts = [clip_table(np.array([n]), **lengths) for n in (5, 1, 9)]
    np.testing.assert_array_equal(table[:, 1:], np.concatenate(parts)[:, 1:])
    np.testing.assert_array_equal(table[:, 0], [0] * 4 + [1] + [2] * 5)
    assert table.dtype == np.int64


def test_no_videos_make_no_clips():
    table = clip_table(np.zeros(0, np.int64), window=2, frames=4, spacing=2, training=True)
    assert table.shape == (0, 3)


@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_at_test_time_every_frame_is_seen_once(spacing):
    counts = np.array([1, 2, 7, 8, 9, 40, 65])
    table = clip_table(counts, window=4, frames=8, spacing=spacing, training=False)
    seen = [np.zeros(n, int) for n in counts]
    for video, start, count in table.tolist():
        frames, valid = clip_frames(start, count, frames=8, spacing=spacing)
        np.add.at(seen[video], frames[valid], 1)
    for times in seen:
        np.testing.assert_array_equal(times, 1)


def test_padding_repeats_the_last_real_frame():
    frames, valid = clip_frames(3, 2, frames=4, spacing=2)
    np.testing.assert_array_equal(frames, [3, 5, 5, 5])
    np.testing.assert_array_equal(valid, [True, True, False, False])


def test_frames_must_be_whole_windows():
    with pytest.raises(InputError, match="frames = 6 is not a multiple of window = 4"):
        clip_table(np.array([9]), window=4, frames=6, spacing=2, training=True)


@pytest.mark.parametrize("name", ["window", "frames", "spacing"])
def test_lengths_must_be_positive(name):
    lengths = {"window": 2, "frames": 4, "spacing": 2} | {name: 0}
    with pytest.raises(InputError, match=f"{name} is 0"):
        clip_table(np.array([9]), training=True, **lengths)
