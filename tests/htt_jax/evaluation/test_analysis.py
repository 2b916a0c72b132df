"""Tables and rankings of hand-made estimates, whose answers are known."""

import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation import analysis
from htt_jax.evaluation.estimates import Estimates
from htt_jax.metrics import PoseMetrics

IMAGE_SIZE = (100, 80)
FOCAL = 100.0


def make(estimated, target, annotated=None, *, frames=None, clips=None, over_time=None, **more):
    """Estimates of videos of `frames` raw frames; windows of two, every frame in a clip."""
    count, joints = target.shape[:2]
    counts = [count] if frames is None else frames
    intrinsics = np.array([[FOCAL, 0, 50], [0, FOCAL, 40], [0, 0, 1]], np.float32)
    video, start, length = np.transpose([(0, 0, count)] if clips is None else clips)
    return Estimates(
        **{
            "joints_3d": estimated.astype(np.float32),
            "target_3d": target.astype(np.float32),
            "hand_annotated": np.ones((count, joints // 21), bool)
            if annotated is None
            else np.array(annotated),
            "object": np.zeros(count, np.int32),
            "object_probability": np.ones(count, np.float32),
            "window_position": np.arange(count) % 2,
            "window_length": np.full(count, 2),
            "first_frame": np.concatenate([[0], np.cumsum(counts)]),
            "intrinsics": np.broadcast_to(intrinsics, (len(counts), 3, 3)),
            "image_size": IMAGE_SIZE,
            "clip_video": video,
            "clip_start": start,
            "clip_frames": length,
            "action_over_time": np.ones((len(video), 1, 3)) if over_time is None else over_time,
            "window": 2,
            "spacing": 1,
        }
        | more
    )


def poses(frames, spec=FPHA):
    """Joints in the middle of the image, half a metre away."""
    return np.tile([0.0, 0.0, 0.5], (frames, spec.num_joints, 1))


def off_by(frames, mm, joint, spec=FPHA):
    """`poses`, one joint of them moved by so many millimetres in each frame."""
    estimated = poses(frames, spec)
    estimated[:, joint, 0] += np.array(mm) / 1000
    return estimated


def column(table, key):
    return [row[key] for row in table]


def test_errors_are_distances_and_distances_after_the_wrists_are_aligned():
    estimated = off_by(1, 10, 0)  # the wrist, so that all others are off when it is aligned
    estimated[0, 4, 0] += 0.004
    errors = analysis.joint_errors(make(estimated, poses(1)), FPHA, mask_unannotated=True)
    (right,) = errors.values()
    expected = np.zeros(21)
    expected[[0, 4]] = 10, 4
    np.testing.assert_allclose(right.camera_space[0], expected, atol=1e-4)
    aligned = np.full(21, 10.0)
    aligned[0], aligned[4] = np.nan, 6
    np.testing.assert_allclose(right.root_aligned[0], aligned, atol=1e-4)
    assert right.counted.tolist() == [True]


def test_hands_that_are_not_annotated_do_not_count_unless_asked_for():
    found = make(
        off_by(3, [1, 2, 6], 30, H2O), poses(3, H2O), [[False, True], [False, False], [False, True]]
    )
    errors = analysis.joint_errors(found, H2O, mask_unannotated=True)
    assert list(errors) == ["right"]
    assert errors["right"].counted.tolist() == [True, False, True]
    assert np.isnan(errors["right"].camera_space[1]).all()
    row = analysis.by_joint(errors)[30 - 21]
    assert row["frames"] == 2
    assert row["mepe"] == pytest.approx(3.5, abs=1e-4)
    errors = analysis.joint_errors(found, H2O, mask_unannotated=False)
    assert list(errors) == ["left", "right"]
    row = analysis.by_joint(errors)[30]
    assert (row["hand"], row["frames"]) == ("right", 3)
    assert row["mepe"] == pytest.approx(3, abs=1e-4)
    assert row["median"] == pytest.approx(2, abs=1e-4)


def test_means_are_those_of_the_metrics():
    rng = np.random.default_rng(0)
    target = poses(50, H2O) + rng.normal(0, 0.05, (50, 42, 3))
    estimated = target + rng.normal(0, 0.02, target.shape)
    found = make(estimated, target, rng.random((50, 2)) < 0.6)
    metrics = PoseMetrics(H2O)
    metrics.update(found.joints_3d, found.target_3d, found.hand_annotated)
    table = analysis.by_joint(analysis.joint_errors(found, H2O, mask_unannotated=True))
    for hand, expected in metrics.result().items():
        rows = [row for row in table if row["hand"] == hand]
        assert column(rows, "frames") == [expected["frames"]] * 21
        per_joint = expected["camera_space"]["mepe_per_joint"]
        np.testing.assert_allclose(column(rows, "mepe"), per_joint, rtol=1e-6)
        per_joint = expected["root_aligned"]["mepe_per_joint"]
        assert rows[0]["mepe_ra"] is None
        np.testing.assert_allclose(column(rows[1:], "mepe_ra"), per_joint, rtol=1e-6)


def test_fingers_put_their_four_joints_together():
    found = make(off_by(2, [4, 8], FPHA.skeleton.joints.index("ring_3")), poses(2))
    errors = analysis.joint_errors(found, FPHA, mask_unannotated=True)
    table = analysis.by_finger(errors)
    assert column(table, "finger") == ["wrist", "thumb", "index", "middle", "ring", "little"]
    np.testing.assert_allclose(column(table, "mepe"), [0, 0, 0, 0, 1.5, 0], atol=1e-4)
    assert table[0]["mepe_ra"] is None
    assert table[4]["mepe_ra"] == pytest.approx(1.5, abs=1e-4)
    assert [row["joint"] for row in analysis.by_joint(errors) if row["finger"] == "ring"] == [
        "ring_1",
        "ring_2",
        "ring_3",
        "ring_4",
    ]


def test_visible_joints_lie_inside_the_image_and_in_front_of_the_camera():
    target = poses(5)
    target[0, 3:, 2] = 0.0  # a hand that was not annotated lies in the camera's centre
    target[1, :4, 2] = -0.5
    target[2, :, 0] = 0.2501  # u = 50 + 100 * 0.2501 / 0.5 > 100
    target[3, 0, 0] = 0.2499
    target[4, :5, 1] = -0.2001  # v = 40 - 100 * 0.2001 / 0.5 < 0
    found = make(off_by(5, [1, 2, 3, 4, 6], 1) - poses(5) + target, target)
    assert analysis.visible_joints(found, FPHA, "right").tolist() == [3, 17, 0, 21, 16]
    errors = analysis.joint_errors(found, FPHA, mask_unannotated=True)
    table = analysis.by_visibility(errors, found, FPHA)
    assert column(table, "visible") == ["0", "1-10", "11-20", "21"]
    assert column(table, "visible_to") == [0, 10, 20, 21]
    assert column(table, "frames") == [1, 1, 2, 1]
    np.testing.assert_allclose(column(table, "mepe"), np.array([3, 1, 4, 4]) / 21, atol=1e-4)
    np.testing.assert_allclose(column(table, "mepe_ra"), np.array([3, 1, 4, 4]) / 20, atol=1e-4)


def test_places_in_the_window_are_compared_over_full_windows():
    found = make(
        off_by(5, [21, 42, 63, 84, 1000], 7),
        poses(5),
        window_length=np.array([2, 2, 2, 2, 1]),
    )
    errors = analysis.joint_errors(found, FPHA, mask_unannotated=True)
    table = analysis.by_window_position(errors, found)
    assert column(table, "position") == [0, 1]
    assert column(table, "frames") == [2, 2]
    np.testing.assert_allclose(column(table, "mepe"), [2, 3], atol=1e-4)


ACTIONS = ["open_milk", "close_milk", "put_salt", "open_juice_bottle", "high_five"]


def videos(*action_and_predicted):
    return [
        {"video": i, "video_id": f"video {i}", "action": action, "predicted": predicted}
        | {"probabilities": [0.1, 0.2, 0.3, 0.4, 0.0]}
        for i, (action, predicted) in enumerate(action_and_predicted)
    ]


PREDICTED = videos((0, 0), (0, 3), (0, 3), (0, 1), (1, 1), (3, 3), (-1, 2))


def test_actions_are_counted_and_named_with_what_they_are_taken_for():
    assert analysis.action_table(PREDICTED, ACTIONS) == [
        {
            "action": "open_milk",
            "videos": 4,
            "correct": 1,
            "accuracy": 0.25,
            "taken_for": "open_juice_bottle",
            "taken_for_videos": 2,
        },
        {
            "action": "close_milk",
            "videos": 1,
            "correct": 1,
            "accuracy": 1.0,
            "taken_for": None,
            "taken_for_videos": 0,
        },
        {
            "action": "open_juice_bottle",
            "videos": 1,
            "correct": 1,
            "accuracy": 1.0,
            "taken_for": None,
            "taken_for_videos": 0,
        },
    ]


def test_verbs_and_nouns_are_right_when_another_action_shares_them():
    verbs = analysis.verb_table(PREDICTED, ACTIONS, FPHA)
    assert column(verbs, "verb") == ["open", "close"]
    assert column(verbs, "actions") == [2, 1]
    assert column(verbs, "videos") == [5, 1]
    assert column(verbs, "correct") == [4, 1]
    assert verbs[0]["taken_for"] == "close"
    nouns = analysis.noun_table(PREDICTED, ACTIONS, FPHA)
    assert column(nouns, "noun") == ["milk", "juice_bottle"]
    assert column(nouns, "correct") == [3, 1]
    assert column(nouns, "accuracy") == [0.6, 1.0]


def test_hidden_actions_give_no_rows():
    hidden = videos((-1, 0), (-1, 1))
    assert analysis.action_table(hidden, ACTIONS) == []
    assert analysis.verb_table(hidden, ACTIONS, FPHA) == []


def test_videos_are_ranked_by_their_action_then_by_their_aligned_error():
    # Errors of 21, 42, ... mm of one joint: a MEPE of 1, 2, ... mm.
    frames = [1, 2, 1, 1, 1]
    found = make(
        off_by(6, np.array([5, 1, 3, 3, 1, 4]) * 21, 9),
        poses(6),
        [[True], [True], [True], [True], [True], [False]],
        frames=frames,
    )
    errors = analysis.joint_errors(found, FPHA, mask_unannotated=True)
    scored = videos((0, 0), (0, 0), (1, 0), (0, 1), (-1, 1))
    best, worst = analysis.rank_videos(scored, errors, found)
    assert column_of(best, "video") == [1, 0, 4]
    assert column_of(worst, "video") == [2, 3]
    np.testing.assert_allclose(column_of(best[:2], "mepe"), [2, 5], atol=1e-4)
    np.testing.assert_allclose(column_of(best[:2], "mepe_ra"), np.array([2, 5]) * 1.05, atol=1e-4)
    assert (best[2].mepe, best[2].mepe_ra) == (None, None)
    assert column_of(best, "correct") == [True, True, None]
    assert column_of(worst, "correct") == [False, False]
    assert column_of(best, "frames") == [2, 1, 1]
    assert column_of(worst, "probability_of_the_true_action") == [0.2, 0.1]
    assert best[2].probability_of_the_true_action is None
    best, worst = analysis.rank_videos(scored, errors, found, count=1)
    assert column_of([*best, *worst], "video") == [1, 2]


def test_videos_without_any_annotated_hand_are_ranked_by_their_action():
    found = make(poses(2), poses(2), [[False], [False]], frames=[1, 1])
    best, worst = analysis.rank_videos(videos((0, 1), (0, 0)), {}, found)
    assert column_of([*best, *worst], "video") == [1, 0]
    assert best[0].mepe is None


def column_of(scores, name):
    return [getattr(score, name) for score in scores]


def test_action_over_time_sums_the_clips_begun_so_far():
    # A video of six frames after another one: windows of one frame, spacing 2, clips of two
    # frames: 0 and 2, 1 and 3, then 4, then 5.
    over_time = np.zeros((5, 2, 2), np.float32)
    over_time[:, :, 0] = [[9, 9], [0.1, 0.2], [0.3, 0.4], [0.5, 0.5], [0.6, 0.6]]
    over_time[:, :, 1] = 1 - over_time[:, :, 0]
    found = make(
        poses(7),
        poses(7),
        frames=[1, 6],
        clips=[(0, 0, 1), (1, 0, 2), (1, 1, 2), (1, 4, 1), (1, 5, 1)],
        over_time=over_time,
        window=1,
        spacing=2,
    )
    stands = analysis.action_over_time(found, 1)
    expected = [0.1, 0.4 / 2, 0.5 / 2, 0.6 / 2, 1.1 / 3, 1.7 / 4]
    np.testing.assert_allclose(stands[:, 0], expected, rtol=1e-6)
    np.testing.assert_allclose(stands.sum(axis=1), 1, rtol=1e-6)


def test_an_exported_program_says_only_how_the_action_stands_in_the_end():
    found = make(poses(4), poses(4), over_time=np.array([[[0.7, 0.3]]]))
    np.testing.assert_allclose(analysis.action_over_time(found, 0), [[0.7, 0.3]] * 4)
