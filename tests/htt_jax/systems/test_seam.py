"""A system of its own folder goes the whole way; no other module knows of it."""

import json
import pathlib

import numpy as np
import pytest

from htt_jax import compare, export, systems
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.evaluation import tables
from htt_jax.evaluation.one_run import evaluate
from htt_jax.prediction.frames import FrameArray
from htt_jax.prediction.video import predict_video
from htt_jax.runs.config import check_options
from htt_jax.runs.directory import read
from htt_jax.runs.opening import open_run
from htt_jax.runs.options import get_config
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train
from tests import prepared, train_runs

TOY = pathlib.Path(__file__).parents[2] / "toy"


def toy_config(data, epochs):
    """Of the options that all systems have and the toy's own one."""
    config = get_config("toy")
    config.data.directory = str(data)
    config.data.frames = 8
    config.model.window = 1
    config.model.grid = 3
    config.optimizer.learning_rate = 0.02
    config.batch_size = 4
    config.epochs = epochs
    config.log.every_steps = 1
    return config


@pytest.fixture(scope="module", autouse=True)
def _toy_is_a_system():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(systems, "__path__", [*systems.__path__, str(TOY)])
        yield


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """A run of two epochs that was gone on with for two more, and one of four."""
    folder = tmp_path_factory.mktemp("toy")
    data = prepared.write_dataset(folder / "data", FPHA, {"train": [9, 12], "test": [5, 7]})
    for name, epochs in {"resumed": [2, 4], "whole": [4]}.items():
        for last in epochs:
            train(toy_config(data, last), folder / name)
    return folder


def test_it_learns_and_goes_on_as_if_it_had_never_stopped(runs):
    resumed, whole = train_runs.steps(runs / "resumed"), train_runs.steps(runs / "whole")
    assert whole == resumed
    losses = [step["loss_squared"] for step in whole.values()]
    assert losses[-1] < 0.9 * losses[0]


def test_it_is_evaluated_and_compared_beside_others(runs, capsys):
    for name in ("resumed", "whole"):
        report = evaluate(str(runs / name), split="test").report
        assert report["results"]["pose"]["right"]["frames"] == 12
        assert report["results"]["object"]["frames"] == 0
        text = tables.evaluation_tables(report)
        assert "The system says nothing of objects." in text
        assert "object %" not in text
        (runs / f"{name}.json").write_text(json.dumps(report))
    compare.main([str(runs / f"{name}.json") for name in ("resumed", "whole")])
    said = capsys.readouterr().out
    figure = f"{report['headline']['mepe']:.2f} ± 0.00"
    assert figure in said


def test_it_is_exported_with_its_own_outputs_and_read_back(runs):
    out = runs / "toy.stablehlo"
    differences = export.export(str(runs / "whole"), "stablehlo", out)
    assert set(differences) == {"joints_3d", "action_logits", "certainty"}
    assert max(differences.values()) < 1e-5
    facts = json.loads((runs / "toy.stablehlo.json").read_text())
    assert facts["outputs"]["certainty"]["axes"] == ["clips", "frames"]
    assert facts["inputs"]["image"]["shape"] == ["clips", "windows", 36, 64, 1]
    assert (runs / "toy.stablehlo.md").read_text().startswith("# System toy, ")


def test_formats_of_the_published_layout_are_refused(runs):
    with pytest.raises(InputError, match="has no published layout; export it with --to=stablehlo"):
        export.export(str(runs / "whole"), "safetensors", runs / "toy.safetensors")


def test_frames_it_cannot_see_are_refused(runs):
    run = open_run(runs / "whole", None, sharding.single_device_mesh())
    frames = FrameArray(np.zeros((3, 36, 64, 3), np.uint8))
    with pytest.raises(InputError, match="takes other frames than RGB images"):
        predict_video(run, frames, np.eye(3))


def test_options_of_its_own_are_kept_and_change_nothing_unseen(runs):
    assert read(runs / "whole").config.model.grid == 3
    changed = toy_config(runs / "data", 4)
    changed.model.grid = 5
    with pytest.raises(InputError, match=r"model\.grid is 3 there and 5 here"):
        train(changed, runs / "whole")


def test_an_unknown_system_is_named():
    config = train_runs.tiny_config("data", system="os.path")
    with pytest.raises(
        InputError, match=r"config\.system='os\.path' must be one of depth, htt, toy"
    ):
        check_options(config)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("model.grid", 0, r"config\.model\.grid=0 must be at least 1"),
        ("model.window", 2, r"config\.model\.window must be 1"),
        ("model.heads", 4, r"config\.model\.heads is no option of config\.system=toy; remove it"),
        ("system", "htt", r"config\.model\.grid is no option of config\.system=htt"),
    ],
)
def test_options_are_checked_by_the_system_s_own_table(name, value, message):
    config = toy_config("data", 1)
    with config.unlocked():
        config.update_from_flattened_dict({name: value})
    with pytest.raises(InputError, match=message):
        check_options(config)


def test_a_config_of_another_system_lacks_what_this_one_needs():
    config = train_runs.tiny_config("data")
    del config.augment["blur"]
    with pytest.raises(InputError, match=r"config\.augment\.blur is missing; begin the"):
        check_options(config)
