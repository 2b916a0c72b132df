import dataclasses
import json
import pathlib

import numpy as np
import pytest

from htt_jax.datasets.skeleton import Skeleton
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.metrics import ActionMetrics, ImageMetrics, ObjectMetrics, PoseMetrics

PARITY = json.loads(
    (pathlib.Path(__file__).parents[1] / "parity" / "pose_metrics.json").read_text()
)


def parity_poses(case, num_joints):
    """Poses and their frames' validity that the published figures in the file belong to."""
    rng = np.random.default_rng(case["seed"])
    target = rng.standard_normal((case["frames"], num_joints, 3))
    joint_noise = rng.standard_normal(target.shape)
    joint_noise *= 0.02 * rng.random((case["frames"], 1, 1))
    frame_noise = 0.01 * rng.standard_normal((case["frames"], 1, 3))
    valid = rng.random(case["frames"]) < 0.8
    return target + joint_noise + frame_noise, target, valid


def assert_matches_published(space, published):
    to_mm = {"mepe": "epe_mean", "mepe_per_joint": "epe_mean_joints", "median": "epe_median"}
    for ours, theirs in (to_mm | {"thresholds": "thresholds"}).items():
        np.testing.assert_allclose(np.array(space[ours]) / 1000, published[theirs], atol=1e-7)
    np.testing.assert_allclose(space["auc"], published["auc"], atol=1e-6)
    np.testing.assert_allclose(space["pck"], published["pck_curve"], atol=1e-6)


@pytest.mark.parametrize(
    ("name", "spec", "tags"),
    [("one_hand", FPHA, {"right": ""}), ("two_hands", H2O, {"left": "left_", "right": "right_"})],
)
def test_pose_metrics_are_the_published_ones(name, spec, tags):
    predicted, target, valid = parity_poses(PARITY[name], spec.num_joints)
    metrics = PoseMetrics(spec)
    for part in np.array_split(np.flatnonzero(valid), 7):
        annotated = np.ones((len(part), len(spec.hands)), bool)
        metrics.update(predicted[part], target[part], annotated)
    result = metrics.result()
    assert list(result) == list(tags)
    for hand, tag in tags.items():
        published = PARITY[name]["results"]
        assert result[hand]["frames"] == valid.sum()
        assert_matches_published(result[hand]["camera_space"], published[f"{tag}joints3d"])
        assert_matches_published(result[hand]["root_aligned"], published[f"{tag}joints3d_cent"])


def two_hand_poses():
    """Left hands 10 mm off; right hands 40 mm off where they are not annotated, else exact."""
    target = np.zeros((4, 42, 3), np.float32)
    annotated = np.array([[True, True], [True, False], [True, False], [True, True]])
    predicted = target.copy()
    predicted[:, :21, 0] = 0.010
    predicted[1:3, 21:, 2] = 0.040
    return predicted, target, annotated


def test_unannotated_hands_do_not_count():
    metrics = PoseMetrics(H2O)
    metrics.update(*two_hand_poses())
    result = metrics.result()
    assert result["left"]["camera_space"]["mepe"] == pytest.approx(10)
    assert result["left"]["root_aligned"]["mepe"] == pytest.approx(0)
    assert (result["right"]["frames"], result["right"]["camera_space"]["mepe"]) == (2, 0)


def test_unannotated_hands_count_as_in_the_published_code_when_asked():
    metrics = PoseMetrics(H2O, mask_unannotated=False)
    metrics.update(*two_hand_poses())
    right = metrics.result()["right"]
    assert (right["frames"], right["camera_space"]["mepe"]) == (4, pytest.approx(20))


def test_a_hand_never_annotated_is_left_out():
    metrics = PoseMetrics(H2O)
    predicted, target, annotated = two_hand_poses()
    metrics.update(predicted, target, annotated & [True, False])
    assert list(metrics.result()) == ["left"]
    assert PoseMetrics(H2O).result() == {}


def test_joints_that_are_not_known_count_nowhere():
    hand = Skeleton(("root", "base", "tip"), ((0, 1), (1, 2)), {"claw": (1, 2)}, root=0)
    metrics = PoseMetrics(dataclasses.replace(FPHA, skeleton=hand))
    predicted = np.zeros((4, 3, 3))
    predicted[..., 0] = np.array([[1, 5, 900], [3, 90, 900], [900, 30, 900], [900, 900, 900]]) / 1e3
    known = np.array([[1, 1, 0], [1, 1, 0], [0, 1, 0], [0, 0, 0]], bool)
    metrics.update(predicted, np.zeros((4, 3, 3)), np.zeros((4, 1), bool), known)
    found = metrics.result()["right"]
    assert found["frames"] == 3
    space = found["camera_space"]
    assert space["mepe"] == pytest.approx((1 + 3 + 5 + 90 + 30) / 5)
    assert space["mepe_per_joint"][:2] == pytest.approx([2, 125 / 3])
    assert space["mepe_per_joint"][2] is None
    assert space["median"] == pytest.approx((2 + 30) / 2)
    assert space["pck"][10] == pytest.approx((1 + 1 / 3) / 2)  # within 25 mm
    aligned = found["root_aligned"]  # of frames whose root is known
    assert aligned["mepe"] == pytest.approx((4 + 87) / 2)
    assert aligned["mepe_per_joint"] == [pytest.approx(45.5), None]


def test_a_hand_whose_root_is_never_known_has_no_root_aligned_errors():
    known = np.zeros((1, 42), bool)
    known[0, 24] = True
    metrics = PoseMetrics(H2O)
    metrics.update(np.zeros((1, 42, 3)), np.ones((1, 42, 3)), np.zeros((1, 2), bool), known)
    found = metrics.result()
    assert list(found) == ["right"]
    assert found["right"]["camera_space"]["mepe"] == pytest.approx(1000 * 3**0.5)
    assert [found["right"]["root_aligned"][name] for name in ("mepe", "auc", "pck")] == 3 * [None]


def test_an_infinite_pose_is_as_wrong_as_can_be_and_one_that_is_none_counts_nowhere():
    for said, mean in ((np.inf, np.inf), (np.nan, pytest.approx(10.0))):
        predicted, target, annotated = two_hand_poses()
        predicted[1, 3] = said
        metrics = PoseMetrics(H2O)
        metrics.update(predicted, target, annotated)
        left = metrics.result()["left"]
        assert left["camera_space"]["mepe"] == mean
        relative = left["root_aligned"]["mepe"]
        assert relative == (np.inf if said == np.inf else pytest.approx(0.0))


def test_errors_in_the_image_are_means_over_known_places():
    errors, known = np.full((2, 42), 1e9, np.float32), np.zeros((2, 42), bool)
    errors[0, [0, 4, 21]], errors[1, 4] = (2, 3, 8), 7
    known[0, [0, 4, 21]] = known[1, 4] = True
    metrics = ImageMetrics(H2O)
    for frame in range(2):
        metrics.update(errors[frame : frame + 1], known[frame : frame + 1])
    assert metrics.result() == {
        "mepe": 6.0,
        "hands": {
            "left": {"frames": 2, "joints": 3, "mepe": 4.0},
            "right": {"frames": 1, "joints": 1, "mepe": 8.0},
        },
    }
    assert ImageMetrics(H2O).result() == {}


def test_action_of_a_video_is_the_argmax_of_summed_probabilities():
    metrics = ActionMetrics(3)
    metrics.update(
        np.array([4, 4, 7]),
        np.array([[0.6, 0.4, 0.0], [0.5, 0.3, 0.2], [0.2, 0.8, 0.0]]),
        np.array([1, 1, 1]),
    )
    metrics.update(
        np.array([4, -1]), np.array([[0.0, 0.9, 0.1], [1.0, 0.0, 0.0]]), np.array([1, 0])
    )
    result = metrics.result()
    assert (result["videos"], result["accuracy"], result["majority_vote_accuracy"]) == (2, 1.0, 0.5)
    assert result["confusion"] == [[0, 0, 0], [0, 2, 0], [0, 0, 0]]
    first = result["per_video"][0]
    assert (first["video"], first["predicted"], first["majority_vote"]) == (4, 1, 0)
    np.testing.assert_allclose(first["probabilities"], [1.1 / 3, 1.6 / 3, 0.1])


def test_a_tied_vote_goes_to_the_more_probable_action():
    metrics = ActionMetrics(3)
    probabilities = np.array([[0.6, 0.4, 0.0], [0.0, 0.1, 0.9]])
    metrics.update(np.array([0, 0]), probabilities, np.array([2, 2]))
    assert metrics.result()["majority_vote_accuracy"] == 1.0


def test_hidden_actions_are_predicted_but_not_scored():
    metrics = ActionMetrics(2)
    metrics.update(np.array([3]), np.array([[0.3, 0.7]]), np.array([-1]))
    result = metrics.result()
    assert (result["videos"], result["accuracy"]) == (0, None)
    assert result["per_video"][0]["predicted"] == 1


def test_object_accuracy_counts_frames_with_a_known_object():
    metrics = ObjectMetrics(3)
    metrics.update(np.array([0, 1, 2, 2]), np.array([0, 2, 2, -1], np.int32))
    metrics.update(np.array([1]), np.array([1]))
    result = metrics.result()
    assert (result["frames"], result["accuracy"]) == (4, 0.75)
    assert result["confusion"] == [[1, 0, 0], [0, 1, 0], [0, 1, 1]]


def test_metrics_without_data_have_no_accuracy():
    assert ActionMetrics(2).result()["accuracy"] is None
    assert ObjectMetrics(2).result()["accuracy"] is None


def test_the_root_may_be_any_joint():
    hand = Skeleton(("tip", "base", "root"), ((2, 1), (1, 0)), {"claw": (1, 0)}, root=2)
    metrics = PoseMetrics(dataclasses.replace(FPHA, skeleton=hand))
    predicted = np.zeros((1, 3, 3))
    predicted[0, :, 0] = (0.004, 0.006, 0.001)
    metrics.update(predicted, np.zeros((1, 3, 3)), np.ones((1, 1), bool))
    found = metrics.result()["right"]
    np.testing.assert_allclose(found["camera_space"]["mepe_per_joint"], [4, 6, 1])
    np.testing.assert_allclose(found["root_aligned"]["mepe_per_joint"], [3, 5])
