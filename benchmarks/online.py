"""How fast are frames predicted as they come? Frames a second, and milliseconds that a push takes.

Random weights and random frames of the size given, pushed one after another without a pause, or as
a camera of so many frames a second gives them. A push waits for the frame before, and one that ends
a group for the group's results too.

    python -m benchmarks.online --config fpha --frames 128
    python -m benchmarks.online --config simulated
    python -m benchmarks.online --config simulated --rate 30 --newest
    python -m benchmarks.online --config depth.feedback --width 640 --height 480

Depth maps are of an arm over a table, so that a hand is found in each.
"""

import importlib
import time
from collections.abc import Sequence

import jax
import numpy as np
import optax

from benchmarks import measure
from htt_jax import camera, systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA, H2O, STORED_SIZE
from htt_jax.devices import process, sharding
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.runs.directory import Run
from htt_jax.runs.opening import TrainedRun
from htt_jax.runs.state import abstract_state, random_state
from htt_jax.support import cli

_DATASETS = {"fpha": FPHA, "h2o": H2O, "simulated": FPHA, "depth.feedback": FPHA}
_RATE = 30  # frames a second of a camera


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--config", choices=_DATASETS, default="fpha", help="the model's")
    parser.add_argument("--width", type=int, default=1280, help="of the frames pushed")
    parser.add_argument("--height", type=int, default=720, help="of the frames pushed")
    parser.add_argument("--frames", type=int, default=960)
    parser.add_argument("--rate", type=float, help="frames a second; if not given, without a pause")
    parser.add_argument("--newest", action="store_true", help="take each frame's pose at once")
    options = parser.parse_args(argv)
    size = (options.width, options.height)
    run = _random_run(options.config)
    spec = run.dataset.spec
    intrinsics = camera.scale_intrinsics(spec.intrinsics, spec.native_size, size)
    start = time.perf_counter()
    online = OnlinePredictor(run, size, intrinsics, newest=options.newest)
    compiling = time.perf_counter() - start
    milliseconds, seconds = _measure(online, _frames(run, size), options.frames, options.rate)
    seen = run.system.reader.size or run.dataset.image_size
    median, slow, worst = np.percentile(milliseconds, [50, 95, 100])
    result = measure.machine("jax", "jaxlib") | {
        "config": options.config,
        "frames_per_second": round(options.frames / seconds, 2),
        "push_ms": {"median": round(median, 2), "p95": round(slow, 2), "worst": round(worst, 2)},
        "delay_frames": online.delay,
        "compile_seconds": round(compiling, 2),
        "frame_size": size,
        "model_size": seen,
        "frames": options.frames,
        "rate": options.rate,
        "newest": options.newest,
        "device": jax.devices()[0].device_kind,
    }
    measure.report(
        "online",
        result,
        [
            f"{result['frames_per_second']} frames/s of {size[0]}x{size[1]} for a model at "
            f"{seen[0]}x{seen[1]}, on {result['device']}; "
            f"a push takes {median:.2f} ms (median), {slow:.1f} (95 of 100), {worst:.0f} (worst); "
            f"poses come at most {online.delay} frames late, "
            f"{online.delay / _RATE:.1f} s at {_RATE} frames/s"
        ],
    )


def _measure(
    online: OnlinePredictor, frames: np.ndarray, count: int, rate: float | None
) -> tuple[list[float], float]:
    """Milliseconds of each push, with the newest pose if it is told, and seconds of the whole."""
    milliseconds = []
    results = 0
    start = time.perf_counter()
    for number in range(count):
        if rate is not None:
            time.sleep(max(0.0, start + number / rate - time.perf_counter()))
        before = time.perf_counter()
        results += len(online.push(frames[number % len(frames)]))
        if online.tells_newest:
            _ = online.newest
        milliseconds.append(1000 * (time.perf_counter() - before))
    results += len(online.finish())
    assert results == count
    return milliseconds, time.perf_counter() - start


def _frames(run: TrainedRun, size: tuple[int, int]) -> np.ndarray:
    """A few different ones."""
    width, height = size
    if run.config.data.camera == "color":
        return np.random.default_rng(0).integers(0, 255, (8, height, width, 3), np.uint8)
    table = np.linspace(900, 500, height)[:, None] * np.ones(width)
    frames = np.repeat(table[None], 8, axis=0)
    for number, depth in enumerate(frames):
        left = width // 2 + number * width // 64
        depth[height // 3 :, left : left + width // 8] = 350
    return frames.astype(np.uint16)


def _random_run(name: str) -> TrainedRun:
    """The model of a config, with random weights."""
    config = importlib.import_module(f"configs.{name}").get_config()
    if config.data.camera == "depth":
        config.crops.protocol = "honest"  # the other one's crops nobody can make of a camera's maps
    spec = _DATASETS[name]
    dataset = DatasetFacts(
        spec=spec,
        action_names=spec.action_names,
        object_names=spec.object_names,
        image_size=tuple(config.data.image_size or STORED_SIZE),
        fingerprint=None,
    )
    system = systems.make(config, dataset)
    mesh = sharding.single_device_mesh()
    abstract = abstract_state(system, optax.identity(), mesh)
    state = random_state(system, optax.identity(), 0, abstract)
    return TrainedRun(name, Run(config, dataset), system, state.variables, 0)


if __name__ == "__main__":
    cli.run(main, process.prepare)
