"""A few steps of everything that computes, in bfloat16: the default on accelerators.

The same runs show what training does besides: no silent transfers, an overview, a trace.
"""

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
from htt_jax.training import overview
from tests import online_runs, prepared, train_runs
from tests.traces import trace_of, traced_steps

pytestmark = pytest.mark.proof  # trainings, and all commands

INTRINSICS = online_runs.INTRINSICS


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    splits = {"train": [4, 4], "test": [6]}  # of eight clips, all in one batch
    return prepared.write_dataset(tmp_path_factory.mktemp("data"), FPHA, splits, (32, 18))


def train_three_steps(dataset, workdir, **options):
    """From random weights, in this process; returns the results and what the first computed."""
    options |= {"model__dtype": "bfloat16", "epochs": 3}
    config = train_runs.tiny_config(dataset, **options)
    # On processors, transfers to the host are none; elsewhere the guard sees those too.
    with jax.transfer_guard("disallow"):
        results = train.train(config, str(workdir))
    steps = train_runs.steps(workdir)
    assert list(steps) == [1, 2, 3]
    return results, steps[1]


@pytest.fixture(scope="module")
def trained(dataset, tmp_path_factory):
    """The folder of a run, what its first step computed, and its evaluation's results."""
    workdir = tmp_path_factory.mktemp("trained") / "run"
    traced = {"profile__first_step": 2, "profile__steps": 2}
    results, step = train_three_steps(dataset, workdir, **traced)
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
    _, found = train_three_steps(dataset, tmp_path / "run", **options)
    for name, value in expected.items():
        assert found[name] == pytest.approx(value, rel=0.02, abs=1e-3), name


def test_steps_asked_for_are_traced_and_the_parameters_listed(trained):
    workdir, _, _ = trained
    assert traced_steps(workdir) == [2, 3]
    for part in (b"/augment/", b"jvp(loss)", b"/optimizer/"):
        assert part in trace_of(workdir).read_bytes()  # of the names of the operations
    assert "params/action_token" in (workdir / overview.FILE).read_text()


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
