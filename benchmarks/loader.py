"""How many real frames a second does the loader deliver, and how near is that to decoding alone?

python benchmarks/loader.py --data prepared/fpha --split train --workers 4
"""

import argparse
import itertools
import json
import os
import time

import cv2
import grain
import numpy as np

from htt_jax import cli
from htt_jax.data.decode import decode_frame
from htt_jax.data.loader import train_batches
from htt_jax.data.records import RecordSource


def main() -> None:
    """Decodes frames in a plain loop on one core, then times batches as training takes them."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--data", required=True, help="directory of a prepared dataset")
    parser.add_argument("--split", default="train")
    parser.add_argument("--workers", type=int, default=0)
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--batch-size", type=int, default=2)
    parser.add_argument("--frames", type=int, default=128)
    parser.add_argument("--window", type=int, default=16)
    parser.add_argument("--spacing", type=int, default=2)
    parser.add_argument("--image-size", type=int, nargs=2, metavar=("WIDTH", "HEIGHT"))
    args = parser.parse_args()

    source = RecordSource(args.data, args.split)
    image_size = tuple(args.image_size) if args.image_size else source.image_size
    cores = args.workers or os.cpu_count() or 1
    decoding = _decoded_per_second(source, image_size)
    delivered = _delivered_per_second(source, image_size, args)
    result = {
        "benchmark": "loader",
        "cores": cores,
        "workers": args.workers,
        "size": list(image_size),
        "decoded_per_second_one_core": decoding,
        "delivered_per_second": delivered,
        "share_of_decoding": delivered / (decoding * cores),
        "versions": {"opencv": cv2.__version__, "grain": grain.__version__},
    }
    print(json.dumps(result))
    print(
        f"{delivered:.0f} real frames/s at {image_size[0]}x{image_size[1]} from {cores} cores, "
        f"{100 * result['share_of_decoding']:.0f}% of the {decoding:.0f} frames/s a core decodes "
        f"(OpenCV {cv2.__version__}, Grain {grain.__version__})"
    )


def _decoded_per_second(source: RecordSource, size: tuple[int, int]) -> float:
    """Reading and decoding every frame of the first video, best of three."""
    frames = source[0].frames
    out = np.empty((size[1], size[0], 3), np.uint8)
    times = []
    for _ in range(3):
        start = time.perf_counter()
        for encoded in frames:
            decode_frame(encoded, source.image_size, out)
        times.append(time.perf_counter() - start)
    return len(frames) / min(times)


def _delivered_per_second(
    source: RecordSource, size: tuple[int, int], args: argparse.Namespace
) -> float:
    """Real frames in batches, padding not counted, after some batches that fill the buffers."""
    batches = train_batches(
        source,
        window=args.window,
        frames=args.frames,
        spacing=args.spacing,
        batch_size=args.batch_size,
        seed=0,
        image_size=size,
        workers=args.workers,
    )
    for _ in itertools.islice(batches, 2 + args.workers):
        pass
    start = time.perf_counter()
    real = sum(int(batch["valid"].sum()) for batch in itertools.islice(batches, args.steps))
    return real / (time.perf_counter() - start)


if __name__ == "__main__":
    cli.run(main)
