"""A run that forecasts, evaluated: its tables by space and hand, and what is refused."""

import dataclasses
import json

import numpy as np
import pytest

from htt_jax import evaluate
from htt_jax.datasets.spec import H2O
from htt_jax.evaluation import one_run, tables
from htt_jax.support.errors import InputError
from tests import prepared, runs

SPACES = ("own_camera", "last_camera", "world")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run with the head, one without, and a dataset whose test videos are short."""
    root = tmp_path_factory.mktemp("forecast")
    spec = dataclasses.replace(H2O, camera_poses=True)
    splits = {"train": [6, 4], "test": [9, 8], "val": [4]}
    data = prepared.write_dataset(root / "data", spec, splits, size=(32, 18))
    runs.initialise_run(root / "run", data, model__forecast=2)
    runs.initialise_run(root / "without", data)
    return root


def test_its_tables_name_space_and_hand_and_have_every_baseline(folder):
    evaluation = one_run.evaluate(str(folder / "run"), split="test")
    report = evaluation.report
    assert evaluation.ahead.joints_3d.shape[1:] == (2, 42, 3)
    named, said = tables.headline_tables(report), tables.evaluation_tables(report)
    found = json.loads(json.dumps(report, allow_nan=False))["results"]["forecast"]
    assert (tuple(found["spaces"]), found["seen"], found["steps"]) == (SPACES, 2, 2)
    for space in SPACES:
        for hand in H2O.hands:
            methods = found["spaces"][space][hand]["methods"]
            assert len(methods) == 1 + 2 * 5
            assert all(len(x["error"]) == len(x["error_ra"]) == 4 for x in methods.values())
            assert len(named[f"forecast_{space}_{hand}"].rows) == len(methods) + 1
    own, world = (found["spaces"][space]["left"]["methods"] for space in ("own_camera", "world"))
    # Brought to another space, the run's forecasts and their truth keep their distance.
    np.testing.assert_allclose(own["this run"]["error"][0], world["this run"]["error"][0])
    for text in (
        "forecast, left hand, each frame's own camera, mm",
        "forecast, right hand, camera of the last seen frame, mm",
        "forecast, left hand, world, mm",
        "mean training motion, estimated past",
        "Forecasts: mean joint error after 2 seen frames, 2 apart",
        "with the head's true motion",
    ):
        assert text in said, text


def test_what_cannot_be_told_is_refused_before_anything_is_computed(folder):
    with pytest.raises(InputError, match="without makes no forecasts; leave out --forecast, or"):
        one_run.evaluate(str(folder / "without"), split="test", forecast=())
    with pytest.raises(InputError, match=r"no video of split 'val' goes on after a window, for "):
        one_run.evaluate(str(folder / "run"), split="val", forecast=("world",))


def test_an_unknown_space_is_named(folder, capsys):
    with pytest.raises(SystemExit):
        evaluate.main(["--workdir", str(folder / "run"), "--forecast", "moon"])
    assert "invalid choice: 'moon'" in capsys.readouterr().err
