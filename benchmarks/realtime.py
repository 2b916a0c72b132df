"""Does a model keep up with a camera? As its user meets it, for every runtime, at 1 and 2 threads.

Frames of the camera's size are pushed one after the other without a pause. Of each runtime:

    push      milliseconds that a push takes: median, 95 of 100, worst
    frames/s  sustained, resizing included
    drawn     milliseconds from a group's last frame to its picture, as `predict --camera` draws
    memory    peak of the process
    energy    joules a frame, where the machine tells it (RAPL); else nothing is said

    jax       the run itself
    onnx      its .onnx file in float32, by ONNX Runtime
    int8      the same with all convolutions in int8, calibrated on noise: for speed alone
    openvino  both files by OpenVINO, if it is installed: whole windows, without pushes

Each measurement has a process of its own, kept to so many cores.

    python -m benchmarks.realtime --workdir runs/fpha
    python -m benchmarks.realtime                       # the paper's model, random weights
"""

import argparse
import functools
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import measure
from benchmarks.online import _frames, _measure, _random_run
from htt_jax.devices import process, sharding
from htt_jax.interop import onnx
from htt_jax.interop.exporting import as_format_holds_it
from htt_jax.interop.formats import FORMATS
from htt_jax.interop.opening import open_any
from htt_jax.interop.quantising import graph, processor
from htt_jax.interop.quantising.sample import Sample
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.visual.scene import FrameScene, Renderer

_FILES = {"onnx": "float32.onnx", "int8": "int8.onnx"}
_RUNTIMES = ("jax", *_FILES)
_ENERGY = pathlib.Path("/sys/class/powercap/intel-rapl:0/energy_uj")
_REPEATS = 5


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    if options.one is not None:
        print(json.dumps(_one(options)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_files(_open(options.workdir), pathlib.Path(folder))
        found = []
        for threads in options.threads:
            for runtime in (*_RUNTIMES, *_openvino()):
                found.append(_in_a_process(options, runtime, threads, folder))
                print(_line(found[-1]), file=sys.stderr, flush=True)
    size = f"{options.width}x{options.height}"
    result = measure.machine("jax", "onnxruntime") | {"frame_size": size, "measured": found}
    measure.report("realtime", result, [_line(one) for one in found])


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--workdir", type=cli.location, help="of a run; the paper's if not given")
    parser.add_argument("--width", type=int, default=1280, help="of the frames pushed")
    parser.add_argument("--height", type=int, default=720, help="of the frames pushed")
    parser.add_argument("--frames", type=int, default=96)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--one", help=argparse.SUPPRESS)  # a runtime, measured in this process
    parser.add_argument("--folder", help=argparse.SUPPRESS)  # of the files
    return parser


def _open(workdir: str | None) -> TrainedRun:
    if workdir is None:
        return _random_run("fpha")
    return open_any(workdir, None, sharding.single_device_mesh())


def write_files(run: TrainedRun, folder: pathlib.Path) -> None:
    """Writes the .onnx files of a run, in float32 and int8, to a folder."""
    form = FORMATS["onnx"]
    whole = folder / _FILES["onnx"]
    form.write(whole, as_format_holds_it(run, form))
    random = np.random.default_rng(0)
    width, height = run.dataset.image_size
    frames = run.signature.window
    clip = {
        "count": np.array(frames),
        "image": random.integers(0, 255, (frames, height, width, 3), np.uint8),
        "intrinsics": np.broadcast_to(np.eye(3, dtype=np.float32), (frames, 3, 3)),
    }
    graph.quantise(
        whole,
        folder / "large.onnx",
        graph.convolutions(whole),
        Sample((clip,), frames),
        reduce_range=processor.lacks_int8(),
        ranges=folder / "ranges.json",
    )
    graph.pack_weights(folder / "large.onnx", folder / _FILES["int8"], matrices_in_8_bits=True)


def _openvino() -> tuple[str, ...]:
    known = importlib.util.find_spec("openvino") is not None
    return tuple(f"openvino-{name}" for name in _FILES) if known else ()


def _in_a_process(
    options: argparse.Namespace, runtime: str, threads: int, folder: str
) -> dict[str, Any]:
    cores = sorted(os.sched_getaffinity(0))[:threads]
    if len(cores) < threads:
        raise InputError(f"--threads={threads}: this process may use {len(cores)} cores; take less")
    argv = [f"--one={runtime}", f"--folder={folder}", f"--frames={options.frames}"]
    argv += [f"--width={options.width}", f"--height={options.height}"]
    argv += [f"--workdir={options.workdir}"] if options.workdir else []
    command = [sys.executable, "-m", "benchmarks.realtime", *argv]
    own = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)  # which the process inherits
    try:
        done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    finally:
        os.sched_setaffinity(0, own)
    return {"runtime": runtime, "threads": threads} | json.loads(done.stdout.splitlines()[-1])


def _one(options: argparse.Namespace) -> dict[str, Any]:
    """One runtime, in this process."""
    folder, (kind, _, name) = pathlib.Path(options.folder), options.one.partition("-")
    if kind == "openvino":
        return _whole_windows(_open(options.workdir), folder / _FILES[name])
    if kind == "jax":
        run = _open(options.workdir)
    else:
        run = open_any(folder / _FILES[kind], None, sharding.single_device_mesh())
    size = (options.width, options.height)
    online = OnlinePredictor(run, size)
    frames = _frames(run, size)
    _measure(online, frames, online.delay, None)
    online.reset()
    before = _joules()
    milliseconds, seconds = _measure(online, frames, options.frames, None)
    after = _joules()
    median, slow, worst = np.percentile(milliseconds, [50, 95, 100])
    found = {
        "push_ms": {"median": median, "p95": slow, "worst": worst},
        "frames_per_second": options.frames / seconds,
        "drawn_ms": worst + _drawing(run, frames[0]),
        "memory_mb": _peak_megabytes(),
    }
    if before is not None and after is not None:
        found["joules_a_frame"] = (after - before) / options.frames
    return found


def _drawing(run: TrainedRun, frame: np.ndarray) -> float:
    """Milliseconds of one picture."""
    spec, joints = run.dataset.spec, run.dataset.spec.num_joints
    height, width = frame.shape[:2]
    renderer = Renderer((width, height), spec.hands, spec.skeleton)
    random = np.random.default_rng(0)
    scene = FrameScene(
        image=frame,
        frame=0,
        seconds=0.0,
        joints_2d=(random.random((joints, 2)) * (width, height)).astype(np.float32),
        depth=np.full(joints, 0.5, np.float32),
        joints_3d=random.normal(0.5, 0.1, (joints, 3)).astype(np.float32),
        action_names=run.dataset.action_names[:3],
        action_probabilities=np.full(len(run.dataset.action_names[:3]), 0.3),
    )
    return 1000 * measure.median_seconds(functools.partial(renderer.render, scene), _REPEATS)


def _whole_windows(run: TrainedRun, path: pathlib.Path) -> dict[str, Any]:
    """Frames a second of OpenVINO, beside those of ONNX Runtime in the same process."""
    import openvino

    random, signature = np.random.default_rng(0), run.signature
    places = (1, signature.window)
    arrays = {x.name: x.drawn(random, (*places, *x.sizes)) for x in signature.inputs}
    threads = {"INFERENCE_NUM_THREADS": len(os.sched_getaffinity(0))}
    compiled = openvino.Core().compile_model(path, "CPU", {"PERFORMANCE_HINT": "LATENCY"} | threads)
    calls: dict[str, Callable[[], object]] = {
        "frames_per_second": functools.partial(compiled, arrays),
        "onnxruntime_frames_per_second": functools.partial(onnx.load(path), **arrays),
    }
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_REPEATS + 1):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            taken[name].append(time.perf_counter() - start)
    return {name: signature.window / float(np.median(x[1:])) for name, x in taken.items()}


def _peak_megabytes() -> float:
    """Of this process; what `resource` tells would be its parent's if that had more."""
    lines = pathlib.Path("/proc/self/status").read_text().splitlines()
    (peak,) = (line.split()[1] for line in lines if line.startswith("VmHWM:"))
    return int(peak) / 1024


def _joules() -> float | None:
    try:
        return int(_ENERGY.read_text()) / 1e6
    except (OSError, ValueError):
        return None


def _line(one: dict[str, Any]) -> str:
    said = f"{one['runtime']}, {one['threads']} threads: {one['frames_per_second']:.1f} frames/s"
    if "push_ms" not in one:
        return f"{said} in whole windows (ONNX Runtime {one['onnxruntime_frames_per_second']:.1f})"
    push = one["push_ms"]
    energy = f", {one['joules_a_frame']:.2f} J a frame" if "joules_a_frame" in one else ""
    return (
        f"{said}; a push {push['median']:.1f} ms (median), {push['p95']:.0f} (95 of 100), "
        f"{push['worst']:.0f} (worst); {one['drawn_ms']:.0f} ms to a picture; "
        f"{one['memory_mb']:.0f} MB{energy}"
    )


if __name__ == "__main__":
    cli.run(main, process.prepare)
