"""How many real frames a second does the loader deliver, and how near is that to decoding alone?

A frame counts when it stands in a batch as training takes it. Decoding alone is a plain loop over
the frames of a video on one core. With `--cache host` the batches come from memory.

    python -m benchmarks.dataset --out bench/data --videos 60
    python -m benchmarks.loader --data bench/data --workers 0 1 2
"""

import itertools
import os
import time
from collections.abc import Sequence

import numpy as np

from benchmarks import measure
from benchmarks.lengths import FRAMES, SPACING, WINDOW
from htt_jax.data.cache import HostCache
from htt_jax.data.clips import ClipSpec
from htt_jax.data.decode import decode_frame
from htt_jax.data.loader import Batches, train_batches
from htt_jax.data.records import RecordSource
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data", type=cli.location, required=True, help="directory of a prepared dataset"
    )
    parser.add_argument("--split", default="train")
    parser.add_argument("--cache", choices=("none", "host"), default="none")
    parser.add_argument("--workers", type=int, nargs="+", default=[0], help="0: threads")
    parser.add_argument("--batch-size", type=int, default=2, help="clips")
    parser.add_argument("--steps", type=int, default=40, help="batches of a run")
    parser.add_argument("--repeats", type=int, default=3, help="runs; the median counts")
    options = parser.parse_args(argv)
    if min(options.workers) < 0 or min(options.steps, options.repeats) < 1:
        raise InputError("--workers must be at least 0, --steps and --repeats at least 1")
    source = RecordSource(options.data, options.split)
    decoded = _decoded_per_second(source)
    cache = HostCache.fill(source, source.image_size) if options.cache == "host" else None
    clips = ClipSpec(WINDOW, FRAMES, SPACING)
    cores = len(os.sched_getaffinity(0))
    found = {}
    for workers in options.workers:
        batches = train_batches(
            source,
            clips=clips,
            batch_size=options.batch_size,
            seed=0,
            workers=workers,
            cache=cache,
        )
        delivered = delivered_per_second(batches, workers, options.steps, options.repeats)
        used = min(workers or cores, cores)
        found[workers] = {"frames_per_second": delivered, "per_core": delivered / used}
    facts = measure.machine("opencv-python-headless", "grain", "numpy")
    size = f"{source.image_size[0]}x{source.image_size[1]}"
    measure.report(
        "loader",
        facts
        | {"size": source.image_size, "cache": options.cache, "clips": options.batch_size}
        | {"decoded_per_second_one_core": decoded, "workers": found},
        [
            f"{size}, cache {options.cache}, {'threads' if not workers else f'{workers} workers'}: "
            f"{one['frames_per_second']:.0f} real frames/s, {one['per_core']:.0f} a core; decoding "
            f"alone {decoded:.0f} on one core"
            for workers, one in found.items()
        ],
    )


def _decoded_per_second(source: RecordSource) -> float:
    """Decoding every frame of the first video."""
    frames = source[0].frames
    out = np.empty((*reversed(source.image_size), 3), np.uint8)

    def decode() -> None:
        for encoded in frames:
            decode_frame(encoded, source.image_size, out)

    return len(frames) / measure.median_seconds(decode, 5)


def delivered_per_second(batches: Batches, workers: int, steps: int, repeats: int) -> float:
    """Real frames in batches, padding not counted, after some batches that fill the buffers."""
    for _ in itertools.islice(batches, 4 + 2 * workers):
        pass
    rates = []
    for _ in range(repeats):
        start = time.perf_counter()
        taken = itertools.islice(batches, steps)
        real = sum(int(batch["valid"].sum()) for batch in taken)
        rates.append(real / (time.perf_counter() - start))
    batches.close()
    return float(np.median(rates))


if __name__ == "__main__":
    cli.run(main, process.prepare)
