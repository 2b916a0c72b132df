"""What does the augmentation cost on this device? Milliseconds per frame.

python -m benchmarks.augment --clips 2 --frames 128
"""

from collections.abc import Callable

import jax
import numpy as np

from benchmarks import measure
from htt_jax import augment
from htt_jax.devices import process
from htt_jax.support import cli


def main() -> None:
    """Times `augment` and, for comparison, `to_inputs` alone, both under jit."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--clips", type=int, default=2)
    parser.add_argument("--frames", type=int, default=16)
    parser.add_argument("--width", type=int, default=480)
    parser.add_argument("--height", type=int, default=270)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()

    batch = jax.device_put(_random_batch(args.clips, args.frames, args.height, args.width))
    key = jax.random.key(0)
    augmented = jax.jit(augment.augment)
    plain = jax.jit(augment.to_inputs)
    frames = args.clips * args.frames
    cost = {
        "augment": _milliseconds(lambda: augmented(key, batch), args.repeats) / frames,
        "plain": _milliseconds(lambda: plain(batch), args.repeats) / frames,
    }
    device = jax.devices()[0].device_kind
    measure.report(
        "augment",
        measure.machine("jax", "jaxlib")
        | {"device": device, "clips": args.clips, "frames": args.frames}
        | {"size": [args.width, args.height]}
        | {f"{name}_ms_per_frame": milliseconds for name, milliseconds in cost.items()},
        [
            f"{cost['augment']:.3f} ms per {args.width}x{args.height} frame augmented, "
            f"{cost['plain']:.3f} ms only normalised, on {device}"
        ],
    )


def _milliseconds(run: Callable[[], object], repeats: int) -> float:
    return 1000 * measure.median_seconds(lambda: jax.block_until_ready(run()), repeats)


def _random_batch(clips: int, frames: int, height: int, width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(0)
    intrinsics = np.array([[width, 0, width / 2], [0, width, height / 2], [0, 0, 1]], np.float32)
    place = np.arange(clips * frames, dtype=np.int32)
    return {
        "image": rng.integers(0, 256, (clips * frames, height, width, 3), dtype=np.uint8),
        "slot": place.reshape(clips, frames),
        "slot_clip": place // frames,
        "slot_frame": place % frames,
        "intrinsics": np.tile(intrinsics, (clips, frames, 1, 1)),
        "joints_3d": np.ones((clips, frames, 21, 3), np.float32),
        "video": np.arange(clips, dtype=np.int32),
        "start": np.zeros(clips, np.int32),
    }


if __name__ == "__main__":
    cli.run(main, process.prepare)
