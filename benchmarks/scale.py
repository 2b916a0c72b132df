"""What an epoch of FPHA costs on many TPU chips, on paper, and what limits it.

From figures in `benchmarks/results.json`: what the compiler says of a training step of one clip and
48 frames, and of 18 clips and 720, on a v5e chip (`benchmarks.tpu_compile`), and what a core of the
machine there decodes (`benchmarks.loader`); and from the chip's public rates
(`benchmarks.tpu_chips`). Nothing is run, so that times are the least that they can be. The results
go back to `results.json`.

    python -m benchmarks.scale
"""

import datetime
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks import figures, lengths, measure, tpu_chips
from htt_jax.data.loader import MAX_THREADS
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.support import cli

GROUP = "scale"
CHIPS = {8: 8, 256: 4}
"""Of a slice: how many of them a host has."""

_SLOTS = 48
_STEP = f"fpha_train_v5e_1x1_{_SLOTS}"
_LARGEST_SLOTS = 720
_LARGEST = f"fpha_train_v5e_1x1_{_LARGEST_SLOTS}_clips18"
_COLLECTIVES = f"fpha_train_v5e_4x4_{_SLOTS}"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    cli.ArgumentParser(description=__doc__).parse_args(argv)
    results = figures.read(figures.RESULTS)
    found = computed(results)
    results[GROUP] = {
        "command": "python -m benchmarks.scale",
        "machine": "none: computed",
        "recorded": {"date": str(datetime.date.today())},
        "figures": {name: float(f"{x:.4g}") for name, x in found.items()},
    }
    figures.write(results)
    measure.report("scale", found, [f"{name:<28}{x:12.4g}" for name, x in found.items()])


def computed(results: Mapping[str, Any]) -> dict[str, float]:
    """The figures, by name."""
    drawn = lengths.clip_lengths("fpha", training=True)
    chip = tpu_chips.CHIPS["v5e"]
    loader, tpu = results["loader"]["figures"], results["tpu"]["figures"]
    gradient = tpu[f"{_COLLECTIVES}_collectives_mb"] * 1e6
    step = tpu[f"{_STEP}_ms"] / 1000
    mean = float(drawn.mean())
    width, height = STORED_SIZE
    found = {
        "clips": float(len(drawn)),
        "frames": float(drawn.sum()),
        "clip_frames": mean,
        "times_decoded": float(drawn.sum() / lengths.video_lengths("fpha").sum()),
        "clip_kb": mean * loader["jpeg_kb"],
        "clip_decoded_mb": mean * width * height * 3 / 1e6,
        "gradient_mb": gradient / 1e6,
        "threads_frames": float(MAX_THREADS * loader["threads_a_core"]),
    }
    for chips, of_host in CHIPS.items():
        # A ring: each chip passes on all parts but its own, once to sum and once to tell.
        reduce = 2 * gradient * (chips - 1) / chips / chip.network_rate
        seconds = step + reduce
        frames = of_host * mean / seconds
        found |= {
            f"chips{chips}_steps": len(drawn) / chips,
            f"chips{chips}_reduce_ms": 1000 * reduce,
            f"chips{chips}_step_ms": 1000 * seconds,
            f"chips{chips}_epoch_s": seconds * len(drawn) / chips,
            f"chips{chips}_run_minutes": 45 * seconds * len(drawn) / chips / 60,
            f"chips{chips}_host_frames": frames,
            f"chips{chips}_host_cores": frames / loader["threads_a_core"],
            f"chips{chips}_host_read_mb": frames * loader["jpeg_kb"] / 1000,
            f"chips{chips}_host_decoded_gb": frames * width * height * 3 / 1e9,
        }
    # Frames a chip at which the network would take as long as the chip.
    frame = step / _SLOTS
    found["reduce_as_long_frames"] = found["chips256_reduce_ms"] / 1000 / frame
    temporaries = tpu[f"{_LARGEST}_temporaries_gb"] * 1e9
    others = tpu[f"{_LARGEST}_gb"] * 1e9 - temporaries
    found["frame_mb"] = temporaries / _LARGEST_SLOTS / 1e6
    found["largest_frames"] = (chip.memory - others) * _LARGEST_SLOTS / temporaries
    found["largest_clips"] = found["largest_frames"] / mean
    return found


if __name__ == "__main__":
    cli.run(main)
