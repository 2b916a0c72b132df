"""What a run looks at of a prepared dataset: camera, first frames, videos held out."""

import dataclasses
import pickle

import numpy as np
import pytest

from htt_jax.data.records import RecordSource
from htt_jax.data.views import View, open_view
from htt_jax.datasets.spec import FPHA
from htt_jax.support.errors import InputError
from tests import prepared

WITH_DEPTH = dataclasses.replace(FPHA, depth=True, camera_poses=True, object_boxes=True)
LENGTHS = [5, 2, 7, 4]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("views") / "data"
    return prepared.write_dataset(folder, WITH_DEPTH, {"train": LENGTHS, "test": [3]})


def test_the_depth_camera_sees_its_maps_and_the_joints_in_its_own_space(dataset):
    color, depth = RecordSource(dataset, "train"), open_view(dataset, "train", View("depth"))
    assert (color.camera, depth.camera) == ("color", "depth")
    assert depth.image_size == prepared.DEPTH_SIZE
    there, here = color[0], depth[0]
    assert here.frames == there.depth.frames
    np.testing.assert_array_equal(here.intrinsics, prepared.DEPTH_INTRINSICS)
    homogeneous = np.concatenate([there.joints_3d, np.ones((5, 21, 1))], axis=-1)
    expected = homogeneous @ prepared.FROM_COLOR.T
    np.testing.assert_allclose(here.joints_3d, expected[..., :3], atol=1e-6)
    turn, shift = prepared.FROM_COLOR[:3, :3], prepared.FROM_COLOR[:3, 3]
    np.testing.assert_allclose(
        here.object_boxes[:4], there.object_boxes[:4] @ turn.T + shift, atol=1e-6
    )
    world = np.einsum("fij,fkj->fki", there.camera_poses, homogeneous)
    np.testing.assert_allclose(
        np.einsum("fij,fkj->fki", here.camera_poses, expected), world, atol=1e-6
    )


def test_videos_end_after_the_first_frames(dataset):
    source = open_view(dataset, "train", View("color", first_frames=4))
    assert source.frame_counts.tolist() == [4, 2, 4, 4]
    video = source[2]
    assert [len(video.frames), len(video.joints_3d), len(video.hand_annotated)] == [4, 4, 4]
    assert len(video.camera_poses) == len(video.object_boxes) == len(video.frame_numbers) == 4
    assert source.fingerprint == RecordSource(dataset, "train").fingerprint


def test_videos_end_after_the_share_that_is_observed_but_have_a_frame(dataset):
    source = open_view(dataset, "train", View(observed=0.4))
    assert source.frame_counts.tolist() == [2, 1, 3, 2]
    assert [len(source[i].frames) for i in range(4)] == [2, 1, 3, 2]
    of_first = open_view(dataset, "train", View(first_frames=5, observed=0.2))
    assert of_first.frame_counts.tolist() == [1, 1, 1, 1]
    assert len(of_first[2].joints_3d) == 1


def test_every_training_video_is_either_trained_on_or_held_out(dataset):
    trained = open_view(dataset, "train", View(held_out=1))
    held_out = open_view(dataset, "held_out", View(held_out=1))
    assert (len(trained), len(held_out), held_out.split) == (3, 1, "held_out")
    ids = [*trained.video_ids, *held_out.video_ids]
    assert sorted(ids) == sorted(RecordSource(dataset, "train").video_ids)
    for source in (trained, held_out):
        found = [source[video].video_id for video in range(len(source))]
        assert found == source.video_ids
        assert [len(source[i].frames) for i in range(len(source))] == source.frame_counts.tolist()
    assert len(open_view(dataset, "test", View(held_out=1))) == 1


def test_a_view_goes_to_other_processes(dataset):
    source = open_view(dataset, "train", View("depth", 4, 1))
    copy = pickle.loads(pickle.dumps(source))
    assert copy[1].video_id == source[1].video_id
    np.testing.assert_array_equal(copy[1].joints_3d, source[1].joints_3d)


def test_what_is_not_there_is_said(dataset, tmp_path):
    plain = prepared.write_dataset(tmp_path / "plain", FPHA, {"train": [3]})
    with pytest.raises(InputError, match="has no depth maps; prepare the dataset again with"):
        open_view(plain, "train", View("depth"))
    with pytest.raises(InputError, match=r"held_out=4 leaves none of the 4 training videos"):
        open_view(dataset, "train", View(held_out=4))
    with pytest.raises(InputError, match="has no split 'held_out'; it has train, test"):
        open_view(dataset, "held_out", View())


def test_without_any_map_there_is_no_size(tmp_path, monkeypatch):
    def no_maps(joints):
        return dataclasses.replace(make(joints), frames=[b""] * len(joints))

    make = prepared.make_depth
    monkeypatch.setattr(prepared, "make_depth", no_maps)
    folder = prepared.write_dataset(tmp_path / "data", WITH_DEPTH, {"train": [2]})
    with pytest.raises(InputError, match=r"no video in split 'train' of .* has a depth map"):
        open_view(folder, "train", View("depth"))
