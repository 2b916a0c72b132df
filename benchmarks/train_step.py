"""How fast is a training step, beside PyTorch's? Real frames a second, on the same clips.

Batches of clips as long as FPHA's, H2O's, or all full, lie on the device; nothing is loaded.

    ours            augmentation, gradients, Adam; frames packed without padding
    published       what the published code does: eager, float32, with the padding; no augmentation,
                    which its loader does on processors
    published_kept  the same, but the C library keeps freed memory as in our commands (processors)
    tuned           channels last, compiled, fused Adam, bfloat16 on a GPU; with the padding

Each setting is measured in processes of its own: a run of all batches to warm up (and to compile
each of our numbers of slots), then --repeats runs, of which the median counts. With --rounds the
settings take turns, which evens out what else a machine does. Two clips of 128 frames at 480x270
take about 20 GB in PyTorch.

    python -m benchmarks.train_step --lengths fpha full
    python -m benchmarks.train_step --batches 2 --frames 32 --width 160 --height 90
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
    clip_batches.add_options(parser, clips=2)
    side_by_side.add_options(parser, _SETTINGS)
    options = parser.parse_args(argv)
    side_by_side.compare_lengths("benchmarks.train_step", _SETTINGS, options)


def measure(setting: str, options: argparse.Namespace) -> Measurement:
    """What `side_by_side` calls in a process for this setting alone."""
    clips = clip_batches.from_options(options, training=True)
    return _ours(clips, options) if setting == OURS else _theirs(setting, clips, options)


def _ours(clips: Clips, options: argparse.Namespace) -> Measurement:
    from benchmarks import ours  # JAX only where it is measured

    config = ours.make_config(clips=options.clips, frames=clips.frames, dtype=options.dtype)
    trainer = ours.Trainer(config, ours.dataset_facts(clips.spec, clips.image_size))
    batches = ours.on_devices(trainer.mesh, clip_batches.packed(clips))
    counts = Counts(clips.real_frames, sum(clips.slots))

    def run() -> Counts:
        for batch in batches:
            trainer.step(batch)
        trainer.wait()
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
    step = torch_reference.TrainStep(theirs.make_model(setting, clips.spec), setting)
    batches = theirs.batches(setting, clips)
    counts = Counts(clips.real_frames, clips.padded_frames)

    def run() -> Counts:
        theirs.wait([step(batch) for batch in batches])
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
