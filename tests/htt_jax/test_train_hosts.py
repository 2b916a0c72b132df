"""Real processes that stand for hosts: what the others do when one fails, or has something else.

They train the toy system, as none of it depends on the network.
"""

import signal
import socket
import time

import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.devices.watch import ANOTHER_FAILED
from tests import prepared, train_runs

pytestmark = pytest.mark.proof  # each host is a process


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    directory = tmp_path_factory.mktemp("hosts") / "data"
    return prepared.write_dataset(directory, FPHA, {"train": [24, 24], "test": [18]}, (32, 18))


def start(dataset, workdir, count, *, own=None, only=None, flags=()):
    """Processes of one run; `own` has options of single ones, by their numbers."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"
    flags = [f"--coordinator_address={address}", f"--num_processes={count}", *flags]
    command = train_runs.toy_command(dataset, workdir, "--config.batch_size=6", *flags)
    return [
        train_runs.start([*command, f"--process_id={number}", *(own or {}).get(number, ())])
        for number in (range(count) if only is None else only)
    ]


def ended(processes):
    """Exit status and lines that begin with error: of each process; nothing may be a traceback."""
    said = [train_runs.finish(process, seconds=120) for process in processes]
    assert not any("Traceback" in text or "stack trace" in text for text in said), said
    lines = [[x for x in text.splitlines() if x.startswith("error: ")] for text in said]
    return [process.returncode for process in processes], lines


def test_when_the_first_host_is_killed_the_other_ends_and_names_it(dataset, tmp_path):
    run = start(dataset, tmp_path / "run", 2, flags=["--config.epochs=100000"])
    while not (tmp_path / "run" / "parameters.txt").exists():  # the last before the first step
        assert all(process.poll() is None for process in run), ended(run)
        time.sleep(0.05)
    run[0].send_signal(signal.SIGKILL)
    began = time.monotonic()
    statuses, lines = ended(run)
    assert time.monotonic() - began < 60
    assert statuses == [-signal.SIGKILL, ANOTHER_FAILED]
    (line,) = lines[1]
    assert f"host {socket.gethostname()} (process 0 of 2): it " in line
    assert line.endswith("; the same command on all hosts continues")


def test_hosts_with_different_options_end_before_the_first_step_and_say_who_has_what(
    dataset, tmp_path
):
    own = {1: ["--config.optimizer.learning_rate=0.25", "--config.data.workers=1"]}
    statuses, lines = ended(start(dataset, tmp_path / "run", 2, own=own))
    host = socket.gethostname()
    assert statuses == [2, 2]
    assert (
        lines
        == [
            [
                "error: the hosts of this run disagree: config.optimizer.learning_rate is 3e-05 on "
                f"{host} (process 0); 0.25 on {host} (process 1); start the same command with the "
                "same code and data on all"
            ]
        ]
        * 2
    )
    assert not (tmp_path / "run" / "run.json").exists()


def test_an_error_on_one_host_is_told_on_the_others(dataset, tmp_path):
    own = {1: [f"--config.data.directory={tmp_path}/nothing"]}
    statuses, lines = ended(start(dataset, tmp_path / "run", 2, own=own))
    assert statuses == [ANOTHER_FAILED, 2]
    (told,), (said,) = lines
    reason = said.removeprefix("error: ")
    assert f"{tmp_path}/nothing" in reason
    host = f"host {socket.gethostname()} (process 1 of 2)"
    assert told == f"error: {host}: ended: {reason}; the same command on all hosts continues"


def test_a_host_that_waits_for_others_in_vain_says_how_many_are_there(dataset, tmp_path):
    run = start(dataset, tmp_path / "run", 3, only=[0], flags=["--join_timeout=1"])
    statuses, ((line,),) = ended(run)
    assert statuses == [ANOTHER_FAILED]
    assert "still waiting for the other processes: 1 of 3 are here; start the same" in line
