"""Machines that are made, looked after, and made anew: what tpu_vm and compute have in common."""

import argparse
import enum
import pathlib
import shlex
import tempfile
from collections.abc import Callable, Sequence
from typing import Protocol

from jobs import command
from jobs.command import MISSING, ROOT, Answer, CommandFailed, JobError, Parser, Shell, say

HOST = "host.sh"
_STOP = f"test ! -e {HOST} || bash {HOST} stop"
_BUNDLE = "htt_jax.bundle"
_MOST_FAILURES = 10
"""That may follow one another."""


class State(enum.Enum):
    """Of the machines of a run."""

    GONE = "not there, and are asked for"
    WAITING = "not there yet"
    READY = "there"
    LOST = "preempted or failed, and are made anew"


class Machines(Protocol):
    """All hosts of a run."""

    def state(self) -> State:
        """What is there of them. Raises `CommandFailed`."""

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
    shell = Shell(rehearsed if options.dry_run else None)
    prefix = f"JAX_COORDINATOR_PORT={options.coordinator_port} " if options.coordinator_port else ""
    _Keeper(make(shell), shell, training, prefix).run(options.every)
    say(f"the training has ended; {options.name} costs until you delete it")


class _Keeper:
    """Makes the machines and starts the training, again after each preemption, until it ends.

    It looks at what is there and does what is missing, so that it can itself be stopped and
    started again.
    """

    def __init__(self, machines: Machines, shell: Shell, training: Sequence[str], prefix: str):
        """Does nothing yet.

        Args:
            machines: of the run.
            shell: for what is not run on them.
            training: the options of htt_jax.train.
            prefix: variables that are set for it, such as `NAME=VALUE `, or empty.
        """
        self._machines = machines
        self._shell = shell
        self._training = shlex.join(training)
        self._prefix = prefix
        self._state: State | None = None
        self._half_started = False

    def run(self, every: float) -> None:
        """Looks every so many seconds, until the training has ended.

        Raises:
            JobError: the training ended in failure, or a command failed at once or for long.
        """
        failures, begun = 0, False
        while True:
            try:
                if self._next_step():
                    return
                failures, begun = 0, True
            except CommandFailed as error:  # a network is away; or the machines, just now
                failures += 1
                if not begun or failures > _MOST_FAILURES:
                    raise
                say(f"failed, trying again: {error}")
            self._shell.wait(every)

    def _next_step(self) -> bool:
        """Does what comes next; says whether the training has ended."""
        state = self._machines.state()
        if state is not self._state:
            say(f"the machines are {state.value}")
            self._state = state
        if state is State.LOST:
            self._machines.delete()
        if state in (State.LOST, State.GONE):
            self._half_started = False
            self._machines.create()
        return state is State.READY and self._has_ended()

    def _has_ended(self) -> bool:
        """Whether the training has; starts it if it has not begun."""
        there = f"test ! -e {HOST} && echo missing || bash {HOST} status {self._training}"
        found = self._machines.on_first(there)
        if found.status:
            raise CommandFailed(found.error)
        match found.output.split():
            case ["missing"]:
                self._start()
            case ["running"] if self._half_started:
                self._start()
            case ["running"]:
                pass
            case ["busy"]:
                raise JobError("another training runs there; delete it, or take another --name")
            case ["ended", "0"]:
                return True
            case ["ended", status]:
                raise JobError(f"the training ended with status {status}; its log tells (follow)")
            case _:
                raise CommandFailed(found.output)
        return False

    def _start(self) -> None:
        """Installs the code and starts the training, on all hosts."""
        self._half_started = True
        self._machines.on_all(_STOP)
        with tempfile.TemporaryDirectory() as folder:
            bundle = pathlib.Path(folder) / _BUNDLE
            made = ["git", "-C", str(ROOT), "bundle", "create", "--quiet", str(bundle), "HEAD"]
            self._shell.run(made)
            self._machines.copy([bundle, ROOT / "jobs" / HOST])
        self._machines.on_all(f"bash {HOST} install")
        self._machines.on_all(f"{self._prefix}bash {HOST} start {self._training}")
        self._half_started = False


def _give_back(machines: Machines) -> None:
    """Lets the training save, if it still runs, and deletes the machines."""
    state = machines.state()
    if state is State.GONE:
        raise JobError("there are no such machines")
    if state is State.READY:
        try:
            machines.on_all(_STOP)
        except JobError as error:
            say(f"not stopped before: {error}")
    machines.delete()
