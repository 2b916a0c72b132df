"""Runs of several processes on this machine, each as if it were a host, for what fails in them."""

import json
import os
import pathlib
import re
import resource
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence

from htt_jax.datasets.spec import FPHA
from htt_jax.training import logs
from tests import prepared, train_runs

_OPTIONS = train_runs.TINY | {
    "batch_size": 6,
    "epochs": 4,
    "seed": 1,
    "data.spacing": 1,
    "model.mlp_width": 64,
    "eval.batch_size": 6,
    "eval.every_epochs": 2,
    "checkpoint.every_steps": 5,
}
_XLA = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


def write_dataset(directory: pathlib.Path, seed: int = 0) -> pathlib.Path:
    """Three training videos and one to evaluate, all of random frames and joints."""
    videos = {"train": [24] * 3, "test": [24]}
    return prepared.write_dataset(directory, FPHA, videos, (32, 18), seed)


class Host:
    """One process of a run, and what it says."""

    def __init__(
        self,
        arguments: Sequence[str],
        said: pathlib.Path,
        code: pathlib.Path = train_runs.ROOT,
        memory: int | None = None,
    ):
        """Starts it.

        Args:
            arguments: of `htt_jax.train`.
            said: the file that its stdout and stderr go to.
            code: the checkout that it runs.
            memory: bytes that it may have.
        """
        self._said = said
        with said.open("wb") as file:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "htt_jax.train", *arguments],
                cwd=code,
                env=os.environ | {"XLA_FLAGS": _XLA, "JAX_PLATFORMS": "cpu"},
                stdout=file,
                stderr=subprocess.STDOUT,
            )
        if memory is not None:
            resource.prlimit(self.process.pid, resource.RLIMIT_AS, (memory, memory))

    @property
    def said(self) -> str:
        """All of it."""
        return self._said.read_text(errors="replace")

    @property
    def error(self) -> str:
        """Its lines that begin with error:."""
        return "\n".join(re.findall(r"^error: .*$", self.said, re.M))


class Run:
    """A run of several processes."""

    def __init__(
        self,
        workdir: pathlib.Path,
        data: pathlib.Path,
        count: int = 3,
        *,
        only: Sequence[int] | None = None,
        options: Mapping[int, Mapping[str, object]] | None = None,
        hosts: Mapping[int, Mapping[str, object]] | None = None,
        flags: Sequence[str] = (),
    ):
        """Starts the processes.

        Args:
            workdir: of the run.
            data: the dataset.
            count: number of processes.
            only: those that are started; None: all.
            options: of the config of single processes, by their numbers.
            hosts: arguments of `Host` for single processes.
            flags: of the command of all.
        """
        self.workdir, self.data = workdir, data
        workdir.parent.mkdir(parents=True, exist_ok=True)
        with socket.socket() as free:
            free.bind(("localhost", 0))
            address = f"localhost:{free.getsockname()[1]}"
        self.hosts = []
        for number in range(count) if only is None else only:
            own = {**_OPTIONS, "data.directory": data, **(options or {}).get(number, {})}
            arguments = [
                *("--config=configs/default.py", f"--workdir={workdir}"),
                *(f"--coordinator_address={address}", f"--num_processes={count}"),
                *(f"--process_id={number}", *flags),
                *(f"--config.{name}={value}" for name, value in own.items()),
            ]
            said = workdir.parent / f"{workdir.name}.{number}.{time.time_ns()}.txt"
            self.hosts.append(Host(arguments, said, **(hosts or {}).get(number, {})))  # type: ignore[arg-type]

    def wait_until(self, condition: Callable[[], bool]) -> None:
        """Waits; a process must not end before.

        Raises:
            RuntimeError: one did.
        """
        while not condition():
            for host in self.hosts:
                if host.process.poll() is not None:
                    raise RuntimeError(f"a process ended too early: {host.said}")
            time.sleep(0.02)

    def at_step(self, step: int) -> Callable[[], bool]:
        """Whether the run has logged so many steps."""
        return lambda: max(losses(self.workdir), default=0) >= step

    def end(self, seconds: float, besides: Sequence[int] = ()) -> list[float | None]:
        """Waits for the processes but some; returns when each ended, in seconds; None: it did not.

        Kills what is left.
        """
        began = time.monotonic()
        ended: dict[int, float] = {}
        waiting = [i for i in range(len(self.hosts)) if i not in besides]
        while len(ended) < len(waiting) and time.monotonic() - began < seconds:
            for i in waiting:
                if i not in ended and self.hosts[i].process.poll() is not None:
                    ended[i] = time.monotonic() - began
            time.sleep(0.05)
        for host in self.hosts:
            host.process.kill()
            host.process.wait()
        return [ended.get(i) for i in range(len(self.hosts))]


def losses(workdir: pathlib.Path) -> dict[int, float]:
    """Of each step that a run has logged."""
    try:
        return {int(line["step"]): line["loss"] for line in logs.read(workdir) if "loss" in line}
    except json.JSONDecodeError:
        return {}
