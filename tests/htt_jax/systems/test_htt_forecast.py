"""What a run that forecasts asks of its config and videos, where it starts, what it cannot."""

import re

import pytest

from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop.exporting import export
from htt_jax.interop.opening import open_any
from htt_jax.runs.config import check_options
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from tests import prepared, runs, torch_files, train_runs
from tests.htt_jax.training.test_warm_start import pretrained


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("forecast") / "data"
    return prepared.write_dataset(folder, FPHA, {"train": [8, 5]})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (-1, "config.model.forecast=-1 must be at least 0"),
        (5, "config.model.forecast=5 must be at most 4: a clip of config.data.frames=8 has no "
         "more after its first window of 4"),
    ],
)  # fmt: skip
def test_a_forecast_that_cannot_be_is_refused(value, message):
    config = train_runs.tiny_config("data", model__forecast=value)
    with pytest.raises(InputError, match=re.escape(message)):
        check_options(config)


def test_videos_without_a_future_are_refused_before_training(data):
    source = RecordSource(data, "train")
    config = train_runs.tiny_config(data, model__forecast=2)
    message = "a video goes on if it has 9 frames, and the longest of split 'train' has 8"
    with pytest.raises(InputError, match=message):
        systems.check_source(config, source)
    config.data.spacing = 1
    systems.check_source(config, source)
    config.data.spacing, config.model.forecast = 2, 0
    systems.check_source(config, source)


def test_a_model_without_the_head_is_where_one_with_it_starts(tmp_path, capsys):
    path = torch_files.save(tmp_path / "htt.pth", torch_files.make())
    found, abstract = pretrained(path, forecast=2)
    assert capsys.readouterr().err == f"{path}, forecaster: has none: it starts random\n"
    missing = trees.flatten(abstract.variables).keys() - trees.flatten(found).keys()
    assert missing
    assert all(name.startswith("params/forecaster/") for name in missing)


def test_heads_are_left_out_where_they_are_not_wanted_and_of_exports(data, tmp_path, capsys):
    sizes = {f"model__{name}": x for name, x in torch_files.SIZES.items() if "num" not in name}
    sizes |= {"data__frames": 4, "model__forecast": 2, "model__object_box": True}
    runs.initialise_run(tmp_path / "run", data, **sizes)
    found, abstract = pretrained(tmp_path / "run", num_joints=21, num_actions=3, num_objects=2)
    said = capsys.readouterr().err
    for part in ("forecaster", "object_box_head"):
        assert f"{part}: has one: it is left out" in said
    assert trees.flatten(found).keys() == trees.flatten(abstract.variables).keys()
    differences = export(str(tmp_path / "run"), "safetensors", tmp_path / "out.safetensors")
    assert set(differences.values()) == {0.0}
    said = capsys.readouterr().err
    assert "no format holds forecasts: what makes them is left out" in said
    assert "no format tells the object's box: its head is left out" in said
    again = open_any(str(tmp_path / "out.safetensors"), None, sharding.single_device_mesh())
    assert (again.model.forecast, again.model.object_box) == (0, False)
    exported = trees.flatten(again.variables)
    assert exported.keys() == trees.flatten(found).keys()
