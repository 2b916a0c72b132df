"""Real processes and real signals: what a run does when it is stopped, and started again."""

import json
import pathlib
import signal
import time

import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.training import logs
from tests import prepared, train_runs

OPTIONS = (
    train_runs.FULL_CLIPS,
    *("--config.epochs=8", "--config.checkpoint.every_steps=3", "--config.eval.every_epochs=4"),
)
SIZE = (32, 18)
STEPS, STEPS_PER_EPOCH = 24, 3


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def dataset(root):
    return prepared.write_dataset(root / "data", FPHA, {"train": [24, 24], "test": [5, 18]}, SIZE)


@pytest.fixture(scope="module")
def interrupted(root, dataset):
    """A run that is killed, loses its newest checkpoint, is asked to stop, and comes to its end.

    Returns its directory, and the exit status and stderr of each of its three processes.
    """
    workdir = root / "interrupted"
    command = train_runs.command(dataset, workdir, *OPTIONS)
    ended = []

    def run(until=None, number=None):
        process = train_runs.start(command)
        while until and not until():
            assert process.poll() is None, train_runs.finish(process)
            time.sleep(0.01)
        if number:
            process.send_signal(number)
        said = train_runs.finish(process)
        ended.append((process.returncode, said))

    run((workdir / "checkpoints" / "6").exists, signal.SIGKILL)
    damage(workdir / "checkpoints" / "6")
    run((workdir / "checkpoints" / "9").exists, signal.SIGTERM)
    (workdir / "stopped.json").write_text(json.dumps(steps_of(workdir)))
    run()
    return workdir, ended


@pytest.fixture(scope="module")
def uninterrupted(root, dataset, interrupted):
    """The directory of a run that nothing disturbs; others have compiled its programs before."""
    command = train_runs.command(dataset, root / "uninterrupted", *OPTIONS)
    process = train_runs.start(command)
    said = train_runs.finish(process)
    assert process.returncode == 0, said
    return root / "uninterrupted"


def steps_of(workdir):
    """The steps of all checkpoints, and the last one logged."""
    saved = [int(path.name) for path in (workdir / "checkpoints").iterdir() if path.name.isdigit()]
    return {"saved": sorted(saved), "logged": max(line["step"] for line in logs.read(workdir))}


def damage(checkpoint: pathlib.Path) -> None:
    """Cuts every file of a checkpoint in half."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_a_killed_run_passes_over_a_truncated_checkpoint_for_the_one_before(interrupted):
    (killed, _), (_, said), _ = interrupted[1]
    assert killed == -signal.SIGKILL
    warnings = [line for line in said.splitlines() if "passed over" in line]
    assert len(warnings) == 1
    assert "checkpoint 6 cannot be read and is passed over" in warnings[0]


def test_sigterm_saves_the_step_it_stops_at(interrupted):
    workdir, (_, (status, said), _) = interrupted
    stopped = json.loads((workdir / "stopped.json").read_text())
    assert status == 128 + signal.SIGTERM
    assert stopped["saved"][-1] == stopped["logged"] < STEPS
    assert f"stopped after step {stopped['logged']}; the same command continues" in said
    assert "Traceback" not in said


def test_losses_after_signals_are_bit_equal_to_an_uninterrupted_runs(interrupted, uninterrupted):
    assert interrupted[1][-1][0] == 0
    found = train_runs.steps(interrupted[0])
    assert list(found) == list(range(1, STEPS + 1))
    assert found == train_runs.steps(uninterrupted)
    evaluations = [
        [line for line in logs.read(workdir) if "eval_mepe" in line]
        for workdir in (interrupted[0], uninterrupted)
    ]
    assert [line["step"] for line in evaluations[0]] == [4 * STEPS_PER_EPOCH, STEPS]
    assert evaluations[0] == evaluations[1]


def test_the_loss_falls(interrupted):
    steps = train_runs.steps(interrupted[0])
    losses = [step["loss"] for _, step in sorted(steps.items())]
    first, last = losses[:6], losses[-6:]
    assert np.mean(last) < 0.97 * np.mean(first)


def test_the_newest_checkpoints_and_the_best_are_kept(interrupted):
    saved = steps_of(interrupted[0])["saved"]
    evaluations = [line for line in logs.read(interrupted[0]) if "eval_action_accuracy" in line]
    best = max(evaluations, key=lambda line: (line["eval_action_accuracy"], line["step"]))
    assert set(saved) == {18, 21, STEPS, best["step"]}


def test_every_step_is_logged_with_its_terms_and_rates(interrupted):
    (line,) = [
        line for line in logs.read(interrupted[0]) if line["step"] == STEPS and "loss" in line
    ]
    assert set(line) == {
        *("step", "epoch", "loss", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"),
        *("learning_rate", "gradient_norm", "real_frame_share", "data_wait_share"),
        *("frames_per_second", "steps_per_second"),
    }
    assert line["epoch"] == 8
    assert 0 < line["real_frame_share"] <= 1
    assert any((interrupted[0] / logs.TENSORBOARD).iterdir())
