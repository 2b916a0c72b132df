"""Forecasts measured on made-up hands and cameras: pasts, spaces, horizons, errors."""

import dataclasses

import numpy as np
import pytest

from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import H2O
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.forecasting import Collector, Recorded, asked, mean_motions, measured
from htt_jax.evaluation.forecasting.cases import RUN
from htt_jax.evaluation.forecasting.pasts import followed, least_step
from htt_jax.support.errors import InputError
from tests import prepared

CLIPS = ClipSpec(window=2, frames=4, spacing=2)
LENGTHS = np.array([12, 7])
FRAMES = int(LENGTHS.sum())
VIDEO = np.repeat([0, 1], LENGTHS)
TIME = np.concatenate([np.arange(n) for n in LENGTHS])
SHAPE = np.random.default_rng(0).normal(0, 0.05, (42, 3))
STEPS, NAMES = 2, ("own_camera", "last_camera", "world")
STILL = {(space, ahead): np.zeros((42, 3)) for space in NAMES for ahead in (3, 8, 15, 30)}


def estimates(joints, found, annotated=None):
    """Of all frames; what the tests do not look at is empty."""
    none = np.zeros(0, np.int32)
    return Estimates(
        joints_3d=found.astype(np.float32),
        target_3d=joints.astype(np.float32),
        hand_annotated=np.ones((FRAMES, 2), bool) if annotated is None else annotated,
        object=np.zeros(FRAMES, np.int32),
        object_probability=np.zeros(FRAMES, np.float32),
        window_position=np.zeros(FRAMES, np.int32),
        window_length=np.zeros(FRAMES, np.int32),
        first_frame=np.array([0, 12, 19]),
        intrinsics=np.zeros((2, 3, 3), np.float32),
        image_size=(64, 36),
        clip_video=none,
        clip_start=none,
        clip_frames=none,
        action_over_time=np.zeros((0, 2, 3), np.float32),
        window=CLIPS.window,
        spacing=CLIPS.spacing,
    )


def collected(joints, ahead_of):
    """A model that expects `ahead_of` of the last seen frame and the step, met as in evaluation."""
    collector = Collector(LENGTHS, CLIPS)
    table = clip_table(LENGTHS, CLIPS, training=False)
    for video, start, count in table:
        indices, valid = clip_frames(int(start), int(count), CLIPS)
        last = np.array([0, 12])[video] + indices[1::2]
        ahead = np.stack([[ahead_of(at, step + 1) for step in range(STEPS)] for at in last])
        probabilities = np.tile(np.eye(3)[1], (1, 2, 1))
        collector.add(
            {
                "video": np.array([video]),
                "start": np.array([start]),
                "valid": valid[None],
                "action": np.array([[1, 2][video]]),
                "forecast_joints_3d": ahead[None],
                "forecast_action_probabilities": probabilities,
            }
        )
    return collector.result()


def recorded(poses=None, numbers=TIME):
    return Recorded(numbers, VIDEO, poses)


def test_a_hand_at_rest_before_a_moving_head_stands_still_in_the_world_alone():
    """The camera goes 10 mm a frame to the right: so in its images the hand goes to the left."""
    poses = np.tile(np.eye(4, dtype=np.float32), (FRAMES, 1, 1))
    poses[:, 0, 3] = 0.01 * TIME
    joints = SHAPE - poses[:, None, :3, 3]
    true = collected(joints, lambda at, step: joints[at] - np.array([0.02 * step, 0, 0]))
    found = measured(
        true, estimates(joints, joints), recorded(poses), H2O, STILL, mask_unannotated=True
    )
    assert (found["seen"], found["steps"], found["horizons"]) == (2, 2, [0.1, 0.25, 0.5, 1.0])
    for space, hands in found["spaces"].items():
        for of_hand in hands.values():
            # Last seen frames: 2 3 6 7 10 11 of twelve, and 2 3 6 of seven.
            assert of_hand["pasts"] == [6, 2, 0, 0], space
            methods = of_hand["methods"]
            stays = 0.0 if space != "own_camera" else 1.0
            for past in ("true", "estimated"):
                errors = methods[f"zero velocity, {past} past"]
                np.testing.assert_allclose(errors["error"][:2], [30 * stays, 80 * stays], atol=1e-3)
                np.testing.assert_allclose(errors["error_ra"][:2], 0, atol=1e-3)
                assert errors["error"][2:] == [None, None]
                goes_on = methods[f"constant velocity, {past} past"]["error"][:2]
                np.testing.assert_allclose(goes_on, 0, atol=2e-3)
            # The model knows, but not so far ahead; between two steps lies what is between.
            np.testing.assert_allclose(methods[RUN]["error"][0], 0, atol=1e-3)
            assert methods[RUN]["error"][1] is None
    action = found["action"]
    assert (action["pasts"], action["accuracy"]) == (6, pytest.approx(4 / 6))


def test_only_hands_that_are_known_in_all_of_past_and_target_count():
    joints = np.broadcast_to(SHAPE, (FRAMES, 42, 3))
    annotated = np.ones((FRAMES, 2), bool)
    annotated[[0, 1], 0] = False  # pasts that end with 2 and 3
    annotated[5, 1] = False  # 0.1 s after 2, and in the past of 7
    made = collected(joints, lambda at, step: joints[at] + 0.001 * step)
    made_of = (made, estimates(joints, joints + 0.002, annotated), recorded(), H2O)
    motions = {key: x for key, x in STILL.items() if key[0] == "own_camera"}
    found = measured(*made_of, motions, mask_unannotated=True)["spaces"]["own_camera"]
    assert [found[hand]["pasts"][:2] for hand in H2O.hands] == [[4, 0], [4, 2]]
    methods = found["left"]["methods"]
    # Three frames ahead lie half way between the steps of 1 mm and of 2 mm in each direction.
    assert methods[RUN]["error"][0] == pytest.approx(1.5 * 3**0.5, rel=1e-3)
    assert methods[RUN]["error_ra"][0] == pytest.approx(0, abs=1e-3)
    past = "estimated past"
    assert methods[f"zero velocity, {past}"]["error"][0] == pytest.approx(2 * 3**0.5, rel=1e-3)
    everything = measured(*made_of, motions, mask_unannotated=False)["spaces"]["own_camera"]
    assert everything["left"]["pasts"] == [6, 2, 0, 0]
    known = annotated.repeat(21, axis=1)[..., None].repeat(2, axis=2)
    of_each = (made, dataclasses.replace(made_of[1], joints_known=known), *made_of[2:])
    found = measured(*of_each, motions, mask_unannotated=False)["spaces"]["own_camera"]
    assert [found[hand]["pasts"][:2] for hand in H2O.hands] == [[4, 0], [4, 2]]


def test_frames_that_are_missing_between_make_no_past():
    frames = np.array([[0, 2], [5, 7], [12, 14]])
    whole = recorded()
    assert followed(frames, 3, whole).tolist() == [True, True, True]
    assert followed(frames, 6, whole).tolist() == [True, False, False]
    gap = TIME + (TIME >= 5)  # after five frames of each video one was not recorded
    assert followed(frames, 3, recorded(numbers=gap)).tolist() == [False, True, False]
    halved = recorded(numbers=2 * TIME)
    assert followed(frames, 3, halved).tolist() == [True, True, True]


@pytest.fixture(scope="module")
def training(tmp_path_factory):
    spec = dataclasses.replace(H2O, camera_poses=True)
    folder = tmp_path_factory.mktemp("motion") / "data"
    return RecordSource(prepared.write_dataset(folder, spec, {"train": [6, 2, 4]}), "train")


def test_mean_motion_is_that_of_the_training_split_in_each_space(training):
    found = mean_motions(training, NAMES)
    moves = {name: [] for name in NAMES}
    for video in (training[0], training[2]):
        joints = np.concatenate([video.joints_3d, np.ones((len(video.frames), 42, 1))], -1)
        for at in range(len(video.frames) - 3):
            before, after = video.camera_poses[at], video.camera_poses[at + 3]
            moves["own_camera"].append(joints[at + 3] - joints[at])
            world = joints[at + 3] @ after.T - joints[at] @ before.T
            moves["world"].append(world)
            moves["last_camera"].append(world @ np.linalg.inv(before).T)
    for name in NAMES:
        expected = np.mean(moves[name], axis=0)[:, :3]
        np.testing.assert_allclose(found[name, 3], expected, atol=1e-6, err_msg=name)
        assert not found[name, 30].any()


def test_spaces_that_need_to_know_where_the_camera_was_are_refused_by_name(training, tmp_path):
    assert asked((), training) == NAMES
    assert asked(("world",), training) == ("world",)
    without = RecordSource(prepared.write_dataset(tmp_path, H2O, {"train": [2]}), "train")
    assert asked((), without) == ("own_camera",)
    with pytest.raises(InputError, match="does not say where the camera was, which forecasts in"):
        asked(("own_camera", "world"), without)


def test_of_every_second_recorded_frame_the_step_is_two_whatever_is_missing():
    numbers = np.array([0, 2, 4, 10, 12, 7, 9])
    assert least_step(numbers, np.array([0, 0, 0, 0, 0, 1, 1])) == 2
    assert least_step(np.array([5, 9]), np.array([0, 1])) == 1  # there is no next frame
