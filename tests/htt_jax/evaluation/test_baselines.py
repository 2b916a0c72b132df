import numpy as np

from htt_jax.evaluation.baselines import evaluate_baselines, fit_baselines


def test_the_mean_pose_is_over_annotated_frames_of_each_hand(source):
    baselines = fit_baselines(source)
    frames = [(video, frame) for video, count in enumerate((1, 9, 5, 12)) for frame in range(count)]
    left = np.mean([pair for pair in frames if pair[1] % 3], axis=0)
    right = np.mean(frames, axis=0)
    np.testing.assert_allclose(baselines.pose[:21, :2], np.tile(left, (21, 1)))
    np.testing.assert_allclose(baselines.pose[21:, :2], np.tile(right, (21, 1)))
    np.testing.assert_allclose(baselines.pose[:, 2], 1 + np.arange(42) / 100, rtol=1e-6)
    assert baselines.poses(7).shape == (7, 42, 3)


def test_the_most_frequent_action_counts_videos_and_the_object_frames(source):
    baselines = fit_baselines(source)
    assert baselines.action == 0  # videos 0 and 3
    assert baselines.object == 1  # videos 1 and 3, 21 of 27 frames


def test_hidden_classes_have_no_most_frequent_one(dataset_of, video_of):
    video = video_of(0, 2)
    video.action = video.object = -1
    baselines = fit_baselines(dataset_of([video]))
    assert (baselines.action, baselines.object) == (-1, -1)


def test_a_hand_never_annotated_has_no_mean_pose_and_no_errors(dataset_of, video_of):
    video, tested = video_of(0, 2), video_of(1, 3)
    video.hand_annotated[:, 0] = False
    baselines = fit_baselines(dataset_of([video]))
    assert np.isnan(baselines.pose[:21]).all()
    assert np.isfinite(baselines.pose[21:]).all()
    found = evaluate_baselines(baselines, dataset_of([tested]), (480, 270))["pose"]
    assert found["left"]["camera_space"]["mepe"] is None
    assert found["right"]["camera_space"]["mepe"] >= 0
