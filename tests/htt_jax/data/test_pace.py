"""Which frames are seen of videos of other frame rates."""

import dataclasses
import os
from fractions import Fraction

import numpy as np
import pytest

from htt_jax.data import records
from htt_jax.data.clips import ClipSpec, clip_frames
from htt_jax.data.loader import eval_batches
from htt_jax.data.pace import Pace, clips_at, pace
from htt_jax.data.records import RecordSource
from htt_jax.data.tfrecord import index_path
from htt_jax.data.views import HELD_OUT, View, open_view
from htt_jax.datasets.spec import FPHA
from htt_jax.support.errors import InputError
from tests import prepared

PAPERS = ClipSpec(window=16, frames=128, spacing=2)
RATES = [25.0, 60.0, 240.0, 29.97]
LENGTHS = [10, 9, 17, 4]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """Videos of several rates."""
    spec = dataclasses.replace(FPHA, frame_rates=True)
    folder = tmp_path_factory.mktemp("paces")
    schema = records.features(spec, prepared.ACTIONS, prepared.OBJECTS)
    rng = np.random.default_rng(0)
    with records.ShardWriter(records.shard_path(folder, spec, "train", 0, 1)) as shard:
        for number, (frames, rate) in enumerate(zip(LENGTHS, RATES, strict=True)):
            video = prepared.make_video(spec, rng, number, frames, (64, 36), number % 3)
            video.frame_rate = rate
            shard.write(records.encode(video, schema), frames, video.video_id, rate)
    indexes = {"train": [shard.index]}
    records.write_metadata(folder, spec, prepared.ACTIONS, prepared.OBJECTS, indexes)
    return folder


@pytest.mark.parametrize(
    ("rate", "shown"),
    [
        (30, [0, 1, 2, 3, 4]),
        (30000 / 1001, [0, 1, 2, 3, 4]),
        (25, [0, 0, 1, 2, 3, 4]),
        (24, [0, 0, 1, 2, 3, 4, 4]),
        (60, [0, 2, 4]),
        (240, [0]),
        (15, [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]),
    ],
)
def test_five_frames_at_thirty_a_second(rate, shown):
    found = pace(rate, 30)
    assert found.shown(5).tolist() == shown
    assert [found.times(frame) for frame in range(5)] == [shown.count(n) for n in range(5)]


def test_a_pace_is_even_for_hours():
    frames = pace(25, 30).shown(25 * 3600)
    assert (len(frames), frames[-1]) == (30 * 3600, 25 * 3600 - 1)
    assert set(np.diff(frames)) == {0, 1}


@pytest.mark.parametrize(
    ("rate", "under_way", "advance"),
    [
        (30, 2, Fraction(1)),
        (59.94, 4, Fraction(1)),
        (240, 16, Fraction(1)),
        (25, 2, Fraction(5, 6)),
        (50, 4, Fraction(5, 6)),
        (15, 1, Fraction(1)),
        (10, 1, Fraction(2, 3)),
    ],
)
def test_clips_that_meet_every_frame_are_as_far_apart_in_time(rate, under_way, advance):
    clips, found = clips_at(PAPERS, rate, 30)
    assert (clips, found) == (dataclasses.replace(PAPERS, spacing=under_way), Pace(advance))
    met = [found.frames(clip_frames(clip, 128, clips)[0]) for clip in range(under_way)]
    seconds = np.array([frames / rate for frames in met])
    # Each frame of a clip lies where it should in time, up to the one frame before it.
    away = seconds - seconds[:, :1] - np.arange(128) / 15
    assert np.abs(away).max() <= 1 / rate + 128 / 15 * 0.0011
    assert set(range(int(met[0].max()))) <= set(np.concatenate(met).tolist())


def test_clips_of_one_frame_have_no_pace():
    single = ClipSpec(window=1, frames=1, spacing=1)
    assert clips_at(single, 240, 30) == (single, Pace())


def test_a_view_shows_videos_of_all_rates_at_one(dataset):
    raw, seen = RecordSource(dataset, "train"), open_view(dataset, "train", View(frame_rate=30.0))
    assert raw.frame_rates == RATES
    assert (raw.shown_at, seen.shown_at) == (None, 30.0)
    assert raw.frame_counts.tolist() == LENGTHS
    assert seen.frame_counts.tolist() == [12, 5, 3, 4]
    expected = [[0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9], [0, 2, 4, 6, 8], [0, 8, 16], [0, 1, 2, 3]]
    for video, frames in enumerate(expected):
        found, there = seen[video], raw[video]
        assert found.frames == [there.frames[frame] for frame in frames]
        np.testing.assert_array_equal(found.joints_3d, there.joints_3d[frames])
    numbers = [seen[video].frame_numbers.tolist() for video in range(4)]
    assert numbers == [
        [0, 0, 2, 3, 4, 5, 6, 6, 8, 9, 10, 11],  # of frames that are shown twice the first
        [0, 1, 2, 3, 4],
        [0, 1, 2],
        [0, 1, 2, 3],
    ]
    assert seen.fingerprint == raw.fingerprint


def test_first_frames_and_held_out_videos_are_counted_in_what_is_shown(dataset):
    first = open_view(dataset, "train", View(first_frames=4, frame_rate=30.0))
    assert first.frame_counts.tolist() == [4, 4, 3, 4]
    assert first[0].frame_numbers.tolist() == [0, 0, 2, 3]
    parts = [
        open_view(dataset, split, View(held_out=1, frame_rate=60.0))
        for split in ("train", HELD_OUT)
    ]
    lengths = dict(zip(RecordSource(dataset, "train").video_ids, [24, 9, 5, 8], strict=True))
    for part in parts:
        assert part.frame_counts.tolist() == [lengths[video] for video in part.video_ids]


def test_batches_hold_every_shown_frame_once(dataset):
    source = open_view(dataset, "train", View(frame_rate=30.0))
    found = {video: [] for video in range(4)}
    for batch in eval_batches(source, clips=ClipSpec(2, 4, 2), batch_size=2):
        for video, start, valid in zip(batch["video"], batch["start"], batch["valid"], strict=True):
            found.get(int(video), []).extend(start + 2 * np.arange(valid.sum()))
    assert [sorted(found[video]) for video in range(4)] == [list(range(n)) for n in (12, 5, 3, 4)]


def test_rates_are_read_from_records_where_the_index_is_gone(dataset, tmp_path):
    copy = tmp_path / "data"
    copy.mkdir()
    for path in dataset.iterdir():
        os.link(path, copy / path.name)
    index_path(next(copy.glob("*.tfrecord-00000-of-00001"))).unlink()
    assert RecordSource(copy, "train").frame_rates == RATES


def test_a_record_tells_its_rate_where_its_spec_says_so():
    rng = np.random.default_rng(0)
    video = prepared.make_video(FPHA, rng, 0, 2, (64, 36), 0)
    spec = dataclasses.replace(FPHA, frame_rates=True)
    schema = records.features(spec, prepared.ACTIONS, prepared.OBJECTS)
    with pytest.raises(InputError, match=r"no frame rate, unlike .* `frame_rates` of the"):
        records.encode(video, schema)
    video.frame_rate = 0.0
    data = records.encode(video, schema)
    with pytest.raises(InputError, match="has 0 frames a second; expected a number above 0"):
        records.decode(data, schema)


def test_a_dataset_without_rates_is_looked_at_as_it_is(tmp_path):
    folder = prepared.write_dataset(tmp_path, FPHA, {"train": [3]})
    found = open_view(folder, "train", View(frame_rate=60.0))
    assert type(found) is RecordSource
    first = open_view(folder, "train", View(first_frames=2, frame_rate=60.0))
    assert (first.frame_counts.tolist(), first.shown_at) == ([2], None)
