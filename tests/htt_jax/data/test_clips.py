import json
import pathlib

import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec, clip_frames, clip_table, in_frame_order
from htt_jax.support.errors import InputError

CLIPS = ClipSpec(window=2, frames=4, spacing=2)
PARITY = pathlib.Path(__file__).parents[2] / "parity" / "clip_table.json"


@pytest.mark.parametrize("training", [False, True])
def test_clips_are_those_of_the_published_code(training):
    for case in json.loads(PARITY.read_text()):
        clips = ClipSpec(window=case["t"], frames=case["T"], spacing=case["spacing"])
        table = clip_table(np.array([case["frames"]]), clips, training=training)
        expected = case["train" if training else "test"]
        np.testing.assert_array_equal(table[:, 0], 0)
        np.testing.assert_array_equal(table[:, 1:], expected)


def test_several_videos_follow_one_another_in_order():
    table = clip_table(np.array([5, 1, 9]), CLIPS, training=True)
    parts = [clip_table(np.array([n]), CLIPS, training=True) for n in (5, 1, 9)]
    np.testing.assert_array_equal(table[:, 1:], np.concatenate(parts)[:, 1:])
    np.testing.assert_array_equal(table[:, 0], [0] * 4 + [1] + [2] * 5)
    assert table.dtype == np.int64


def test_no_videos_make_no_clips():
    table = clip_table(np.zeros(0, np.int64), CLIPS, training=True)
    assert table.shape == (0, 3)


@pytest.mark.parametrize("spacing", [1, 2, 3])
def test_at_test_time_every_frame_is_seen_once(spacing):
    counts = np.array([1, 2, 7, 8, 9, 40, 65])
    clips = ClipSpec(window=4, frames=8, spacing=spacing)
    table = clip_table(counts, clips, training=False)
    seen = [np.zeros(n, int) for n in counts]
    for video, start, count in table.tolist():
        frames, valid = clip_frames(start, count, clips)
        np.add.at(seen[video], frames[valid], 1)
    for times in seen:
        np.testing.assert_array_equal(times, 1)


def test_where_training_clips_begin_may_be_chosen_apart_from_the_window():
    counts = np.array([30])
    of_windows = [
        clip_table(counts, ClipSpec(window, 8, 2, starts=4), training=True) for window in (1, 4, 8)
    ]
    as_window_of_four = clip_table(counts, ClipSpec(4, 8, 2), training=True)
    for table in of_windows:
        np.testing.assert_array_equal(table, as_window_of_four)


def test_padding_repeats_the_last_real_frame():
    frames, valid = clip_frames(3, 2, CLIPS)
    np.testing.assert_array_equal(frames, [3, 5, 5, 5])
    np.testing.assert_array_equal(valid, [True, True, False, False])


def test_frames_must_be_whole_windows():
    with pytest.raises(InputError, match="frames = 6 is not a multiple of window = 4"):
        ClipSpec(window=4, frames=6, spacing=2)


@pytest.mark.parametrize("name", ["window", "frames", "spacing"])
def test_lengths_must_be_positive(name):
    lengths = {"window": 2, "frames": 4, "spacing": 2} | {name: 0}
    with pytest.raises(InputError, match=f"{name} is 0"):
        ClipSpec(**lengths)


@pytest.mark.parametrize("count", [1, 8, 19])
def test_what_is_known_of_clips_goes_back_into_the_order_of_the_frames(count):
    rows = [
        clip_frames(int(start), int(real), CLIPS)
        for _, start, real in clip_table(np.array([count]), CLIPS, training=False)
    ]
    of_clips = [np.stack([frames, -frames], axis=1) for frames, _ in rows]  # padding too
    found = in_frame_order([frames[valid] for frames, valid in rows], of_clips)
    np.testing.assert_array_equal(found, np.stack([np.arange(count), -np.arange(count)], axis=1))


def test_frames_met_twice_or_never_are_noticed():
    twice, never = [np.array([0, 1]), np.array([1])], [np.array([0]), np.array([2])]
    for frames in (twice, never):
        with pytest.raises(AssertionError, match="every frame must be met exactly once"):
            in_frame_order(frames, frames)
