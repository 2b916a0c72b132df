import dataclasses
import json

import numpy as np

from htt_jax.camera import project
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import H2O
from htt_jax.prediction import files, rerun_log
from htt_jax.prediction.ahead import Ahead
from htt_jax.prediction.drawn import leading_actions, scenes
from htt_jax.prediction.files import Origin
from htt_jax.prediction.frames import Frame
from htt_jax.prediction.predictions import Predictions
from tests import recordings

CAMERA = np.array([[100.0, 0, 50], [0, 100, 30], [0, 0, 1]])


FACTS = DatasetFacts(H2O, (), ("book", "milk_bottle"), (100, 60), None)
ORIGIN = Origin("video", "run", 1, FACTS, (100, 60), CAMERA, "test", 2)
IMAGES = [Frame("0", np.zeros((60, 100, 3), np.uint8), 0.0)] * 3


def predictions_of_two_hands(boxes, **more):
    """Of three frames."""
    joints = np.tile(np.array([0, 0, 0.5], np.float32), (3, 42, 1))
    joints[:, 21:, 0] = 0.1
    found = Predictions(
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
        object_box_3d=boxes,
    )
    return dataclasses.replace(found, **more)


def test_paths_and_the_objects_box_stand_where_they_are_expected_and_are_written(tmp_path):
    boxes = np.tile(np.array([0.1, 0.05, 0.5], np.float32), (3, 9, 1))
    boxes[2, 3, 2] = -1
    plain = predictions_of_two_hands(boxes)
    steps = np.array([[0.1, 0, 0], [0.2, 0, -1]])[:, None]  # the last: behind
    steps = (plain.joints_3d[:1, None] + steps).astype(np.float32)
    predictions = dataclasses.replace(plain, ahead=Ahead(np.array([1]), steps, 1))
    drawn = list(scenes(predictions, ORIGIN, IMAGES))
    shown = [scene.paths for scene in drawn]
    assert [[len(path) for path in paths] for paths in shown] == [[1, 1], [3, 3], [2, 2]]
    left, right = shown[1]
    np.testing.assert_allclose(left, [[7, 8], [70, 30], [np.nan] * 2])
    np.testing.assert_allclose(right, [[7, 8], [90, 30], [np.nan] * 2])
    np.testing.assert_allclose(drawn[0].object_box, [[70, 40]] * 9, rtol=1e-6)
    assert np.isnan(drawn[2].object_box).any(axis=1).tolist() == [False] * 3 + [True] + [False] * 5
    files.write(tmp_path, predictions, ORIGIN)
    with np.load(tmp_path / files.NPZ_FILE) as found:
        arrays = {name: found[name] for name in found.files}
    assert (arrays["ahead_last"].tolist(), int(arrays["ahead_spacing"])) == ([1], 1)
    np.testing.assert_array_equal(arrays["ahead_joints_3d"], steps)
    np.testing.assert_array_equal(arrays["object_box_3d"], boxes)
    told = json.loads((tmp_path / files.JSON_FILE).read_text())
    assert told["frames"][2]["object_box_3d"][2:4] == [[0.1, 0.05, 0.5], [0.1, 0.05, -1.0]]
    assert told["units"]["object_box_3d"].startswith("metres, centre and eight corners")


def test_a_recording_shows_the_edges_of_the_objects_box_and_its_name(tmp_path):
    units = np.array([[0, 0, 0], [1, 1, 1], *np.eye(3), *(1 - np.eye(3))], np.float32)
    box = np.concatenate([[[0.5] * 3], units]) * [0.1, 0.2, 0.3] + [0, 0, 0.5]
    moved = np.array([[0, 0, 0], [0.1, 0, 0], [0, 0, -0.6]])
    boxes = (box + moved[:, None]).astype(np.float32)
    sure = np.array([[0.9, 0.1], [0.2, 0.8], [0.2, 0.8]])
    predictions = predictions_of_two_hands(boxes, object_probabilities=sure)
    with rerun_log.recorded(tmp_path, predictions, ORIGIN) as (name, take):
        for scene in scenes(predictions, ORIGIN, IMAGES):
            take(scene)
    columns = recordings.read(tmp_path / name)

    def strips(path):
        return [np.array(row) for row in columns[path, "strips"] if row is not None]

    solid, flat = strips("/object_box"), strips("/camera/image/object_box")
    assert [edges.shape for edges in solid] == [(12, 2, 3)] * 3
    sizes = np.abs(np.diff(solid, axis=2)[:, :, 0])
    for edges in sizes:
        expected = np.repeat(np.diag([0.3, 0.2, 0.1])[:, ::-1], 4, axis=0)
        np.testing.assert_allclose(sorted(edges.tolist()), expected, atol=1e-6)
    for frame in (0, 1):
        pixels, _ = project(solid[frame], CAMERA)
        np.testing.assert_allclose(flat[frame], pixels, rtol=1e-5)
    assert len(flat[2]) == 4  # those of the face that is ahead
    labels = [row for row in columns["/object_box", "labels"] if row]
    assert labels == [["book"], ["milk bottle"], ["milk bottle"]]


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
