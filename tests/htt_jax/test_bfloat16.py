"""One step of everything that computes, in bfloat16: the default on accelerators."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax import evaluate, export, train
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.sources import open_frames
from htt_jax.prediction.video import predict_video
from htt_jax.runs.opening import open_run
from tests import online_runs, prepared, runs, train_runs

INTRINSICS = online_runs.INTRINSICS


@pytest.fixture(scope="module", autouse=True)
def _quick_compilation():
    with runs.quick_compilation():
        yield


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    splits = {"train": [4, 2], "test": [6]}
    return prepared.write_dataset(tmp_path_factory.mktemp("data"), FPHA, splits)


def train_one_step(dataset, workdir, **options):
    """From random weights, in this process."""
    config = train_runs.tiny_config(dataset, model__dtype="bfloat16", **options)
    results = train.train(config, str(workdir))
    (step,) = train_runs.steps(workdir).values()
    return results, step


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """The folder of a run of one step, what that step computed, and its evaluation's results."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    results, step = train_one_step(dataset, workdir)
    return workdir, step, results


@pytest.fixture(scope="module")
def run(trained):
    return open_run(trained[0], None, sharding.single_device_mesh())


def test_training_starts_from_random_weights_and_keeps_float32(trained, run):
    _, step, _ = trained
    assert np.isfinite(list(step.values())).all()
    assert step["gradient_norm"] > 0
    assert run.model.dtype == jnp.bfloat16
    assert {x.dtype for x in jax.tree.leaves(run.variables)} == {jnp.dtype("float32")}
    # Measured in float32, not rounded to the eight bits of the computation.
    mean = np.asarray(run.variables["batch_stats"]["backbone"]["conv1"]["mean"])
    assert (mean != mean.astype(jnp.bfloat16)).any()


def test_the_device_cache_and_rematerialisation_take_the_same_step(trained, dataset, tmp_path):
    _, expected, _ = trained
    options = {"data__cache": "device", "model__rematerialise": True}
    _, found = train_one_step(dataset, tmp_path / "run", **options)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.02, abs=1e-3), name


def test_evaluation_gives_the_results_of_training(trained):
    workdir, _, results = trained
    found = evaluate.evaluate(str(workdir), split="test").report["results"]
    for space in ("camera_space", "root_aligned"):
        ours, theirs = (x["pose"]["right"][space]["mepe"] for x in (found, results))
        assert ours == pytest.approx(theirs, rel=1e-3)


def test_frames_one_by_one_give_what_predicting_them_at_once_gives(run):
    frames = online_runs.make_frames(8)
    online = OnlinePredictor(run, online_runs.SIZE, INTRINSICS)
    results = [result for frame in frames for result in online.push(frame)] + online.finish()
    found = predict_video(run, open_frames(frames), INTRINSICS)
    joints = np.stack([result.joints_3d for result in results])
    assert found.joints_3d.dtype == joints.dtype == np.float32
    np.testing.assert_allclose(joints, found.joints_3d, rtol=0.01, atol=0.01)
    np.testing.assert_allclose(
        online.action_probabilities, found.action_probabilities, rtol=0.01, atol=0.001
    )


def test_the_exported_program_computes_as_the_run(trained, tmp_path):
    differences = export.export(str(trained[0]), "stablehlo", tmp_path / "htt.stablehlo")
    assert max(differences.values()) < 5e-3
