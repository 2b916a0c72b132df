"""Training runs small enough for tests, in this process or as processes of their own."""

import os
import pathlib
import subprocess
import sys
import time

from ml_collections import ConfigDict

from htt_jax.runs.options import get_config
from htt_jax.training import logs

ROOT = pathlib.Path(__file__).parents[1]

TINY = {
    "batch_size": 8,
    "epochs": 1,
    "data.frames": 8,
    "data.workers": 0,
    "model.window": 4,
    "model.width": 32,
    "model.heads": 4,
    "model.mlp_width": 512,  # just enough for its matrices to be split over devices
    "model.pose_layers": 1,
    "model.action_layers": 1,
    "model.backbone_width": 4,
    "init.backbone": "",
    "augment.translation": 4,
    "optimizer.learning_rate": 1e-3,
    "eval.batch_size": 8,
    "log.every_steps": 1,
}

FULL_CLIPS = "--config.data.spacing=1"
"""Of videos of 24 frames: nearly all of their clips are full, so that one program serves them."""


def tiny_config(directory, **options) -> ConfigDict:
    """The default config, shrunk; further options by their names, with `__` for the dot."""
    config = get_config()
    given = {name.replace("__", "."): value for name, value in options.items()}
    config.update_from_flattened_dict({**TINY, "data.directory": str(directory), **given})
    return config


def command(directory, workdir, *arguments: str) -> list[str]:
    """The command line of a tiny run."""
    options = [f"--config.{name}={value}" for name, value in TINY.items()]
    return [
        *(sys.executable, "-m", "htt_jax.train", "--config=configs/default.py"),
        *(f"--workdir={workdir}", f"--config.data.directory={directory}"),
        *options,
        *arguments,
    ]


def toy_command(directory, workdir, *arguments: str) -> list[str]:
    """The command line of a run of the toy system, whose programs are compiled in an instant."""
    return [
        *(sys.executable, "-m", "htt_jax.train", "--config=tests/toy_config.py"),
        *(f"--workdir={workdir}", f"--config.data.directory={directory}", *arguments),
    ]


def wait_for(condition, *processes: subprocess.Popen) -> None:
    """Until it holds; none of the processes may end before."""
    while not condition():
        for process in processes:
            assert process.poll() is None, finish(process)
        time.sleep(0.01)


def start(arguments: list[str], devices: int = 1) -> subprocess.Popen:
    """Starts a command whose processor counts as so many devices."""
    flags = f"{os.environ['XLA_FLAGS']} --xla_force_host_platform_device_count={devices}"
    return subprocess.Popen(
        arguments,
        cwd=ROOT,
        env=os.environ | {"XLA_FLAGS": flags},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(process: subprocess.Popen, seconds: float = 300) -> str:
    """Waits for the end; returns what it said on stderr. Kills what takes too long."""
    with process:
        try:
            return process.communicate(timeout=seconds)[1]
        finally:
            process.kill()


def steps(workdir) -> dict[int, dict[str, float]]:
    """What each step computed: loss, its terms, learning rate, gradient norm."""
    rates = {"epoch", "frames_per_second", "steps_per_second", "data_wait_share", "goodput", "time"}
    return {
        int(line["step"]): {
            name: x
            for name, x in line.items()
            if name not in rates and not name.startswith("seconds_")
        }
        for line in logs.read(workdir)
        if "loss" in line
    }
