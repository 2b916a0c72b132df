import dataclasses
import json

import numpy as np
import pytest

from htt_jax import measures
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.evaluation import object_boxes, one_run, tables
from htt_jax.evaluation.studies import comparison
from htt_jax.evaluation.studies.runs import TOLD_BOX, VARIANT, values_of
from htt_jax.interop.exporting import export
from htt_jax.models.htt.frames import ACTION_INPUTS, BOX
from htt_jax.support.errors import InputError
from tests import prepared, runs

SPEC = dataclasses.replace(FPHA, object_boxes=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run that tells the box, and two datasets, of which one does not say where it is."""
    root = tmp_path_factory.mktemp("boxes")
    splits = {"train": [4, 3], "test": [5, 2, 3]}
    data = prepared.write_dataset(root / "data", SPEC, splits, size=(32, 18))
    prepared.write_dataset(root / "plain", FPHA, splits, size=(32, 18))
    inputs = (*ACTION_INPUTS, BOX)
    runs.initialise_run(root / "run", data, model__object_box=True, model__action_inputs=inputs)
    return root


def test_errors_are_of_known_real_frames_beside_the_mean_boxes(folder):
    training = RecordSource(folder / "data", "train")
    mean = object_boxes.mean_box(training)
    box = np.stack([mean, mean, mean]) - np.array([0.0, 0.01, 0.0])
    box[1, :, 0] += 0.01
    collector = object_boxes.Collector(["milk", "salt"], training)
    collector.add({"valid": np.ones((1, 3), bool)})  # of another model
    assert collector.result() == {}
    estimated = box + np.array([0.003, 0.004, 0.0])
    estimated[0, 0] += [0.0, 0.0, 0.012]  # the centre of the first frame: 13 mm off
    collector.add(
        {
            "valid": np.array([[True, True, True], [True, False, False]]),
            "object_box_known": np.array([[True, False, True], [False, True, True]]),
            "object_box": np.stack([box[[0, 2, 1]]] * 2),
            "object": np.array([1, 0]),
            object_boxes.ESTIMATED: np.stack([estimated[[0, 2, 1]]] * 2),
        }
    )
    found = collector.result()["object_box"]
    assert (found["frames"], len(found["per_object"])) == (2, 1)
    np.testing.assert_allclose(found["error"], (17 * 5 + 13) / 18)
    np.testing.assert_allclose(found["centre_error"], (13 + 5) / 2)
    # Of the second frame, which is a centimetre to the right, the mean is off by 1.41 cm.
    np.testing.assert_allclose(found["mean_box"]["error"], (10 + 200**0.5) / 2)
    assert found["per_object"][0] == {"name": "salt"} | {
        name: x for name, x in found.items() if name != "per_object"
    }


def test_the_mean_box_is_that_of_known_training_frames(folder):
    mean = object_boxes.mean_box(RecordSource(folder / "data", "train"))
    every = np.concatenate([prepared.make_object_boxes(n)[: n - 1] for n in (4, 3)])
    np.testing.assert_allclose(mean, every.mean(axis=0), rtol=1e-6)
    assert np.isnan(object_boxes.mean_box(RecordSource(folder / "plain", "train"))).all()


def test_a_run_is_told_how_far_its_boxes_are(folder):
    report = one_run.evaluate(str(folder / "run"), split="test").report
    found = json.loads(json.dumps(report, allow_nan=False))["results"]["object_box"]
    assert (found["frames"], [one["frames"] for one in found["per_object"]]) == (7, [5, 2])
    assert found["mean_box"]["error"] < 30 < found["error"]
    named = tables.headline_tables(report)
    table = named["object_box"]
    assert table.header == ["object's box, 7 frames", "box mm", "box's centre mm"]
    assert table.rows[0][1] == f"{found['error']:.2f}"
    assert [row[0] for row in named["object_box_by_object"].rows] == ["milk", "salt"]
    assert "mean training box" in tables.evaluation_tables(report)
    values = values_of(report)
    (folder / "results.json").write_text(json.dumps(report))
    group = comparison.compare([str(folder / "results.json")])
    shown = comparison.report(group)
    for measure in measures.in_group(measures.BOX):
        assert measure.shown(values[measure.key]) in shown
        assert measure.heading in shown
    assert group[0].options[VARIANT] == "full" + TOLD_BOX


def test_where_no_box_is_known_nothing_is_measured(folder):
    found = one_run.evaluate(str(folder / "run"), split="test", data=str(folder / "plain"))
    assert found.report["results"]["object_box"] == {
        "frames": 0, "error": None, "centre_error": None, "per_object": [],
        "mean_box": {"error": None, "centre_error": None},
    }  # fmt: skip
    assert "object_box" not in tables.headline_tables(found.report)
    assert "The object's box is known in no frame." in tables.notes(found.report)


def test_the_published_layout_does_not_hold_what_needs_the_box(folder, capsys):
    with pytest.raises(InputError, match=r"lacks params/box_to_action.* export it to stablehlo"):
        export(str(folder / "run"), "safetensors", folder / "out.safetensors")
    said = "no format tells the object's box: it is for the action block alone"
    assert said in capsys.readouterr().err
