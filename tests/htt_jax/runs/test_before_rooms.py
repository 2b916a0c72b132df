"""A run that was made before the code moved into rooms opens, evaluates, exports and goes on.

`before_rooms.tar.xz` holds it (18 steps of a tiny model, with pixel_scale and depth_scale among its
options), the dataset it was trained on, and the evaluation that was made of it then.
"""

import json
import pathlib
import tarfile

import numpy as np
import pytest

from htt_jax import export
from htt_jax.evaluation.one_run import evaluate
from htt_jax.interop import weights
from htt_jax.training.loop import train
from tests import train_runs

ARCHIVE = pathlib.Path(__file__).with_name("before_rooms.tar.xz")
LOSSES = [10.4326, 11.3055, 11.0990, 10.4586, 11.0632, 9.7236, 10.1998, 8.8331, 11.0836]
"""Of the ninth epoch's steps, as the code of then went on; colours have since become PIL's."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    folder = tmp_path_factory.mktemp("before")
    with tarfile.open(ARCHIVE) as archive:
        archive.extractall(folder, filter="data")
    return folder


def test_its_evaluation_is_the_one_of_then(folder):
    before = json.loads((folder / "results.json").read_text())
    found = evaluate(str(folder / "run"), split="test", data=str(folder / "data")).report
    for name, figure in before["headline"].items():
        np.testing.assert_allclose(found["headline"][name], figure, rtol=1e-4, err_msg=name)
    assert found["results"]["action"]["confusion"] == before["results"]["action"]["confusion"]


def test_it_is_exported(folder):
    out = folder / "run.safetensors"
    differences = export.export(str(folder / "run"), "safetensors", out)
    assert max(differences.values()) < 1e-4
    assert weights.read(str(out)).tensors["meshregnet.base_net.conv1.weight"].shape == (4, 3, 7, 7)


@pytest.mark.proof
def test_it_goes_on_where_it_stopped(folder):
    config = train_runs.tiny_config(
        folder / "data",
        batch_size=2,
        epochs=3,
        model__mlp_width=32,
        optimizer__warmup_steps=2,
        model__window=2,
        data__frames=4,
        eval__batch_size=2,
    )
    train(config, folder / "run")
    steps = train_runs.steps(folder / "run")
    assert sorted(steps) == list(range(1, 28))
    losses = [steps[step]["loss"] for step in range(19, 28)]
    np.testing.assert_allclose(losses, LOSSES, rtol=0.02)
