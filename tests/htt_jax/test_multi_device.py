"""Several devices and several processes compute what one device computes."""

import signal
import socket
import time

import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.training import logs
from tests import prepared, train_runs

STEPS = 3  # of the runs that come to their end: one epoch
OPTIONS = ("--config.seed=1", train_runs.FULL_CLIPS)
LOSS_TOLERANCE = 1e-6


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return tmp_path_factory.mktemp("devices")


@pytest.fixture(scope="module")
def dataset(root):
    return prepared.write_dataset(root / "data", FPHA, {"train": [24, 24], "test": [5, 18]})


@pytest.fixture(scope="module")
def one_device(root, dataset):
    """What each step computed on one device."""
    process = train_runs.start(train_runs.command(dataset, root / "one", *OPTIONS))
    said = train_runs.finish(process)
    assert process.returncode == 0, said
    steps = train_runs.steps(root / "one")
    assert len(steps) == STEPS
    return steps


def assert_same_losses(found, expected):
    for step in range(1, STEPS + 1):
        assert found[step]["loss"] == pytest.approx(expected[step]["loss"], rel=LOSS_TOLERANCE)
        for name in ("gradient_norm", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"):
            assert found[step][name] == pytest.approx(expected[step][name], rel=1e-5), name
        assert found[step]["learning_rate"] == expected[step]["learning_rate"]
        assert 0.5 < found[step]["real_frame_share"] <= 1


def test_two_processes_of_four_devices_give_the_losses_of_one_and_stop_together(
    root, dataset, one_device
):
    """The four devices of a process share the weights."""
    workdir = root / "two"
    options = (*OPTIONS, "--config.epochs=1000", "--config.mesh.fsdp=4")
    command = train_runs.command(dataset, workdir, *options, "--config.data.cache=device")
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    hosts = (f"--coordinator_address={address}", "--num_processes=2")
    processes = [
        train_runs.start([*command, *hosts, f"--process_id={i}"], devices=4) for i in range(2)
    ]
    while len(logs.read(workdir)) < STEPS:
        for process in processes:
            assert process.poll() is None, train_runs.finish(process)
        time.sleep(0.05)
    processes[1].send_signal(signal.SIGTERM)
    said = [train_runs.finish(process) for process in processes]
    found = train_runs.steps(workdir)
    stopped = max(found)
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    assert (workdir / "checkpoints" / str(stopped)).exists()
    assert f"stopped after step {stopped}" in said[0]
    assert f"stopped after step {stopped}" in said[1]
    assert_same_losses(found, one_device)
