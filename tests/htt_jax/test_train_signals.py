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
    *("--config.batch_size=2", "--config.epochs=4"),  # 44 steps
    *("--config.checkpoint.every_steps=5", "--config.eval.every_epochs=2"),
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("signals")


@pytest.fixture(scope="module")
def dataset(root):
    return prepared.write_dataset(root / "data", FPHA, {"train": [9, 1, 20], "test": [5, 18]})


@pytest.fixture(scope="module")
def compiled(tmp_path_factory):
    """Where all runs of this program, also those in other tests, keep what they compiled."""
    return tmp_path_factory.getbasetemp() / "compiled"


@pytest.fixture(scope="module")
def uninterrupted(root, dataset, compiled):
    """The directory of a run that nothing disturbs, and its process, started in the background."""
    command = train_runs.command(dataset, root / "uninterrupted", *OPTIONS)
    process = train_runs.start(command, compiled=compiled)
    with process:
        yield root / "uninterrupted", process
        process.kill()


@pytest.fixture(scope="module")
def interrupted(root, dataset, uninterrupted, compiled):
    """A run that is killed, loses its newest checkpoint, is asked to stop, and comes to its end.

    Returns its directory, and the exit status and stderr of each of its three processes.
    """
    workdir = root / "interrupted"
    command = train_runs.command(dataset, workdir, *OPTIONS)
    ended = []

    def run(until=None, number=None):
        process = train_runs.start(command, compiled=compiled)
        while until and not until():
            assert process.poll() is None, train_runs.finish(process)
            time.sleep(0.01)
        if number:
            process.send_signal(number)
        said = train_runs.finish(process)
        ended.append((process.returncode, said))

    run((workdir / "checkpoints" / "10").exists, signal.SIGKILL)
    damage(workdir / "checkpoints" / "10")
    run((workdir / "checkpoints" / "15").exists, signal.SIGTERM)
    (workdir / "stopped.json").write_text(json.dumps(steps_of(workdir)))
    run()
    return workdir, ended


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
    assert "checkpoint 10 cannot be read and is passed over" in warnings[0]


def test_sigterm_saves_the_step_it_stops_at(interrupted):
    workdir, (_, (status, said), _) = interrupted
    stopped = json.loads((workdir / "stopped.json").read_text())
    assert status == 128 + signal.SIGTERM
    assert stopped["saved"][-1] == stopped["logged"] < 44
    assert f"stopped after step {stopped['logged']}; the same command continues" in said
    assert "Traceback" not in said


def test_losses_after_signals_are_bit_equal_to_an_uninterrupted_runs(interrupted, uninterrupted):
    expected, process = uninterrupted
    train_runs.finish(process)
    assert process.returncode == 0
    assert interrupted[1][-1][0] == 0
    found = train_runs.steps(interrupted[0])
    assert list(found) == list(range(1, 45))
    assert found == train_runs.steps(expected)
    evaluations = [
        [line for line in logs.read(workdir) if "eval_mepe" in line]
        for workdir in (interrupted[0], expected)
    ]
    assert [line["step"] for line in evaluations[0]] == [22, 44]
    assert evaluations[0] == evaluations[1]


def test_the_loss_falls(interrupted):
    steps = train_runs.steps(interrupted[0])
    losses = [step["loss"] for _, step in sorted(steps.items())]
    assert np.mean(losses[-11:]) < np.mean(losses[:11])  # by little: most of it is noise


def test_the_newest_checkpoints_and_the_best_are_kept(interrupted):
    saved = steps_of(interrupted[0])["saved"]
    evaluations = [line for line in logs.read(interrupted[0]) if "eval_action_accuracy" in line]
    best = max(evaluations, key=lambda line: (line["eval_action_accuracy"], line["step"]))
    assert set(saved) == {35, 40, 44, best["step"]}


def test_every_step_is_logged_with_its_terms_and_rates(interrupted):
    (line,) = [line for line in logs.read(interrupted[0]) if line["step"] == 44 and "loss" in line]
    assert set(line) == {
        *("step", "epoch", "loss", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"),
        *("learning_rate", "gradient_norm", "real_frame_share", "data_wait_share"),
        *("frames_per_second", "steps_per_second"),
    }
    assert line["epoch"] == 4
    assert 0 < line["real_frame_share"] <= 1
    assert any((interrupted[0] / logs.TENSORBOARD).iterdir())
