"""A real Slurm on this machine: is a job that is disturbed put back, and are its losses the same?

    apt-get install slurm-wlm munge
    python -m benchmarks.slurm_requeue

Starts munge and Slurm (as root, with a configuration of their own, in a temporary folder) and
submits jobs/slurm/train.sh with two tasks that form one run. One job is left alone. Another has a
task killed, is preempted by a job of higher priority, and is warned of its time limit; it must
be put back each time and end with the losses of the first, bit for bit. A third is cancelled and
must not come back. Takes a few minutes; most of the two that Slurm lets a job wait are skipped.
"""

import contextlib
import functools
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator

from htt_jax.datasets.spec import FPHA
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.training import logs
from tests import prepared, train_runs

_LONGEST = 900.0  # seconds that anything may take
_PUT_BACK = 15.0  # seconds after which a job may start again; Slurm itself waits two minutes
_EPOCHS = 20
_DEAD = {"FAILED", "TIMEOUT", "NODE_FAIL", "OUT_OF_MEMORY"}
_SLURM_CONF = """
ClusterName=here
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldPort={ports[0]}
SlurmdPort={ports[1]}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
KillWait=30
ReturnToService=2
NodeName={host} NodeAddr=127.0.0.1 CPUs=2 State=UNKNOWN
PartitionName=low Nodes={host} Default=YES PriorityTier=1 GraceTime=60
PartitionName=high Nodes={host} PriorityTier=10
"""


def main() -> None:
    """Runs all three jobs; says of each what came of it."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--keep", type=cli.path, help="work in this folder, and keep it")
    options = parser.parse_args()
    with contextlib.ExitStack() as stack:
        folder = options.keep or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        stack.enter_context(_slurm(folder))
        data = prepared.write_dataset(
            folder / "data", FPHA, {"train": [24, 24], "test": [5, 18]}, (32, 18)
        )
        alone = _submit(folder, data, "alone")
        _until("the undisturbed job ends", lambda: _state(alone) == "COMPLETED")
        disturbed = _submit(folder, data, "disturbed")
        _disturb(folder / "disturbed", disturbed)
        _check_equal(folder / "disturbed", folder / "alone")
        cancelled = _submit(folder, data, "cancelled")
        _until("it trains", functools.partial(_is_past, folder / "cancelled", 5))
        _slurm_command("scancel", cancelled)
        _until("the cancelled job ends", lambda: _state(cancelled) == "CANCELLED")
        print("a cancelled job stays cancelled")


def _disturb(workdir: pathlib.Path, job: str) -> None:
    """A killed task, a preemption, a warning of the time limit; then the job's end."""

    def kill_a_task() -> None:
        os.kill(_tasks(workdir)[1], signal.SIGKILL)

    def preempt() -> None:
        script = "#!/bin/sh\nsleep 5\n"
        options = ("--partition=high", "--ntasks=2", "--output=/dev/null")
        _slurm_command("sbatch", *options, standard_input=script)

    def warn() -> None:
        _slurm_command("scancel", "--batch", "--signal=TERM", job)

    for restarts, (what, disturb) in enumerate(
        (("a killed task", kill_a_task), ("preemption", preempt), ("the warning", warn)), start=1
    ):
        seen = _steps(workdir)
        _until(f"it trains before {what}", functools.partial(_is_past, workdir, seen + 5))
        disturb()
        _until(f"the job is put back after {what}", functools.partial(_is_restart, job, restarts))
        print(f"put back after {what}, at step {_steps(workdir)}", flush=True)
        _until("it waits", lambda: _state(job) == "PENDING")
        time.sleep(_PUT_BACK)
        _slurm_command("scontrol", "update", f"JobId={job}", "StartTime=now")
    _until("the disturbed job ends", lambda: _state(job) == "COMPLETED")


def _check_equal(found: pathlib.Path, expected: pathlib.Path) -> None:
    if train_runs.steps(found) != train_runs.steps(expected):
        raise InputError(f"the losses in {found} are not those in {expected}")
    steps = train_runs.steps(found)
    print(f"{len(steps)} steps, each with the losses of the undisturbed job, bit for bit")


def _submit(folder: pathlib.Path, data: pathlib.Path, name: str) -> str:
    """Submits a run of two tasks; returns the job's number."""
    script = "jobs/slurm/train.sh"
    given = train_runs.command(data, folder / name, train_runs.FULL_CLIPS)[3:]
    extra = (f"--config.epochs={_EPOCHS}", "--config.checkpoint.every_steps=5")
    options = ("--parsable", "--ntasks=2", "--time=60", f"--output={folder}/{name}.log")
    return _slurm_command("sbatch", *options, script, *given, *extra).strip()


def _steps(workdir: pathlib.Path) -> int:
    lines = logs.read(workdir) if (workdir / "metrics.jsonl").exists() else []
    return int(max((line["step"] for line in lines), default=0))


def _is_past(workdir: pathlib.Path, step: int) -> bool:
    return _steps(workdir) > step


def _tasks(workdir: pathlib.Path) -> list[int]:
    """The processes of a run, which were started last."""
    found = subprocess.run(
        ["pgrep", "-f", f"htt_jax.train .*--workdir={workdir}"], capture_output=True, text=True
    )
    parents = [pid for pid in found.stdout.split() if "srun" not in _command_line(pid)]
    return [int(pid) for pid in parents]


def _command_line(pid: str) -> str:
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return "srun"


def _job(job: str) -> dict[str, str]:
    words = _slurm_command("scontrol", "show", "job", "--oneliner", job).split()
    return dict(word.split("=", 1) for word in words if "=" in word)


def _state(job: str) -> str:
    return _job(job)["JobState"]


def _is_restart(job: str, number: int) -> bool:
    return int(_job(job)["Restarts"]) == number


def _slurm_command(*command: str, standard_input: str | None = None) -> str:
    done = subprocess.run(
        command, input=standard_input, capture_output=True, text=True, cwd=train_runs.ROOT
    )
    if done.returncode:
        raise InputError(f"{' '.join(command)}: {done.stderr.strip()}")
    return done.stdout


def _until(what: str, condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _LONGEST
    while not condition():
        dead = _slurm_command("squeue", "--noheader", f"--states={','.join(_DEAD)}")
        if dead or time.monotonic() > end:
            raise InputError(f"it is not so, and will not be: {what}. {dead}")
        time.sleep(0.2)


@contextlib.contextmanager
def _slurm(folder: pathlib.Path) -> Iterator[None]:
    """Munge, the controller and one node; ended at the end."""
    with contextlib.ExitStack() as free:
        sockets = [free.enter_context(socket.socket()) for _ in range(2)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        ports = [each.getsockname()[1] for each in sockets]
    conf = folder / "slurm.conf"
    conf.write_text(_SLURM_CONF.format(host=socket.gethostname(), folder=folder, ports=ports))
    for name in ("state", "spool"):
        (folder / name).mkdir(exist_ok=True)
    os.environ |= {
        "SLURM_CONF": str(conf),
        "PYTHON": sys.executable,
        "JAX_PLATFORMS": "cpu",
        "JAX_COMPILATION_CACHE_DIR": str(folder / "programs"),
        # It is not about speed; compiled quickly.
        "XLA_FLAGS": "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false",
    }
    key = folder / "munge.key"
    if not key.exists():
        subprocess.run(["mungekey", "--create", f"--keyfile={key}"], check=True)
    files = [f"--{name}={folder}/munge.{name.split('-')[0]}" for name in ("pid-file", "log-file")]
    files += [f"--socket={folder}/munge.socket", f"--key-file={key}", f"--seed-file={folder}/seed"]
    with contextlib.ExitStack() as stack:
        _start(stack, folder, "munged", "--foreground", "--force", *files)
        while not (folder / "munge.socket").exists():
            time.sleep(0.1)
        _start(stack, folder, "slurmctld", "-D")
        _start(stack, folder, "slurmd", "-D", "-N", socket.gethostname())
        _until("the node is idle", lambda: "idle" in _slurm_command("sinfo", "-h", "-o", "%T"))
        try:
            yield
        finally:  # else their processes outlive Slurm's
            _slurm_command("scancel", "--quiet", "--me")
            _until("no job is left", lambda: not _slurm_command("squeue", "--noheader"))


def _start(stack: contextlib.ExitStack, folder: pathlib.Path, *command: str) -> None:
    log = stack.enter_context((folder / f"{command[0]}.log").open("w"))
    process = subprocess.Popen(command, stdout=log, stderr=log)

    def end() -> None:
        process.terminate()
        process.wait(30)

    stack.callback(end)


if __name__ == "__main__":
    cli.run(main)
