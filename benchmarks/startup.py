"""How long does a new run take to its first step, the first time and when programs are kept?

Starts `python -m htt_jax.train` with the paper's model on a dataset of a few frames, of which an
epoch is one step, so that starting and compiling take the time and not computing. Seconds count
from the start of the process until `metrics.jsonl` has the line of step 1:

    first    the folder of compiled programs (JAX_COMPILATION_CACHE_DIR) is empty
    second   a new run, with the folder that the first one left

Each of --repeats pairs has a folder of its own; medians count. One start before all of them, which
is not measured, brings the files of Python and the libraries into the system's cache.

    python -m benchmarks.startup --repeats 3
    python -m benchmarks.startup --repeats 1 --width 160 --height 90
"""

import argparse
import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from benchmarks import measure
from benchmarks.lengths import WINDOW
from htt_jax import camera
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA, STORED_SIZE
from htt_jax.devices import compilation, process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

_POLL_SECONDS = 0.01


class Start(NamedTuple):
    """Seconds from the start of a process: to its first step, and to its end."""

    first_step: float
    end: float


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, help="pairs of starts; the median counts")
    parser.add_argument("--clips", type=int, default=2, help="of the batch, a frame each")
    parser.add_argument("--width", type=int, default=STORED_SIZE[0], help="of the frames, pixels")
    parser.add_argument("--height", type=int, default=STORED_SIZE[1], help="of the frames, pixels")
    parser.add_argument("--limit", type=float, default=900, help="seconds of a start, at most")
    options = parser.parse_args(argv)
    _check(options)
    with tempfile.TemporaryDirectory() as name:
        folder = pathlib.Path(name)
        _write_dataset(folder / "data", options.clips, (options.width, options.height))
        subprocess.run([sys.executable, "-m", "htt_jax.train", "--help"], stdout=subprocess.DEVNULL)
        pairs = [_pair(folder, number, options) for number in range(options.repeats)]
    _report(options, pairs)


def _check(options: argparse.Namespace) -> None:
    for name in ("repeats", "clips", "width", "height"):
        if getattr(options, name) < 1:
            raise InputError(f"--{name} is {getattr(options, name)}; it must be at least 1")
    if options.width > STORED_SIZE[0] or options.height > STORED_SIZE[1]:
        raise InputError(
            f"--width and --height are {options.width}x{options.height}; at most "
            f"{STORED_SIZE[0]}x{STORED_SIZE[1]}, as prepared datasets are"
        )


def _pair(folder: pathlib.Path, number: int, options: argparse.Namespace) -> tuple[Start, Start]:
    """A first and a second start."""
    programs = folder / f"programs{number}"
    first = _start(folder / "data", folder / f"first{number}", programs, options)
    second = _start(folder / "data", folder / f"second{number}", programs, options)
    return first, second


def _start(
    data: pathlib.Path, workdir: pathlib.Path, programs: pathlib.Path, options: argparse.Namespace
) -> Start:
    command = [sys.executable, "-m", "htt_jax.train", "--config=configs/fpha.py"]
    command += [f"--workdir={workdir}", f"--config.data.directory={data}", "--config.epochs=1"]
    # A clip of one window, since random weights are fitted to all its places, padding too.
    command += ["--config.init.backbone=", f"--config.data.frames={WINDOW}"]
    command += [f"--config.batch_size={options.clips}"]
    command += [f"--config.eval.batch_size={options.clips}", "--config.log.every_steps=1"]
    log = workdir.with_suffix(".log")
    with log.open("w") as said:
        begin = time.perf_counter()
        process = subprocess.Popen(
            command,
            env=os.environ | {compilation.CACHE_VARIABLE: str(programs)},
            stdout=said,
            stderr=said,
        )
        try:
            return _watch(process, workdir / "metrics.jsonl", begin, options.limit)
        except InputError as error:
            raise InputError(f"{error}: {_last_line(log)}") from None
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()


def _watch(
    process: subprocess.Popen[bytes], metrics: pathlib.Path, begin: float, limit: float
) -> Start:
    """Waits for the end, which writes the checkpoint: killed, a run might leave half a program."""
    first_step = None
    while process.poll() is None:
        seconds = time.perf_counter() - begin
        # The first line is that of step 1; a line counts once it is whole.
        if first_step is None and metrics.exists() and "\n" in metrics.read_text():
            first_step = seconds
        if seconds > limit:
            raise InputError(f"htt_jax.train did not end within --limit={limit:g} seconds")
        time.sleep(_POLL_SECONDS)
    if process.returncode or first_step is None:
        raise InputError(f"htt_jax.train ended with status {process.returncode}")
    return Start(first_step, time.perf_counter() - begin)


def _last_line(log: pathlib.Path) -> str:
    lines = log.read_text(errors="replace").split("\n")
    return next((line for line in reversed(lines) if line.strip()), "it said nothing")


def _write_dataset(out: pathlib.Path, frames: int, size: tuple[int, int]) -> None:
    """A video of so many frames in each split: as many training clips, since each starts one."""
    if frames > 32:
        raise InputError(f"--clips is {frames}; a video starts at most 32 training clips")
    out.mkdir()
    schema = records.features(FPHA, FPHA.action_names, FPHA.object_names)
    indexes = {}
    for split in ("train", "test"):
        with records.ShardWriter(records.shard_path(out, FPHA, split, 0, 1)) as shard:
            video = _video(frames, size)
            shard.write(records.encode(video, schema), frames, video.video_id)
        indexes[split] = [shard.index]
    records.write_metadata(out, FPHA, FPHA.action_names, FPHA.object_names, indexes)


def _video(frames: int, size: tuple[int, int]) -> records.Video:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (size[1], size[0], 3), dtype=np.uint8)
    encoded = cv2.imencode(".jpg", image)[1].tobytes()
    joints = rng.normal(0.0, 0.05, (frames, FPHA.num_joints, 3)) + np.array([0.0, 0.0, 0.4])
    intrinsics = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, size)
    return records.Video(
        video_id=f"Subject_1/{FPHA.action_names[0]}/1",
        segment_id=-1,
        subject="Subject_1",
        action=0,
        object=FPHA.object_names.index(FPHA.object_of_action[FPHA.action_names[0]]),
        frames=[encoded] * frames,
        frame_numbers=np.arange(frames),
        joints_3d=joints.astype(np.float32),
        hand_annotated=np.ones((frames, 1), bool),
        intrinsics=intrinsics.astype(np.float32),
    )


def _report(options: argparse.Namespace, pairs: Sequence[tuple[Start, Start]]) -> None:
    import jax  # only now: before, it would have kept a GPU's memory from the runs

    first, second = (
        statistics.median(pair[place].first_step for pair in pairs) for place in (0, 1)
    )
    device = jax.devices()[0].device_kind
    result = {
        "first_seconds": first,
        "second_seconds": second,
        "ratio": first / second,
        "of_each_pair": [[start._asdict() for start in pair] for pair in pairs],
        "options": vars(options),
        "device": device,
        **measure.machine("jax", "jaxlib", "flax"),
    }
    line = (
        f"first step done {first:.1f} s after the first start, {second:.1f} s after the second: "
        f"{first / second:.2f} x as fast; {options.clips} clips of {options.width}x"
        f"{options.height}, on {device} (jax {jax.__version__})"
    )
    measure.report("startup", result, [line])


if __name__ == "__main__":
    cli.run(main, process.prepare)
