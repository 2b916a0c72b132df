"""How fast are the depth systems, beside PyTorch? Frames a second, training and inference.

Networks of the published size on full clips of random crops, which lie on the device; nothing is
loaded. The systems are the pose network alone (with batch statistics and dropout in training, as
published), and the three joint ones: `direct` (method 1), `feedback` (2), `ensemble` (3).

    ours            the step of training, or of evaluation
    published       the same in PyTorch (benchmarks/depth_torch.py): eager, float32
    published_kept  the same, but the C library keeps freed memory as in our commands (processors)

Each is measured in processes of its own: a run to warm up, then --repeats runs of --steps steps,
of which the median counts. With --rounds the settings take turns, which evens out what else a
machine does.

    python -m benchmarks.depth
    python -m benchmarks.depth --systems feedback --what train --frames 4 --size 32
"""

import argparse
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from benchmarks import depth_clips, side_by_side
from benchmarks import measure as measuring
from benchmarks.side_by_side import OURS, Counts, Measurement
from htt_jax.devices import process
from htt_jax.support import cli

_SETTINGS = (OURS, "published", "published_kept")
_WHAT = ("train", "inference")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    systems = depth_clips.SYSTEMS
    parser.add_argument("--systems", nargs="+", choices=systems, default=list(systems))
    parser.add_argument("--what", nargs="+", choices=_WHAT, default=list(_WHAT))
    parser.add_argument("--clips", type=int, default=4, help="of a batch; of pose, clips x frames")
    parser.add_argument("--frames", type=int, default=16, help="of a clip")
    parser.add_argument("--size", type=int, default=128, help="of a crop, pixels")
    parser.add_argument("--steps", type=int, default=1, help="of a run")
    side_by_side.add_options(parser, _SETTINGS)
    options = parser.parse_args(argv)
    selected = side_by_side.chosen(options, _SETTINGS)
    result: dict[str, Any] = {}
    lines: list[str] = []
    for system in options.systems:
        for what in options.what:
            given = vars(options) | {"system": system, "what": what}
            found = side_by_side.compare("benchmarks.depth", selected, given, options.rounds)
            result[f"{system}_{what}"] = side_by_side.described(found)
            lines += side_by_side.lines(f"{system:<8} {what:<9}", found)
    facts = side_by_side.machine() | {"options": vars(options), "systems": result}
    measuring.report("depth", facts, lines)


def measure(setting: str, options: argparse.Namespace) -> Measurement:
    """What `side_by_side` calls in a process for this setting alone."""
    is_pose = options.system == "pose"
    frames = options.clips * options.frames
    shape = (frames, 1) if is_pose else (options.clips, options.frames)
    batch = depth_clips.batch(shape, options.size)
    step, wait, facts = (_ours if setting == OURS else _theirs)(batch, options)

    def run() -> Counts:
        results = [step() for _ in range(options.steps)]
        wait(results)
        return Counts(options.steps * frames, options.steps * frames)

    return side_by_side.measured(
        run, options.repeats, steps=options.steps, warm_up=run, facts=facts
    )


_Measured = tuple[Callable[[], Any], Callable[[list[Any]], None], Callable[[], dict[str, Any]]]


def _ours(batch: dict[str, np.ndarray], options: argparse.Namespace) -> _Measured:
    import jax  # only where it is measured

    from benchmarks import ours

    config = depth_clips.config(options.system, options.size, options.dtype or "float32")
    made = (ours.Trainer if options.what == "train" else ours.Evaluator)(
        config, depth_clips.dataset()
    )
    (arrays,) = ours.on_devices(made.mesh, [batch])

    def wait(results: list[Any]) -> None:
        if isinstance(made, ours.Trainer):
            made.wait()
        jax.block_until_ready(results)

    return lambda: made.step(arrays), wait, lambda: ours.facts(config)


def _theirs(batch: dict[str, np.ndarray], options: argparse.Namespace) -> _Measured:
    import torch

    from benchmarks import depth_torch, theirs
    from benchmarks.torch_reference import PUBLISHED
    from htt_jax import systems
    from htt_jax.systems.depth.model import DepthModel

    config = depth_clips.config(options.system, options.size)
    model = systems.make(config, depth_clips.dataset()).model
    assert isinstance(model, DepthModel)
    tensors = depth_torch.batch_of(batch)
    step: Callable[..., Any]
    if options.what == "train":
        step = depth_torch.TrainStep(options.system, model, options.size)
    else:
        step = depth_torch.Inference(model, options.size)

    def wait(results: list[Any]) -> None:
        found = [x for x in results if isinstance(x, torch.Tensor)]
        theirs.wait(found or [x["joints_3d"] for x in results])

    return lambda: step(tensors), wait, lambda: theirs.facts(PUBLISHED)


if __name__ == "__main__":
    cli.run(main, process.prepare)
