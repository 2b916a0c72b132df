"""A run that is gone on with, and one of several processes, compute what one undisturbed does."""

import pathlib
import shutil
import signal
import socket

import numpy as np
import pytest

from htt_jax import train
from htt_jax.datasets.spec import FPHA
from htt_jax.training import logs
from htt_jax.training.goodput import LOST_TO
from tests import prepared, runs, train_runs

pytestmark = pytest.mark.proof  # whole trainings

OPTIONS = {
    "seed": 1,  # in whose first steps no activation is so near zero that rounding turns its sign
    **{"data.spacing": 1, "epochs": 5, "checkpoint.every_steps": 3, "eval.every_epochs": 3},
}
STEPS, STEPS_PER_EPOCH = 15, 3
LOSS_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("processes")


@pytest.fixture(scope="module")
def dataset(root):
    """In `data`; beside it, in `start`, weights for all runs, sooner made than by training."""
    splits = {"train": [24, 24], "test": [5, 18]}
    dataset = prepared.write_dataset(root / "data", FPHA, splits, (32, 18))
    sizes = {name: size for name, size in train_runs.TINY.items() if name.startswith("model.")}
    runs.initialise_run(root / "start", dataset, **sizes)
    return dataset


@pytest.fixture(scope="module")
def undisturbed(root, dataset):
    """The directory of a run on one device, in this process, that nothing disturbs."""
    go_on(dataset, root / "undisturbed")
    return root / "undisturbed"


def given(dataset, options):
    """All options of a run, by their names."""
    own = {name.replace("__", "."): value for name, value in options.items()}
    return {**OPTIONS, "init.checkpoint": str(dataset.with_name("start")), **own}


def command(dataset, workdir, **options):
    options = given(dataset, options)
    return train_runs.command(dataset, workdir, *(f"--config.{n}={x}" for n, x in options.items()))


@pytest.fixture(scope="module")
def interrupted(root, dataset, undisturbed):
    """The directory of a run, the undisturbed one's copy, that lost its newest checkpoint.

    It is gone on with from the one before.
    """
    workdir = shutil.copytree(undisturbed, root / "interrupted")
    damage(workdir / "checkpoints" / "15")
    go_on(dataset, workdir)
    return workdir


def go_on(dataset, workdir, **options):
    """In this process, to the end."""
    options = {name.replace(".", "__"): x for name, x in given(dataset, options).items()}
    train.train(train_runs.tiny_config(dataset, **options), workdir)


def damage(checkpoint: pathlib.Path) -> None:
    """Cuts every file of a checkpoint in half."""
    for path in checkpoint.rglob("*"):
        if path.is_file():
            path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def test_losses_after_a_truncated_checkpoint_are_bit_equal_to_an_uninterrupted_runs(
    interrupted, undisturbed
):
    found = train_runs.steps(interrupted)
    assert list(found) == list(range(1, STEPS + 1))
    assert found == train_runs.steps(undisturbed)
    times = [
        {line["step"]: line["time"] for line in logs.read(workdir) if "loss" in line}
        for workdir in (interrupted, undisturbed)
    ]
    assert [step for step in found if times[0][step] != times[1][step]] == [13, 14, 15]
    evaluations = [
        [line for line in logs.read(workdir) if "eval_mepe" in line]
        for workdir in (interrupted, undisturbed)
    ]
    assert [line["step"] for line in evaluations[0]] == [3 * STEPS_PER_EPOCH, STEPS]
    assert evaluations[0] == evaluations[1]


def test_the_loss_falls(interrupted):
    steps = train_runs.steps(interrupted)
    losses = [step["loss"] for _, step in sorted(steps.items())]
    first, last = losses[:6], losses[-6:]
    assert np.mean(last) < 0.97 * np.mean(first)


def test_the_newest_checkpoints_and_the_best_are_kept(interrupted):
    evaluations = [line for line in logs.read(interrupted) if "eval_action_accuracy" in line]
    best = max(evaluations, key=lambda line: (line["eval_action_accuracy"], line["step"]))
    saved = {int(path.name) for path in (interrupted / "checkpoints").iterdir()}
    assert saved == {9, 12, 15, best["step"]}


def test_every_step_is_logged_with_its_terms_and_rates(interrupted):
    (line,) = [line for line in logs.read(interrupted) if line["step"] == STEPS and "loss" in line]
    assert set(line) == {
        *("step", "epoch", "loss", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"),
        *("learning_rate", "gradient_norm", "real_frame_share", "data_wait_share"),
        *("frames_per_second", "steps_per_second", "goodput", "time", "seconds_steps"),
        *(f"seconds_{cause}" for cause in LOST_TO),
    }
    assert line["epoch"] == 5
    assert 0 < line["real_frame_share"] <= 1
    assert any((interrupted / logs.TENSORBOARD).iterdir())


def assert_same_losses(found, expected):
    for step in range(1, STEPS_PER_EPOCH + 1):
        assert found[step]["loss"] == pytest.approx(expected[step]["loss"], rel=LOSS_TOLERANCE)
        for name in ("gradient_norm", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"):
            assert found[step][name] == pytest.approx(expected[step][name], rel=1e-5), name
        assert found[step]["learning_rate"] == expected[step]["learning_rate"]
        assert 0.5 < found[step]["real_frame_share"] <= 1


def test_two_processes_of_four_devices_give_the_losses_of_one_and_stop_together(
    root, dataset, undisturbed
):
    """The four devices of a process share the weights."""
    workdir = root / "two"
    options = {"epochs": 20, "mesh__fsdp": 4, "data__cache": "device"}
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    one_of = command(dataset, workdir, **options)
    one_of += [f"--coordinator_address={address}", "--num_processes=2"]
    processes = [train_runs.start([*one_of, f"--process_id={i}"], devices=4) for i in range(2)]
    train_runs.wait_for(lambda: len(logs.read(workdir)) >= STEPS_PER_EPOCH, *processes)
    processes[1].send_signal(signal.SIGTERM)
    said = [train_runs.finish(process) for process in processes]
    found = train_runs.steps(workdir)
    stopped = max(found)
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    assert (workdir / "checkpoints" / str(stopped)).exists()
    assert f"stopped after step {stopped}" in said[0]
    assert f"stopped after step {stopped}" in said[1]
    assert_same_losses(found, train_runs.steps(undisturbed))
