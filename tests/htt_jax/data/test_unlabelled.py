"""Videos without labels behind a training split."""

import dataclasses
import re

import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec
from htt_jax.data.loader import train_batches
from htt_jax.data.records import RecordSource
from htt_jax.data.unlabelled import WithUnlabelled
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.runs.directory import dataset_facts
from htt_jax.runs.opening import view_difference
from htt_jax.support.errors import InputError
from tests import prepared


@pytest.fixture(scope="module")
def sources(tmp_path_factory):
    """A split of one hand, and one of two hands in frames of the same size."""
    root = tmp_path_factory.mktemp("unlabelled")
    return [
        RecordSource(prepared.write_dataset(root / spec.name, spec, {"train": lengths}), "train")
        for spec, lengths in ((FPHA, [9, 4]), (H2O, [6, 12, 3]))
    ]


def test_they_come_after_the_others_and_tell_frames_and_camera_alone(sources):
    labelled, unlabelled = sources
    both = WithUnlabelled(labelled, unlabelled)
    assert len(both) == 5
    assert both.frame_counts.tolist() == [9, 4, 6, 12, 3]
    assert both.video_ids[:2] == labelled.video_ids
    assert [both[i].video_id for i in range(5)] == both.video_ids
    np.testing.assert_array_equal(both[1].joints_3d, labelled[1].joints_3d)
    found, there = both[3], unlabelled[1]
    assert found.frames == there.frames
    np.testing.assert_array_equal(found.intrinsics, there.intrinsics)
    assert (found.action, found.object) == (-1, -1)
    assert found.joints_3d.shape == (12, 21, 3)
    assert found.hand_annotated.shape == (12, 1)
    assert not found.hand_annotated.any()
    assert both.fingerprint not in (labelled.fingerprint, unlabelled.fingerprint)


@pytest.mark.parametrize("workers", [0, 1])
def test_their_clips_are_mixed_into_the_batches(sources, workers):
    both = WithUnlabelled(*sources)
    options = {"clips": ClipSpec(2, 4, 1), "batch_size": 4, "seed": 0, "workers": workers}
    batches = train_batches(both, **options)
    known = [next(batches)["hand_annotated"][..., 0].all(axis=1) for _ in range(4)]
    batches.close()
    assert {0 < count < 4 for count in np.sum(known, axis=1)} == {True}


def test_frames_of_another_size_and_the_same_videos_are_refused(sources, tmp_path):
    labelled, _ = sources
    small = prepared.write_dataset(tmp_path / "small", FPHA, {"train": [4]}, (32, 18))
    with pytest.raises(InputError, match=r"distill.data=.*small has frames of 32x18 .* of 64x36"):
        WithUnlabelled(labelled, RecordSource(small, "train"))
    with pytest.raises(InputError, match="holds the videos that are trained on with their labels"):
        WithUnlabelled(labelled, labelled)


def test_frames_that_were_stretched_otherwise_are_refused(sources, tmp_path, monkeypatch):
    def stretched(name, which):
        def of_two_cameras(spec, rng, number, *others, make=prepared.make_video):
            video = make(spec, rng, number, *others)
            intrinsics = np.diag([58, 103, 1]).astype(np.float32)
            return dataclasses.replace(video, intrinsics=intrinsics) if number in which else video

        with monkeypatch.context() as patch:
            patch.setattr(prepared, "make_video", of_two_cameras)
            folder = prepared.write_dataset(tmp_path / name, FPHA, {"train": [4, 4, 2]})
        return RecordSource(folder, "train")

    mixed, whole = stretched("mixed", {1}), stretched("whole", {0, 1, 2})
    said = rf"distill.data=.*mixed has frames, of video '{mixed.video_ids[1]}', that show 3"
    with pytest.raises(InputError, match=said + r".16 times as much .* show 1.78 times"):
        WithUnlabelled(sources[0], mixed)
    assert len(WithUnlabelled(mixed, whole)) == 6  # the labelled ones have both shapes
    run = dataset_facts(sources[0], None)
    said = rf"^frames of its video '{whole.video_ids[0]}' show 3.16 times as much across as upw"
    assert re.match(said, view_difference(run, whole))
    assert view_difference(run, mixed) is None  # the run may have been trained so
