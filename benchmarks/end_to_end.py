"""How fast is training from files on disk, beside PyTorch's? Real frames a second.

A dataset as costly to read as FPHA (`benchmarks.dataset`) is trained on:

    ours         our loader and training step, as `htt_jax.train` has them; no step is waited for
    device_only  the same steps on the same batches, which lie on the device already
    published    as the published code: its loader (`benchmarks.published_loader`) with a worker for
                 each core, its step, and the loss read after each step
    tuned        our loader without --cache, padding laid out on the device, the tuned PyTorch step
                 of `benchmarks.train_step`, and no augmentation at all

Each setting has a process of its own. After --warm-up steps, with all that is compiled, come
--repeats runs of --steps steps, of which the median counts; with --rounds the settings take turns.
What a loader has prepared before a run begins is ahead by a few batches, so let --steps be many
more. The files may be in the system's cache, for all settings alike.

    python -m benchmarks.end_to_end --videos 64 --steps 50
    python -m benchmarks.end_to_end --data fpha_like --settings ours device_only --cache host
"""

import argparse
import itertools
import os
import pathlib
import tempfile
from collections.abc import Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from benchmarks import clip_batches, dataset, lengths, side_by_side
from benchmarks import measure as reports
from benchmarks.side_by_side import OURS, Counts, Measurement
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import process
from htt_jax.support import cli

if TYPE_CHECKING:
    from ml_collections import ConfigDict

    from benchmarks.ours import Trainer

_DEVICE_ONLY = "device_only"
_SETTINGS = (OURS, _DEVICE_ONLY, "published", "tuned")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--data",
        type=cli.location,
        help="of `benchmarks.dataset --published`; else temporary",
    )
    parser.add_argument("--videos", type=int, default=32, help="of a temporary dataset")
    parser.add_argument("--clips", type=int, default=2, help="of a batch")
    parser.add_argument("--frames", type=int, default=lengths.FRAMES, help="T, of a clip")
    parser.add_argument("--steps", type=int, default=20, help="of a run")
    parser.add_argument("--warm-up", type=int, default=4, help="steps before the first run")
    parser.add_argument("--cache", choices=("none", "host", "device"), default="none")
    side_by_side.add_options(parser, _SETTINGS)
    options = parser.parse_args(argv)
    settings = side_by_side.chosen(options, _SETTINGS)
    with tempfile.TemporaryDirectory() as folder:
        data = options.data or _write_dataset(pathlib.Path(folder), options.videos)
        given = vars(options) | {"data": data}
        found = side_by_side.compare("benchmarks.end_to_end", settings, given, options.rounds)
    _report(options, found)


def _write_dataset(folder: pathlib.Path, videos: int) -> str:
    dataset.write(folder, videos=videos, dataset="fpha", published=dataset.PIXELS)
    return str(folder)


def _report(options: argparse.Namespace, found: dict[str, Measurement]) -> None:
    result = {"options": vars(options), **side_by_side.described(found)}
    lines = side_by_side.lines("end to end", found)
    if OURS in found and _DEVICE_ONLY in found:
        ratio = found[OURS].seconds_per_step / found[_DEVICE_ONLY].seconds_per_step
        result["end_to_end_per_device_time"] = ratio
        lines.append(f"a step of ours from files takes {ratio:.3f} x the time on the device alone")
    reports.report("end_to_end", side_by_side.machine() | result, lines)


def measure(setting: str, options: argparse.Namespace) -> Measurement:
    """What `side_by_side` calls in a process for this setting alone."""
    measures = {
        OURS: _ours,
        _DEVICE_ONLY: _device_only,
        "published": _published,
        "tuned": _tuned,
    }
    return measures[setting](options)


def _ours(options: argparse.Namespace) -> Measurement:
    from benchmarks import ours  # JAX only where it is measured

    config, trainer = _our_trainer(options)
    batches = _our_batches(config, trainer, _steps(options))
    return side_by_side.measured(
        lambda: _train_on(trainer, itertools.islice(batches, options.steps)),
        options.repeats,
        steps=options.steps,
        warm_up=lambda: _train_on(trainer, itertools.islice(batches, options.warm_up)),
        facts=lambda: ours.facts(config),
    )


def _device_only(options: argparse.Namespace) -> Measurement:
    import jax

    from benchmarks import ours

    config, trainer = _our_trainer(options)
    batches = _our_batches(config, trainer, _steps(options))
    kept = jax.block_until_ready(list(itertools.islice(batches, _steps(options))))
    batches.close()  # a loader that goes on reading would cost time here
    ready = iter(kept)
    return side_by_side.measured(
        lambda: _train_on(trainer, itertools.islice(ready, options.steps)),
        options.repeats,
        steps=options.steps,
        warm_up=lambda: _train_on(trainer, itertools.islice(ready, options.warm_up)),
        facts=lambda: ours.facts(config),
    )


def _our_trainer(options: argparse.Namespace) -> "tuple[ConfigDict, Trainer]":
    from benchmarks import ours
    from htt_jax.runs.directory import dataset_facts

    config = _config(options)
    source = RecordSource(options.data, "train")
    return config, ours.Trainer(config, dataset_facts(source, None))


def _steps(options: argparse.Namespace) -> int:
    """Of a process, all together."""
    return options.warm_up + options.repeats * options.steps


def _our_batches(
    config: "ConfigDict", trainer: "Trainer", steps: int
) -> Generator[dict[str, Any], None, None]:
    """From the first step on; the step is compiled for all of them before."""
    from htt_jax.training.input import train_batches

    source = RecordSource(config.data.directory, "train")
    batches, slots = train_batches(config, source, trainer.mesh, 0, steps)
    first = next(batches)
    trainer.compile(first.arrays, slots)
    yield first.arrays
    for batch in batches:
        yield batch.arrays


def _train_on(trainer: "Trainer", batches: Iterable[dict[str, Any]]) -> Counts:
    computed = 0
    valid = []
    for arrays in batches:
        trainer.step(arrays)
        computed += len(arrays["image"])
        valid.append(arrays["valid"])
    trainer.wait()
    return Counts(sum(int(x.sum()) for x in valid), computed)  # a sum before would wait


def _published(options: argparse.Namespace) -> Measurement:
    from benchmarks import published_loader, theirs, torch_reference

    loader = published_loader.train_loader(
        pathlib.Path(options.data),
        clips=options.clips,
        frames=options.frames,
        workers=len(os.sched_getaffinity(0)),
    )
    setting = theirs.SETTINGS["published"]
    step = torch_reference.TrainStep(theirs.make_model(setting, FPHA), setting)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))

    def take(steps: int) -> Counts:
        real = 0
        for batch in itertools.islice(batches, steps):
            real += int(batch["valid"].sum())
            loss = step(theirs.from_published(batch, options.clips))
            loss.item()  # as the published code does in every step
        return Counts(real, steps * options.clips * options.frames)

    return side_by_side.measured(
        lambda: take(options.steps),
        options.repeats,
        steps=options.steps,
        warm_up=lambda: take(options.warm_up),
        facts=lambda: theirs.facts(setting),
    )


def _tuned(options: argparse.Namespace) -> Measurement:
    import jax

    jax.config.update("jax_platforms", "cpu")  # a GPU is PyTorch's here
    from benchmarks import theirs, torch_reference
    from htt_jax.data import loader
    from htt_jax.runs.config import load_options

    config = _config(options)
    batches = loader.train_batches(
        RecordSource(options.data, "train"),
        **load_options(config),
        batch_size=config.batch_size,
        seed=config.seed,
    )
    setting = theirs.SETTINGS["tuned"]
    step = torch_reference.TrainStep(theirs.make_model(setting, FPHA), setting)

    def take(steps: int) -> Counts:
        real = 0
        for batch in itertools.islice(batches, steps):
            real += int(batch["valid"].sum())
            packed = theirs.on_device({name: batch[name] for name in ("image", "slot")})
            labels = theirs.on_device(clip_batches.for_torch(batch))
            loss = step(labels | {"image": packed["image"][packed["slot"]]})
        theirs.wait([loss])
        return Counts(real, steps * options.clips * options.frames)

    return side_by_side.measured(
        lambda: take(options.steps),
        options.repeats,
        steps=options.steps,
        warm_up=lambda: take(options.warm_up),
        facts=lambda: theirs.facts(setting),
    )


def _config(options: argparse.Namespace) -> "ConfigDict":
    from benchmarks import ours

    config = ours.make_config(clips=options.clips, frames=options.frames, dtype=options.dtype)
    config.data.directory = options.data
    config.data.cache = options.cache
    return config


if __name__ == "__main__":
    cli.run(main, process.prepare)
