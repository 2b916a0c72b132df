"""Real processes and real signals: a run that is stopped and started again, and one of several."""

import json
import pathlib
import signal
import socket
import time

import numpy as np
import pytest

from htt_jax import train
from htt_jax.datasets.spec import FPHA
from htt_jax.support.paths import place
from htt_jax.training import logs
from htt_jax.training.goodput import LOST_TO
from tests import object_stores, prepared, train_runs

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
    return prepared.write_dataset(
        root / "data", FPHA, {"train": [24, 24], "test": [5, 18]}, (32, 18)
    )


@pytest.fixture(scope="module")
def undisturbed(root, dataset):
    """The directory of a run on one device, in this process, that nothing disturbs."""
    options = {name.replace(".", "__"): value for name, value in OPTIONS.items()}
    train.train(train_runs.tiny_config(dataset, **options), root / "undisturbed")
    return root / "undisturbed"


def command(dataset, workdir, **options):
    given = {**OPTIONS, **{name.replace("__", "."): value for name, value in options.items()}}
    return train_runs.command(dataset, workdir, *(f"--config.{n}={x}" for n, x in given.items()))


def wait_for(condition, *processes):
    while not condition():
        for process in processes:
            assert process.poll() is None, train_runs.finish(process)
        time.sleep(0.01)


@pytest.fixture(scope="module")
def interrupted(root, dataset, undisturbed):
    """A run that is killed, loses its newest checkpoint, is asked to stop, and comes to its end.

    Its programs are those of the undisturbed run, which are kept. Returns its directory, and the
    exit status and stderr of each of its three processes.
    """
    workdir = root / "interrupted"
    ended = []

    def run(until=None, number=None):
        process = train_runs.start(command(dataset, workdir))
        if until:
            wait_for(until, process)
            process.send_signal(number)
        said = train_runs.finish(process)
        ended.append((process.returncode, said))

    run((workdir / "checkpoints" / "6").exists, signal.SIGKILL)
    damage(workdir / "checkpoints" / "6")
    run(lambda: any((workdir / "checkpoints").glob("9*")), signal.SIGTERM)  # one that is written
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
    assert "checkpoint 6 cannot be read and is passed over" in warnings[0]


def test_sigterm_saves_the_step_it_stops_at(interrupted):
    workdir, (_, (status, said), _) = interrupted
    stopped = json.loads((workdir / "stopped.json").read_text())
    assert status == 128 + signal.SIGTERM
    assert stopped["saved"][-1] == stopped["logged"] < STEPS
    assert f"stopped after step {stopped['logged']}; the same command continues" in said
    assert "Traceback" not in said


def test_losses_after_signals_are_bit_equal_to_an_uninterrupted_runs(interrupted, undisturbed):
    assert interrupted[1][-1][0] == 0
    found = train_runs.steps(interrupted[0])
    assert list(found) == list(range(1, STEPS + 1))
    assert found == train_runs.steps(undisturbed)
    evaluations = [
        [line for line in logs.read(workdir) if "eval_mepe" in line]
        for workdir in (interrupted[0], undisturbed)
    ]
    assert [line["step"] for line in evaluations[0]] == [3 * STEPS_PER_EPOCH, STEPS]
    assert evaluations[0] == evaluations[1]


def test_the_loss_falls(interrupted):
    steps = train_runs.steps(interrupted[0])
    losses = [step["loss"] for _, step in sorted(steps.items())]
    first, last = losses[:6], losses[-6:]
    assert np.mean(last) < 0.97 * np.mean(first)


def test_the_newest_checkpoints_and_the_best_are_kept(interrupted):
    workdir = interrupted[0]
    stopped = json.loads((workdir / "stopped.json").read_text())["logged"]
    newest = sorted({stopped, *range(3, STEPS + 1, 3)})[-3:]
    evaluations = [line for line in logs.read(workdir) if "eval_action_accuracy" in line]
    best = max(evaluations, key=lambda line: (line["eval_action_accuracy"], line["step"]))
    assert steps_of(workdir)["saved"] == sorted({*newest, best["step"]})


def test_every_step_is_logged_with_its_terms_and_rates(interrupted):
    (line,) = [
        line for line in logs.read(interrupted[0]) if line["step"] == STEPS and "loss" in line
    ]
    assert set(line) == {
        *("step", "epoch", "loss", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"),
        *("learning_rate", "gradient_norm", "real_frame_share", "data_wait_share"),
        *("frames_per_second", "steps_per_second", "goodput", "time", "seconds_steps"),
        *(f"seconds_{cause}" for cause in LOST_TO),
    }
    assert line["epoch"] == 5
    assert 0 < line["real_frame_share"] <= 1
    assert any((interrupted[0] / logs.TENSORBOARD).iterdir())


def assert_same_losses(found, expected):
    for step in range(1, STEPS_PER_EPOCH + 1):
        assert found[step]["loss"] == pytest.approx(expected[step]["loss"], rel=LOSS_TOLERANCE)
        for name in ("gradient_norm", "loss_joints_2d", "loss_depth", "loss_object", "loss_action"):
            assert found[step][name] == pytest.approx(expected[step][name], rel=1e-5), name
        assert found[step]["learning_rate"] == expected[step]["learning_rate"]
        assert 0.5 < found[step]["real_frame_share"] <= 1


def test_a_run_in_a_bucket_goes_on_after_a_kill_as_if_on_disk(dataset, undisturbed, gcs):
    data, workdir = f"{gcs.root}/processes/data", place(f"{gcs.root}/processes/run")
    for path in dataset.iterdir():
        (place(data) / path.name).write_bytes(path.read_bytes())
    process = train_runs.start(command(data, workdir))
    wait_for((workdir / "checkpoints/6/commit_success.txt").exists, process)
    process.send_signal(signal.SIGKILL)
    said = train_runs.finish(process)
    # What a kill in the middle of a checkpoint leaves.
    (workdir / "checkpoints/13/model/manifest.ocdbt").write_bytes(b"half")
    options = {name.replace(".", "__"): value for name, value in OPTIONS.items()}
    train.train(train_runs.tiny_config(data, **options), str(workdir))
    found = train_runs.steps(workdir)
    assert list(found) == list(range(1, STEPS + 1))
    assert found == train_runs.steps(undisturbed)
    assert "15" in {path.name for path in (workdir / "checkpoints").iterdir()}
    written = [workdir / name for name in ("run.json", "parameters.txt")]
    written += [*(workdir / logs.TENSORBOARD).iterdir(), *(workdir / logs.JSON_LINES).iterdir()]
    assert len(written) >= 6
    secret = object_stores.SECRET
    assert not any(secret in path.read_bytes().decode(errors="replace") for path in written)
    assert secret not in said


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
    wait_for(lambda: len(logs.read(workdir)) >= STEPS_PER_EPOCH, *processes)
    processes[1].send_signal(signal.SIGTERM)
    said = [train_runs.finish(process) for process in processes]
    found = train_runs.steps(workdir)
    stopped = max(found)
    assert [process.returncode for process in processes] == [128 + signal.SIGTERM] * 2, said
    assert (workdir / "checkpoints" / str(stopped)).exists()
    assert f"stopped after step {stopped}" in said[0]
    assert f"stopped after step {stopped}" in said[1]
    assert_same_losses(found, train_runs.steps(undisturbed))
