"""What the commands that start runs have in common: command line, cloud commands, the code sent."""

import argparse
import pathlib
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, NoReturn

ROOT = pathlib.Path(__file__).resolve().parents[1]


class JobError(Exception):
    """What went wrong, in one line for people."""


class CommandFailed(JobError):
    """A command ended in failure; another time it may not."""


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line; options are written in full.

    What stands behind `--` are the options of htt_jax.train.
    """

    def __init__(self, description: str | None):
        """Takes the page that --help shows."""
        super().__init__(
            description=description,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )
        self.add_argument(
            "--dry-run", action="store_true", help="print every command, and run none of them"
        )

    def error(self, message: str) -> NoReturn:
        """Raises `JobError`."""
        raise JobError(f"{message}; see --help")

    def parse(self, argv: Sequence[str]) -> tuple[argparse.Namespace, list[str]]:
        """The options, and those of htt_jax.train."""
        own, training = list(argv), []
        if "--" in own:
            place = own.index("--")
            own, training = own[:place], own[place + 1 :]
        return self.parse_args(own), training


def checked(pattern: str, what: str) -> Callable[[str], str]:
    """The type of an option whose value has a form of its own."""

    def check(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise argparse.ArgumentTypeError(f"{text!r} is not {what}")
        return text

    return check


name = checked(
    r"[a-z]([-a-z0-9]{0,38}[a-z0-9])?",
    "a name: small letters, digits and -, at most 40, a letter first",
)
zone = checked(r"[a-z]+-[a-z]+\d+-[a-z]", "a zone, such as us-west4-a")
project = checked(r"([a-z0-9.-]+:)?[a-z][-a-z0-9]{4,28}[a-z0-9]", "a project's ID")
topology = checked(r"\d+x\d+(x\d+)?", "a topology, such as 4x4 or 2x2x2")


def count(text: str) -> int:
    """The type of options that are a number from 1."""
    if not re.fullmatch(r"[1-9]\d*", text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 1")
    return int(text)


def training_options(given: Sequence[str]) -> list[str]:
    """The options of htt_jax.train, checked as far as it goes without loading it.

    Raises:
        JobError: config or workdir is missing, or the workdir would be lost with the machine.
    """
    found = dict(option.split("=", 1) for option in given if "=" in option)
    for option in ("--config", "--workdir"):
        if not found.get(option):
            raise JobError(f"no {option}=... behind --, among the training's options; see --help")
    workdir = found["--workdir"]
    if "://" not in workdir and not workdir.startswith("/"):
        raise JobError(
            f"--workdir={workdir} would lie on a disk that goes with its machine; name a folder in "
            "a bucket, gs://..., or on a disk that all hosts mount, /..."
        )
    if "--coordinator_address" in found:
        return list(given)
    return ["--coordinator_address=auto", *given]


class Answer(NamedTuple):
    """What a command that was asked something said.

    Attributes:
        status: its exit status.
        output: what it printed.
        error: the last line of its complaints.
    """

    status: int
    output: str
    error: str

    @property
    def missing(self) -> bool:
        """Whether what it was asked about is not there."""
        return self.status != 0 and re.search("not.?found", self.error, re.IGNORECASE) is not None


MISSING = Answer(1, "", "NOT_FOUND")


class Shell:
    """Runs commands; in a dry run prints them instead."""

    def __init__(self, rehearsal: Sequence[Answer] | None = None):
        """Runs commands.

        Args:
            rehearsal: makes it a dry run; the answers to its questions, one after another.
        """
        self._rehearsal: Iterator[Answer] | None = None if rehearsal is None else iter(rehearsal)

    @property
    def dry_run(self) -> bool:
        """Whether nothing is run."""
        return self._rehearsal is not None

    def run(self, *commands: Sequence[str], standard_input: str = "") -> None:
        """Runs commands at the same time; all must succeed, and what they print is shown.

        Raises:
            CommandFailed: one did.
            JobError: one is not installed.
        """
        for command in commands:
            print("+", shlex.join(command), flush=True)
        print(standard_input, end="", flush=True)
        if self.dry_run:
            return
        processes = [_started(command, standard_input) for command in commands]
        statuses = [process.wait() for process in processes]
        for command, status in zip(commands, statuses, strict=True):
            if status:
                raise CommandFailed(f"ended with status {status}: {shlex.join(command)}")

    def delete(self, command: Sequence[str]) -> None:
        """Runs a command that deletes something, which may be gone already.

        Raises:
            CommandFailed: it did.
            JobError: it is not installed.
        """
        print("+", shlex.join(command), flush=True)
        if not self.dry_run:
            answer = self._answer(command)
            if answer.status and not answer.missing:
                raise CommandFailed(f"{answer.error}: {shlex.join(command)}")

    def ask(self, command: Sequence[str]) -> Answer:
        """Runs a command that may fail, and returns what it says.

        Raises:
            JobError: it is not installed.
        """
        if self._rehearsal is None:
            return self._answer(command)
        print("+", shlex.join(command), flush=True)
        return next(self._rehearsal)

    def _answer(self, command: Sequence[str]) -> Answer:
        with _started(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
            output, error = process.communicate()
        return Answer(process.returncode, output.strip(), (error.strip().splitlines() or [""])[-1])

    def wait(self, seconds: float) -> None:
        """Sleeps, unless nothing is run anyway."""
        if not self.dry_run:
            time.sleep(seconds)


def _started(
    command: Sequence[str], standard_input: str = "", **options: int
) -> "subprocess.Popen[str]":
    """A process that is given `standard_input`, or none."""
    options["stdin"] = subprocess.PIPE if standard_input else subprocess.DEVNULL
    try:
        process: subprocess.Popen[str] = subprocess.Popen(command, text=True, **options)  # type: ignore[call-overload]
    except FileNotFoundError:
        raise JobError(f"{command[0]} is not installed") from None
    if process.stdin:
        with process.stdin:
            process.stdin.write(standard_input)
    return process


def say(line: str) -> None:
    """Tells people what is going on."""
    print(line, file=sys.stderr, flush=True)


def main(command: Callable[[Sequence[str]], None]) -> None:
    """Runs a command line; what is wrong becomes one line and status 2."""
    try:
        command(sys.argv[1:])
    except JobError as error:
        say(f"error: {error}")
        sys.exit(2)
    except KeyboardInterrupt:
        say("interrupted; what was started goes on, and the same command looks after it again")
        sys.exit(130)
