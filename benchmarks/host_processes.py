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

import cv2
import numpy as np

from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from htt_jax.training import logs

ROOT = pathlib.Path(__file__).parents[1]

_OPTIONS = {
    "batch_size": 6,
    "epochs": 4,
    "seed": 1,
    "data.frames": 8,
    "data.spacing": 1,
    "model.window": 4,
    "model.width": 32,
    "model.heads": 4,
    "model.mlp_width": 64,
    "model.pose_layers": 1,
    "model.action_layers": 1,
    "model.backbone_width": 4,
    "init.backbone": "",
    "augment.translation": 4,
    "optimizer.learning_rate": 1e-3,
    "eval.batch_size": 6,
    "eval.every_epochs": 2,
    "checkpoint.every_steps": 5,
    "log.every_steps": 1,
}
_XLA = "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false"


def write_dataset(directory: pathlib.Path, seed: int = 0) -> pathlib.Path:
    """Three training videos and one to evaluate, all of random frames and joints."""
    directory.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    schema = records.features(FPHA, FPHA.action_names, FPHA.object_names)
    indexes = {}
    for split, videos in (("train", 3), ("test", 1)):
        with records.ShardWriter(records.shard_path(directory, FPHA, split, 0, 1)) as shard:
            for number in range(videos):
                video = _video(rng, number)
                shard.write(records.encode(video, schema), len(video.frames), video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(directory, FPHA, FPHA.action_names, FPHA.object_names, indexes)
    return directory


def _video(rng: np.random.Generator, number: int, frames: int = 24) -> records.Video:
    images = rng.integers(0, 255, (frames, 18, 32, 3), np.uint8)
    joints = rng.normal(0.0, 0.05, (frames, FPHA.num_joints, 3)) + np.array([0.0, 0.0, 0.4])
    return records.Video(
        video_id=f"Subject_1/{FPHA.action_names[number]}/{number}",
        segment_id=-1,
        subject="Subject_1",
        action=number,
        object=0,
        frames=[cv2.imencode(".jpg", image)[1].tobytes() for image in images],
        frame_numbers=np.arange(frames),
        joints_3d=joints.astype(np.float32),
        hand_annotated=np.ones((frames, 1), bool),
        intrinsics=np.array([[29, 0, 16], [0, 29, 9], [0, 0, 1]], np.float32),
    )


class Host:
    """One process of a run, and what it says."""

    def __init__(
        self,
        arguments: Sequence[str],
        said: pathlib.Path,
        code: pathlib.Path = ROOT,
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
