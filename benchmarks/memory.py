"""How much memory do training and prediction take, and does it stay where it is?

    settings   peak of a few training steps from records, for every data.cache with and without
               model.rematerialise. With --analyse nothing is run: XLA tells what a step on full
               clips needs, which also shows clips that do not fit here (--frames 512).
    leak       a tiny model trained for --steps steps: what the process holds after a quarter of
               them and at the end
    video      peak of predicting videos of --frames frames and of ten times as many

Each measurement has a process of its own. Peaks are those of the process (VmHWM) and, where a
device tells (GPUs), of the device; `temporary` is what XLA plans for a step's or, with a processor,
finds there besides weights and batch (`compiled.memory_analysis()`).

    python -m benchmarks.memory settings
    python -m benchmarks.memory settings --analyse --frames 512
    python -m benchmarks.memory leak --steps 2000
    python -m benchmarks.memory video --frames 512 --width 160 --height 90
"""

import argparse
import itertools
import json
import pathlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from benchmarks import dataset, measure
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

BAD_INPUT = 2  # exit status, as of every command here
_DEFAULT_FRAMES = {"settings": 128, "leak": 6, "video": 512}
_LONGER = 10  # times as many frames has the longer of the two videos

Result = dict[str, Any]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("question", choices=_DEFAULT_FRAMES)
    parser.add_argument("--frames", type=int, help="T of a clip, or of the shorter video")
    parser.add_argument("--steps", type=int, help="of training; by default 3, and 2000 for leak")
    parser.add_argument("--videos", type=int, default=16, help="of the dataset trained on")
    parser.add_argument("--clips", type=int, default=2, help="of a batch")
    parser.add_argument("--width", type=int, default=STORED_SIZE[0], help="pixels")
    parser.add_argument("--height", type=int, default=STORED_SIZE[1], help="pixels")
    parser.add_argument(
        "--caches",
        nargs="+",
        choices=("none", "host", "device"),
        default=["none", "host", "device"],
    )
    parser.add_argument("--rematerialise", nargs="+", choices=("off", "on"), default=["off", "on"])
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default the fast one")
    parser.add_argument("--analyse", action="store_true", help="settings: compile only")
    options = parser.parse_args(argv)
    if options.frames is None:
        options.frames = _DEFAULT_FRAMES[options.question]
    if options.steps is None:
        options.steps = 2000 if options.question == "leak" else 3
    for name, value in vars(options).items():
        if isinstance(value, int) and not isinstance(value, bool) and value < 1:
            raise InputError(f"--{name} is {value}; it must be at least 1")
    questions: dict[str, Callable[[argparse.Namespace], None]] = {
        "settings": _settings,
        "leak": _leak,
        "video": _video,
    }
    questions[options.question](options)


def _settings(options: argparse.Namespace) -> None:
    # An analysis has no data, so that there is nothing to keep.
    caches = ["none"] if options.analyse else options.caches
    found: dict[str, Result] = {}
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        if not options.analyse:
            dataset.write(data, videos=options.videos, dataset="fpha", published=None)
        for cache, rematerialise in itertools.product(caches, options.rematerialise):
            given = {"data": str(data), "cache": cache, "remat": rematerialise == "on"}
            name = f"cache {cache}, rematerialise {rematerialise}"
            question = "analyse" if options.analyse else "train"
            found[name] = _in_process(question, vars(options) | given)
    width = max(map(len, found))
    lines = [f"{name:<{width}}  {_memory(one)}" for name, one in found.items()]
    lines.append(
        f"{options.clips} clips of {options.frames} frames at {options.width}x{options.height}, "
        f"{next(iter(found.values()))['dtype']}"
    )
    _report(options, {"settings": found}, lines, found)


def _leak(options: argparse.Namespace) -> None:
    if options.steps < 4:
        raise InputError(f"--steps is {options.steps}; it must be at least 4")
    with tempfile.TemporaryDirectory() as folder:
        data = pathlib.Path(folder) / "data"
        dataset.write(data, videos=options.videos, dataset="fpha", published=None)
        found = _in_process("leak", vars(options) | {"data": str(data)})
    early, late = found["after"]
    thousands = (late["step"] - early["step"]) / 1000
    growth = {
        "resident_mb": (late["resident_mb"] - early["resident_mb"]) / thousands,
        "live_arrays": (late["live_arrays"] - early["live_arrays"]) / thousands,
    }
    lines = [
        f"after {one['step']:>6} steps {one['resident_mb']:8.1f} MB resident, "
        f"{one['live_arrays']} live arrays"
        for one in (early, late)
    ]
    lines.append(
        f"growth in 1000 steps: {growth['resident_mb']:+.2f} MB, "
        f"{growth['live_arrays']:+.1f} live arrays"
    )
    _report(options, {**found, "growth_per_1000_steps": growth}, lines, {"leak": found})


def _video(options: argparse.Namespace) -> None:
    counts = (options.frames, _LONGER * options.frames)
    found = {
        str(count): _in_process("video", vars(options) | {"frames": count}) for count in counts
    }
    short, long = (found[str(count)]["process_peak_mb"] for count in counts)
    growth = 1000 * (long - short) / (counts[1] - counts[0])
    lines = [f"{count:>7} frames  {_memory(one)}" for count, one in found.items()]
    lines.append(
        f"{long / short:.3f} x the memory for {_LONGER} x the frames: {growth:+.1f} MB for 1000 "
        f"more frames of {options.width}x{options.height}, whose pixels alone are "
        f"{3 * options.width * options.height / 1000:.0f} MB"
    )
    result = {"videos": found, "ratio": long / short, "mb_per_1000_frames": growth}
    _report(options, result, lines, found)


def _in_process(question: str, options: Mapping[str, Any]) -> Result:
    """What `benchmarks.memory_child` finds, in a process of its own."""
    print(f"measuring {question} ...", file=sys.stderr)
    command = [sys.executable, "-m", "benchmarks.memory_child", question, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == BAD_INPUT:
        sys.exit(BAD_INPUT)  # the process has said what is wrong
    if done.returncode:
        raise InputError(
            f"the process for {question} ended with status {done.returncode}; what it said stands "
            "above, and -9 means that memory did not suffice: take fewer --frames or smaller ones"
        )
    result: Result = json.loads(done.stdout.splitlines()[-1])
    return result


def _memory(found: Result) -> str:
    parts = []
    if not found.get("analysed"):  # whose own memory is what compiling takes
        parts.append(f"process {found['process_peak_mb']:8.0f} MB")
    if not found.get("analysed") and found["device_peak_mb"] is not None:
        parts.append(f"device {found['device_peak_mb']:8.0f} MB")
    if "temporary_mb" in found:
        parts.append(f"temporary {found['temporary_mb']:8.0f} MB")
    return ", ".join(parts)


def _report(
    options: argparse.Namespace,
    result: Result,
    lines: Sequence[str],
    found: Mapping[str, Result],
) -> None:
    device = next(iter(found.values()))["device"]
    machine = measure.machine("jax", "jaxlib", "flax") | {"device": device}
    given = vars(options)
    lines = [*lines, f"on {device}, {machine['cores']} cores (jax {machine['versions']['jax']})"]
    measure.report(f"memory_{options.question}", result | {"options": given, **machine}, lines)


if __name__ == "__main__":
    cli.run(main, process.prepare)
