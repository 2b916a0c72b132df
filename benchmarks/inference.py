"""How fast is a step of the evaluation, beside PyTorch's? Real frames a second, on the same clips.

Poses, objects and action probabilities of batches of clips as long as those that FPHA or H2O are
evaluated on, or all full. They lie on the device; nothing is loaded.

    ours            frames packed without padding
    published       what the published code computes: eager, float32, with the padding
    published_kept  the same, but the C library keeps freed memory as in our commands (processors)
    tuned           channels last, compiled, bfloat16 on a GPU; with the padding

How each is measured: see `python -m benchmarks.train_step --help`.

    python -m benchmarks.inference --lengths fpha h2o full
    python -m benchmarks.inference --batches 2 --frames 32 --width 160 --height 90
"""

import argparse
from collections.abc import Sequence

from benchmarks import clip_batches, side_by_side
from benchmarks.clip_batches import Clips
from benchmarks.side_by_side import OURS, PYTORCH, Counts, Measurement
from htt_jax.devices import process
from htt_jax.support import cli

_SETTINGS = (OURS, *PYTORCH)


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    clip_batches.add_options(parser, clips=4)
    side_by_side.add_options(parser, _SETTINGS)
    options = parser.parse_args(argv)
    side_by_side.compare_lengths("benchmarks.inference", _SETTINGS, options)


def measure(setting: str, options: argparse.Namespace) -> Measurement:
    """What `side_by_side` calls in a process for this setting alone."""
    clips = clip_batches.from_options(options, training=False)
    return _ours(clips, options) if setting == OURS else _theirs(setting, clips, options)


def _ours(clips: Clips, options: argparse.Namespace) -> Measurement:
    import jax  # only where it is measured

    from benchmarks import ours

    config = ours.make_config(clips=options.clips, frames=clips.frames, dtype=options.dtype)
    evaluator = ours.Evaluator(config, ours.dataset_facts(clips.spec, clips.image_size))
    batches = ours.on_devices(evaluator.mesh, clip_batches.packed(clips))
    counts = Counts(clips.real_frames, sum(clips.slots))

    def run() -> Counts:
        jax.block_until_ready([evaluator.step(batch) for batch in batches])
        return counts

    return side_by_side.measured(
        run,
        options.repeats,
        steps=len(batches),
        warm_up=run,
        facts=lambda: ours.facts(config),
    )


def _theirs(name: str, clips: Clips, options: argparse.Namespace) -> Measurement:
    from benchmarks import theirs, torch_reference

    setting = theirs.SETTINGS[name]
    inference = torch_reference.Inference(theirs.make_model(setting, clips.spec), setting)
    batches = theirs.batches(setting, clips)
    counts = Counts(clips.real_frames, clips.padded_frames)

    def run() -> Counts:
        theirs.wait([inference(batch)["estimated_joints_3d"] for batch in batches])
        return counts

    return side_by_side.measured(
        run,
        options.repeats,
        steps=len(batches),
        warm_up=run,
        facts=lambda: theirs.facts(setting),
    )


if __name__ == "__main__":
    cli.run(main, process.prepare)
