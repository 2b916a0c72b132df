"""Frames find their places from clips, and estimates their way through a file."""

import dataclasses

import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.evaluation import estimates
from htt_jax.support.errors import InputError

FRAMES = np.array([11, 1, 4])
CLIPS = ClipSpec(window=2, frames=4, spacing=2)
PADDING = -1


def batches(size=4):
    """What an evaluation step returns: joint x is the number of the frame in all of the split."""
    table = clip_table(FRAMES, CLIPS, training=False)
    table = np.concatenate([table, np.full((-len(table) % size, 3), PADDING)])
    first = np.cumsum(FRAMES) - FRAMES
    for rows in table.reshape(-1, size, 3):
        clips = [one_clip(first, *row) for row in rows.tolist()]
        yield {name: np.stack([clip[name] for clip in clips]) for name in clips[0]}


def one_clip(first, video, start, count):
    frames, valid = clip_frames(max(start, 0), max(count, 0), CLIPS)
    number = (first[video] + frames).astype(np.float32)
    return {
        "estimated_joints_3d": np.broadcast_to(number[:, None, None], (CLIPS.frames, 42, 3)),
        "joints_3d": np.broadcast_to(-number[:, None, None], (CLIPS.frames, 42, 3)),
        "hand_annotated": np.stack([number % 2 == 0, number > 0], axis=-1),
        "estimated_object": number.astype(np.int32) % 3,
        "object_probability": number / 100,
        "valid": valid & (video >= 0),
        "intrinsics": np.full((3, 3), video, np.float32),
        "video": np.array(video, np.int32),
        "start": np.array(start, np.int32),
        "action_over_time": np.full(
            (CLIPS.frames // CLIPS.window, 5), 10 * video + start, np.float32
        ),
    }


def collect(found):
    collector = estimates.Collector(FRAMES, CLIPS, (120, 68))
    for batch in found:
        collector.add(batch)
    return collector.result()


@pytest.fixture(scope="module")
def collected():
    return collect(batches())


def test_each_frame_lies_where_it_was_recorded_and_padding_nowhere(collected):
    number = np.arange(FRAMES.sum())
    np.testing.assert_array_equal(collected.joints_3d[:, 41, 0], number)
    np.testing.assert_array_equal(collected.target_3d[:, 0, 2], -number)
    np.testing.assert_array_equal(collected.hand_annotated[:, 0], number % 2 == 0)
    np.testing.assert_array_equal(collected.hand_annotated[:, 1], number > 0)
    np.testing.assert_array_equal(collected.object, number % 3)
    np.testing.assert_array_equal(collected.object_probability, np.float32(number) / 100)
    assert collected.first_frame.tolist() == [0, 11, 12, 16]
    assert collected.video_of_frame.tolist() == [0] * 11 + [1] + [2] * 4
    assert collected.frames_of(2) == slice(12, 16)
    assert collected.intrinsics[:, 0, 0].tolist() == [0, 1, 2]


def test_places_in_windows_count_the_frames_of_one_clip(collected):
    # Eight frames are two full clips of two windows; 8 and 10, and 9, are cut off by the end.
    first = [0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1]
    assert collected.window_position.tolist() == [*first, 0, 0, 0, 1, 1]
    assert collected.window_length.tolist() == [2] * 8 + [2, 1, 2] + [1] + [2] * 4


def test_clips_are_ordered_whatever_the_order_of_batches(collected):
    reverse = collect([{name: x[::-1] for name, x in batch.items()} for batch in batches()][::-1])
    for found in (collected, reverse):
        clips = zip(found.clip_video, found.clip_start, found.clip_frames, strict=True)
        expected = [(0, 0, 4), (0, 1, 4), (0, 8, 2), (0, 9, 1), (1, 0, 1), (2, 0, 2), (2, 1, 2)]
        assert list(clips) == expected
        assert found.action_over_time[:, 1, 4].tolist() == [0, 1, 8, 9, 10, 20, 21]
    for field in dataclasses.fields(collected):
        np.testing.assert_array_equal(
            getattr(collected, field.name), getattr(reverse, field.name), field.name
        )


@pytest.mark.parametrize("times", [0, 2])
def test_frames_that_are_not_met_exactly_once_are_noticed(times):
    first, *others = batches()
    with pytest.raises(AssertionError, match="every frame must be met exactly once"):
        collect([first] * times + others)


def test_a_file_gives_back_what_was_saved(collected, tmp_path):
    collected.save(tmp_path / "estimates.npz")
    assert [path.name for path in tmp_path.iterdir()] == ["estimates.npz"]
    loaded = estimates.load(tmp_path / "estimates.npz")
    assert (loaded.window, loaded.spacing, loaded.image_size) == (2, 2, (120, 68))
    for field in dataclasses.fields(collected):
        found, expected = getattr(loaded, field.name), getattr(collected, field.name)
        np.testing.assert_array_equal(found, expected, field.name)
        assert getattr(found, "dtype", None) == getattr(expected, "dtype", None), field.name


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "estimates.npz"
    with pytest.raises(
        InputError, match=r"cannot read the estimates in .*; evaluate the run again"
    ):
        estimates.load(path)
    np.savez(path, joints_3d=np.zeros(3))
    with pytest.raises(InputError, match="target_3d"):
        estimates.load(path)
    for content in (b"", b"PK\x03\x04", b"text"):
        path.write_bytes(content)
        with pytest.raises(InputError, match="cannot read the estimates"):
            estimates.load(path)
