import json

import numpy as np

from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import H2O
from htt_jax.prediction import files
from htt_jax.prediction.ahead import Ahead
from htt_jax.prediction.drawn import leading_actions, scenes
from htt_jax.prediction.files import Origin
from htt_jax.prediction.frames import Frame
from htt_jax.prediction.video import Predictions

CAMERA = np.array([[100.0, 0, 50], [0, 100, 30], [0, 0, 1]])


def test_paths_and_the_objects_box_stand_where_they_are_expected_and_are_written(tmp_path):
    joints = np.tile(np.array([0, 0, 0.5], np.float32), (3, 42, 1))
    joints[:, 21:, 0] = 0.1
    steps = joints[:1, None] + np.array([[0.1, 0, 0], [0.2, 0, -1]])[:, None]  # the last: behind
    boxes = np.tile(np.array([0.1, 0.05, 0.5], np.float32), (3, 9, 1))
    boxes[2, 3, 2] = -1
    predictions = Predictions(
        frame_names=["0", "1", "2"],
        seconds=np.arange(3.0),
        joints_2d=np.tile(np.array([7, 8], np.float32), (3, 42, 1)),
        depth=joints[..., 2],
        joints_3d=joints,
        object_probabilities=None,
        action_over_time=None,
        frame_clip=np.zeros(3, int),
        frame_place=np.arange(3),
        clip_start=np.zeros(1, int),
        clip_frames=np.array([3]),
        clip_action_probabilities=None,
        attention=None,
        ahead=Ahead(np.array([1]), steps.astype(np.float32), 1),
        object_box_3d=boxes,
    )
    facts = DatasetFacts(H2O, (), (), (100, 60), None)
    origin = Origin("video", "run", 1, facts, (100, 60), CAMERA, "test", 2)
    image = np.zeros((60, 100, 3), np.uint8)
    drawn = list(scenes(predictions, origin, [Frame("0", image, 0.0)] * 3))
    shown = [scene.paths for scene in drawn]
    assert [[len(path) for path in paths] for paths in shown] == [[1, 1], [3, 3], [2, 2]]
    left, right = shown[1]
    np.testing.assert_allclose(left, [[7, 8], [70, 30], [np.nan] * 2])
    np.testing.assert_allclose(right, [[7, 8], [90, 30], [np.nan] * 2])
    np.testing.assert_allclose(drawn[0].object_box, [[70, 40]] * 9, rtol=1e-6)
    assert np.isnan(drawn[2].object_box).any(axis=1).tolist() == [False] * 3 + [True] + [False] * 5
    files.write(tmp_path, predictions, origin)
    with np.load(tmp_path / files.NPZ_FILE) as found:
        arrays = {name: found[name] for name in found.files}
    assert (arrays["ahead_last"].tolist(), int(arrays["ahead_spacing"])) == ([1], 1)
    np.testing.assert_array_equal(arrays["ahead_joints_3d"], steps.astype(np.float32))
    np.testing.assert_array_equal(arrays["object_box_3d"], boxes)
    told = json.loads((tmp_path / files.JSON_FILE).read_text())
    assert told["frames"][2]["object_box_3d"][2:4] == [[0.1, 0.05, 0.5], [0.1, 0.05, -1.0]]
    assert told["units"]["object_box_3d"].startswith("metres, centre and eight corners")


def test_actions_shown_are_the_last_best_and_those_that_led_before():
    over_time = np.zeros((10, 8))
    over_time[2, 7] = 0.9  # led for a moment
    over_time[4, 6] = 0.8
    over_time[5, 5] = 0.7
    over_time[6, 4] = 0.6
    over_time[7, 3] = 0.5  # one too many
    over_time[-1] = [0.3, 0.2, 0.1, 0, 0.05, 0, 0.25, 0]
    assert leading_actions(over_time).tolist() == [
        0,
        6,
        4,
        7,
        5,
    ]  # by how they end, then by their peaks


def test_fewer_classes_are_all_shown():
    over_time = np.array([[0.2, 0.8], [0.9, 0.1]])
    assert leading_actions(over_time).tolist() == [0, 1]
