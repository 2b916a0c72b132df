"""Machines that are made, looked after, and made anew: what tpu_vm and compute have in common."""

import argparse
import enum
import pathlib
import shlex
import tempfile
from collections.abc import Callable, Sequence
from typing import Protocol

from jobs import command
from jobs.command import MISSING, ROOT, Answer, JobError, Parser, Shell, say

HOST = "host.sh"
_BUNDLE = "htt_jax.bundle"
_MOST_FAILURES = 10
"""Looks in a row that may fail, as they do while a network is away."""

_DATA = "~/data"
"""Where host.sh puts a dataset."""


class CannotSee(JobError):
    """What is there could not be found out."""


class State(enum.Enum):
    """Of the machines of a run."""

    GONE = "not there, and are asked for"
    WAITING = "not there yet"
    READY = "there"
    LOST = "preempted or failed, and are made anew"


class Machines(Protocol):
    """All hosts of a run."""

    def state(self) -> State:
        """What is there of them. Raises `CannotSee`."""

    def create(self) -> None:
        """Asks for them; they may come much later."""

    def delete(self) -> None:
        """Gives them back."""

    def copy(self, files: Sequence[pathlib.Path]) -> None:
        """Copies files to the home folder of every host."""

    def on_all(self, command: str) -> None:
        """Runs a shell command on every host, at the same time."""

    def on_first(self, command: str) -> Answer:
        """Runs a shell command on the first host."""

    def follow(self) -> None:
        """Shows the first host's log as it grows."""


def parser(description: str | None) -> Parser:
    """With the options that are the same for all kinds of machines."""
    made = Parser(description)
    add = made.add_argument
    add("verb", choices=("run", "follow", "delete"))
    add("--name", type=command.name, required=True, help="of the machines")
    add("--zone", type=command.zone, required=True)
    add("--project", type=command.project, help="without it gcloud's own setting")
    add("--spot", action="store_true", help="cheaper, may be preempted")
    add(
        "--data",
        type=command.bucket_folder,
        help="gs://BUCKET/FOLDER of a prepared dataset; each host gets a copy, and trains on it",
    )
    add(
        "--coordinator-port",
        type=command.count,
        help="where the hosts find each other; without it JAX's, 8482. Networks that were made for "
        "several v6e slices may have only 8476 open",
    )
    add(
        "--create-flag",
        action="append",
        default=[],
        metavar="FLAG",
        help="one more of gcloud's for the machines, as in --create-flag=--network=NAME",
    )
    add("--every", type=float, default=60, help="seconds between two looks; without it 60")
    return made


def rehearsal(ready: str, lost: str) -> list[Answer]:
    """What a dry run of `run` is answered: it goes well, with one preemption between.

    Args:
        ready: the answer to what is there, when the machines run.
        lost: the same after a preemption.
    """
    said = (ready, "missing", lost, ready, "missing", ready, "ended 0")
    return [MISSING, *(Answer(0, text, "") for text in said)]


def main(
    options: argparse.Namespace,
    training: Sequence[str],
    make: Callable[[Shell], "Machines"],
    rehearsed: Sequence[Answer],
) -> None:
    """Runs one of the verbs.

    Args:
        options: of `parser`.
        training: what stands behind --.
        make: the machines, with the shell that reaches them.
        rehearsed: what `rehearsal` returns.
    """
    if options.verb != "run":
        if training:
            raise JobError(f"unexpected {training[0]} behind --; only run takes training options")
        machines = make(Shell(rehearsed[1:2] if options.dry_run else None))
        machines.follow() if options.verb == "follow" else _give_back(machines)
        return
    training = command.training_options(training)
    if options.data:
        training.append(f"--config.data.directory={_DATA}")
    shell = Shell(rehearsed if options.dry_run else None)
    prefix = f"JAX_COORDINATOR_PORT={options.coordinator_port} " if options.coordinator_port else ""
    _look_after(make(shell), shell, training, prefix, options.data, options.every)
    say(f"the training has ended; {options.name} costs until you delete it")


def _look_after(
    machines: Machines,
    shell: Shell,
    training: Sequence[str],
    prefix: str,
    data: str | None,
    every: float,
) -> None:
    """Makes the machines and starts the training, again after each preemption, until it ends.

    It looks at what is there and does what is missing, so that it can itself be stopped and
    started again.

    Args:
        machines: of the run.
        shell: for what is not run on them.
        training: the options of htt_jax.train.
        prefix: variables that are set for it, such as `NAME=VALUE `, or empty.
        data: a bucket's folder with the dataset that is copied to each host.
        every: seconds between two looks.

    Raises:
        JobError: the training ended in failure, or nothing could be seen for long.
    """
    failures, seen = 0, None
    while True:
        try:
            state = machines.state()
            if state is not seen:
                say(f"the machines are {state.value}")
            seen = state
            if _next_step(state, machines, shell, training, prefix, data):
                return
            failures = 0
        except CannotSee as error:
            failures += 1
            if failures > _MOST_FAILURES:
                raise
            say(f"cannot see, looking again: {error}")
        shell.wait(every)


def _next_step(
    state: State,
    machines: Machines,
    shell: Shell,
    training: Sequence[str],
    prefix: str,
    data: str | None,
) -> bool:
    """Does what comes next; says whether the training has ended."""
    if state is State.LOST:
        machines.delete()
    if state in (State.LOST, State.GONE):
        machines.create()
    if state is not State.READY:
        return False
    options = shlex.join(training)
    found = machines.on_first(f"test ! -e {HOST} && echo missing || bash {HOST} status {options}")
    if found.status:
        raise CannotSee(found.error)
    match found.output.split():
        case ["missing"]:
            _install(machines, shell, data)
            machines.on_all(f"{prefix}bash {HOST} start {options}")
        case ["running"]:
            pass
        case ["busy"]:
            raise JobError("another training runs there; delete it first, or take another --name")
        case ["ended", "0"]:
            return True
        case ["ended", status]:
            raise JobError(f"the training ended with status {status}; its log tells (follow)")
        case _:
            raise CannotSee(found.output)
    return False


def _install(machines: Machines, shell: Shell, data: str | None) -> None:
    """Sends the code that is committed, as a bundle so that the run knows its commit."""
    with tempfile.TemporaryDirectory() as folder:
        bundle = pathlib.Path(folder) / _BUNDLE
        shell.run(["git", "-C", str(ROOT), "bundle", "create", "--quiet", str(bundle), "HEAD"])
        machines.copy([bundle, ROOT / "jobs" / HOST])
    machines.on_all(shlex.join(["bash", HOST, "install", *([data] if data else [])]))


def _give_back(machines: Machines) -> None:
    """Lets the training save, if it still runs, and deletes the machines."""
    state = machines.state()
    if state is State.GONE:
        raise JobError("there are no such machines")
    if state is State.READY:
        try:
            machines.on_all(f"test ! -e {HOST} || bash {HOST} stop")
        except JobError as error:
            say(f"not stopped before: {error}")
    machines.delete()
