"""Runs shared out among processes."""

import contextlib
import errno
import fcntl
import re
import signal
import subprocess
import sys

from benchmarks import ablations
from benchmarks.ablation import claims, scales
from benchmarks.ablation.runs import Run, Setting
from htt_jax.support.locking import LOCK_FILE

# A process that takes runs, notes each, and dies in the one that is named. Where none is named, its
# first run lasts until three processes have begun one.
WORKER = """
import os, pathlib, signal, sys, time
from benchmarks.ablation import claims
folder, log, dies = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2]), sys.argv[3]
def processes():
    return {line.split()[1] for line in log.read_text().splitlines()}
def perform(name):
    with log.open("a") as file:
        file.write(f"{name} {os.getpid()}\\n")
    if name == dies:
        os.kill(os.getpid(), signal.SIGKILL)
    until = time.monotonic() + 60
    while not dies and len(processes()) < 3 and time.monotonic() < until:
        time.sleep(0.01)
    (folder / name / claims.RECORD).write_text("{}")
print("ready", flush=True)
sys.stdin.readline()
claims.share([f"run{i}" for i in range(12)], folder, perform)
"""


def start_worker(folder, log, dies=""):
    command = [sys.executable, "-c", WORKER, str(folder), str(log), dies]
    return subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def test_two_processes_share_runs_out_and_what_a_killed_one_had_is_taken_up(tmp_path):
    folder, log = tmp_path / "runs", tmp_path / "log"
    workers = [start_worker(folder, log, dies) for dies in ("run5", "", "")]
    for worker in workers:
        worker.stdout.readline()
    workers[0].communicate(b"\n")
    assert workers[0].returncode == -signal.SIGKILL
    assert [line.split()[0] for line in log.read_text().splitlines()] == [
        f"run{i}" for i in range(6)
    ]
    assert claims.owner(folder / "run5") is None  # its claim ended with it
    for worker in workers[1:]:
        worker.stdin.write(b"\n")
        worker.stdin.flush()
    for worker in workers[1:]:
        worker.communicate()
        assert worker.returncode == 0
    taken = [line.split() for line in log.read_text().splitlines()]
    names = [name for name, _ in taken]
    assert sorted(names) == sorted([*(f"run{i}" for i in range(12)), "run5"])  # once each
    assert len({process for _, process in taken}) == 3


def test_a_run_of_another_process_is_left_to_it_and_shown_as_running(tmp_path):
    performed = []
    with claims._claimed(tmp_path / "a"):
        assert "process" in claims.owner(tmp_path / "a").name
        assert claims.owner(tmp_path / "a").sure
        elsewhere, has_locks = claims.share(["a", "b"], tmp_path, performed.append)
    assert (performed, elsewhere, has_locks) == (["b"], ["a"], True)


def test_a_run_waits_for_the_one_before_it_while_another_process_has_that(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "_WAIT", 0.01)
    performed, told = [], []
    before = {"student": "teacher", "orphan": "nobody"}.get
    with contextlib.ExitStack() as other:
        other.enter_context(claims._claimed(tmp_path / "teacher"))

        def waiting(*said):
            told.append(said)
            assert performed == ["a"]
            (tmp_path / "teacher" / claims.RECORD).write_text("{}")
            other.close()

        names = ["a", "student", "orphan", "teacher"]
        elsewhere, _ = claims.share(names, tmp_path, performed.append, before, waiting)
    assert performed == ["a", "student"]
    assert elsewhere == ["orphan"]
    ((name, teacher, who),) = told
    assert (name, teacher) == ("student", "teacher")
    assert "process" in who


def test_without_locks_or_permission_nobody_says_that_a_run_is_running(tmp_path, monkeypatch):
    setting, run = Setting(scales.DEMO, tmp_path, "data", "fpha"), Run({}, 0)
    folder = setting.folder(run.name)
    with claims._claimed(folder):
        pass
    assert ablations._state(setting, run, None) == "to do"

    def flock(descriptor, operation):
        raise OSError(errno.ENOLCK, "No locks available")

    with monkeypatch.context() as without:
        without.setattr(fcntl, "flock", flock)
        said = ablations._state(setting, run, None)
    assert re.fullmatch(r"begun, perhaps by .*, process \d+, since .* UTC", said)
    (folder / LOCK_FILE).unlink()
    (folder / LOCK_FILE).mkdir()  # which nobody can write to, not even the superuser
    assert ablations._state(setting, run, None) == said
