"""What does Apache Beam cost beside our own worker processes, which write the same shards?

Makes 1920x1080 JPEG frames in a temporary folder in FPHA's layout, then times the command that
prepares them, in turn with our processes and with Beam's DirectRunner, and checks that the shards
are the same. Prints seconds from start to end and seconds of processor time, of a small and of a
large dataset: their difference is what comes with every frame, the rest is what starting costs.

    python -m benchmarks.prepare_beam --videos 32 --frames 2 16 --repeats 3
"""

import os
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from typing import NamedTuple

from benchmarks import measure, prepare
from htt_jax.devices import process
from htt_jax.support import cli, files

_WAYS = {"ours": (), "beam": ("--runner=DirectRunner",)}


class Cost(NamedTuple):
    """Of one command, in seconds."""

    wall: float
    processor: float


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=32, help="videos to prepare, 8 in a shard")
    parser.add_argument(
        "--frames", type=int, nargs="+", default=[2, 16], help="frames of each video"
    )
    parser.add_argument("--workers", type=int, default=2, help="processes")
    parser.add_argument("--repeats", type=int, default=3, help="measurements; the median counts")
    options = parser.parse_args(argv)
    result: dict[str, object] = measure.machine("apache-beam", "opencv-python-headless")
    result |= {"workers": options.workers, "videos": options.videos}
    lines = []
    for frames in options.frames:
        for way, cost in _costs(options.videos, frames, options.workers, options.repeats).items():
            result[f"{way}_{frames}"] = cost._asdict()
            lines.append(
                f"{options.videos * frames} frames, {way}: {cost.wall:.1f} s, of processors "
                f"{cost.processor:.1f} s"
            )
    measure.report("prepare_beam", result, lines)


def _costs(videos: int, frames: int, workers: int, repeats: int) -> dict[str, Cost]:
    measured: dict[str, list[Cost]] = {way: [] for way in _WAYS}
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder, "raw")
        prepare.write_raw(raw, videos, frames)
        shards = {}
        for repeat in range(repeats):
            for way, more in _WAYS.items():
                out = pathlib.Path(folder, f"{way}{repeat}")
                measured[way].append(_cost(raw, out, workers, more))
                shards[way] = [files.sha256(path) for path in sorted(out.glob("fpha-*"))]
        assert shards["ours"] == shards["beam"]
    return {
        way: Cost(*map(statistics.median, zip(*costs, strict=True)))
        for way, costs in measured.items()
    }


def _cost(raw: pathlib.Path, out: pathlib.Path, workers: int, more: Sequence[str]) -> Cost:
    command = [sys.executable, "-m", "data_prep.fpha", f"--raw={raw}", f"--out={out}"]
    start = time.perf_counter()
    running = subprocess.Popen([*command, f"--workers={workers}", *more], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(running.pid, 0)
    assert status == 0
    return Cost(time.perf_counter() - start, usage.ru_utime + usage.ru_stime)


if __name__ == "__main__":
    cli.run(main, process.prepare)
