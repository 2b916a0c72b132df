"""Runs other benchmarks as commands, with a time limit, and takes what they print apart."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple


class Failure(Exception):
    """A benchmark did not end well: which, and why, on one line."""


class Printed(NamedTuple):
    """What a benchmark reports: its lines of JSON, and those for people."""

    results: list[dict[str, Any]]
    lines: list[str]


def run(
    module: str,
    arguments: Sequence[str],
    limit: float,
    on_line: Callable[[str, dict[str, Any] | None], object] | None = None,
) -> Printed:
    """Runs `python -m module arguments`; its stderr goes where ours goes.

    Args:
        module: of a benchmark.
        arguments: of its command line.
        limit: seconds, after which it is ended with all processes it has started.
        on_line: called with every line as it comes and, if it is one of JSON, with its content.

    Raises:
        Failure: it took too long, or its exit status is not 0.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that its own processes can be ended with it
    )
    late = threading.Event()

    def end() -> None:
        late.set()
        _end(process)

    timer = threading.Timer(limit, end)
    timer.start()
    printed = Printed([], [])
    try:
        assert process.stdout
        for line in process.stdout:
            _take(line.rstrip("\n"), printed, on_line)
        status = process.wait()
    finally:
        timer.cancel()
        _end(process)
    if late.is_set():
        raise Failure(f"{module} was ended after its time limit of {limit:.0f} s")
    if status:
        raise Failure(f"{module} ended with status {status}; what it said stands above")
    return printed


def one_result(module: str, arguments: Sequence[str], limit: float) -> dict[str, Any]:
    """The only line of JSON of a benchmark.

    Raises:
        Failure: as `run`, or it did not print exactly one.
    """
    results = run(module, arguments, limit).results
    if len(results) != 1:
        raise Failure(f"{module} printed {len(results)} lines of JSON instead of one")
    return results[0]


def backend() -> str:
    """JAX's default backend, asked in another process: here JAX would keep a GPU's memory."""
    program = "import jax; print(jax.default_backend())"
    found = subprocess.run(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True, check=True
    )
    return found.stdout.split()[-1]


def _take(
    line: str,
    printed: Printed,
    on_line: Callable[[str, dict[str, Any] | None], object] | None,
) -> None:
    result = json.loads(line) if line.startswith("{") else None
    if result is None:
        printed.lines.append(line)
    else:
        printed.results.append(result)
    if on_line:
        on_line(line, result)


def _end(process: subprocess.Popen[str]) -> None:
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
