"""What does it save not to train parts of a model? Time and memory of a step of the paper's model.

Clips that are all full, with random pixels, lie on the device; nothing is loaded. Temporary memory
is what XLA plans for a step besides the state (parameters, statistics, Adam's moments) and batch.
With --record the figures are written to `benchmarks/results.json` too, and the table that
docs/train.md must have for them is printed.

    python -m benchmarks.frozen
    python -m benchmarks.frozen --frames 16 --repeats 3
    python -m benchmarks.frozen --record "two cores of an Intel Xeon server"
"""

import argparse
import datetime
from collections.abc import Mapping, Sequence

from benchmarks import clip_batches, figures, measure, ours
from htt_jax.devices import process
from htt_jax.runs import version
from htt_jax.support import cli

GROUP = "frozen"

_FROZEN = {"nothing": "", "backbone": "backbone", "both": "backbone,pose_block"}
"""`training.frozen`, by what figures are called."""
_FORMATS = {"seconds": ".1f", "temporary_gb": ".2f", "state_gb": ".2f"}

Step = dict[str, float]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(prog="python -m benchmarks.frozen", description=__doc__)
    parser.add_argument("--clips", type=int, default=2, help="of a step")
    parser.add_argument("--frames", type=int, default=32, help="T, of a clip")
    parser.add_argument("--repeats", type=int, default=5, help="steps, whose median counts")
    parser.add_argument("--dtype", help="of the computation; by default as in training")
    parser.add_argument(
        "--record", metavar="MACHINE", help="write results.json; what pages call it"
    )
    options = parser.parse_args(argv)
    found = {name: _measured(frozen, options) for name, frozen in _FROZEN.items()}
    lines = [
        f"{of['seconds']:6.2f} s a step, {of['temporary_gb']:5.2f} GB besides a state of "
        f"{of['state_gb']:.2f} GB: {_FROZEN[name] or 'nothing'} frozen"
        for name, of in found.items()
    ]
    told = measure.machine("jax")
    if options.record:
        _record(found, options, f"jax {told['versions']['jax']}")
        lines += ["", *_table()]
    told |= {"frames": options.clips * options.frames, "frozen": found}
    measure.report(GROUP, told, lines)


def _measured(frozen: str, options: argparse.Namespace) -> Step:
    config = ours.make_config(clips=options.clips, frames=options.frames, dtype=options.dtype)
    config.training.frozen = frozen
    clips = clip_batches.draw(
        "full",
        training=True,
        batches=1,
        clips=options.clips,
        frames=options.frames,
        image_size=clip_batches.STORED_SIZE,
    )
    trainer = ours.Trainer(config, ours.dataset_facts(clips.spec, clips.image_size))
    (arrays,) = ours.on_devices(trainer.mesh, clip_batches.packed(clips))
    trainer.compile(arrays, clips.slots)

    def step() -> None:
        trainer.step(arrays)
        trainer.wait()

    return {
        "seconds": measure.median_seconds(step, options.repeats),
        "temporary_gb": trainer.temporary_bytes / 1e9,
        "state_gb": trainer.state_bytes / 1e9,
    }


def _record(found: Mapping[str, Step], options: argparse.Namespace, software: str) -> None:
    config = ours.make_config(clips=options.clips, frames=options.frames, dtype=options.dtype)
    given = [
        f"--{name}={value}"
        for name in ("clips", "frames", "repeats", "dtype")
        if (value := getattr(options, name)) is not None
    ]
    results = figures.read(figures.RESULTS)
    results[GROUP] = {
        "command": " ".join(["python -m benchmarks.frozen", *given]),
        "machine": options.record,
        "software": f"{software}, {config.model.dtype}",
        "recorded": {
            "date": str(datetime.date.today()),
            "commit": version.commit() or "unknown",
        },
        "figures": {"clips": options.clips, "frames": options.frames}
        | {
            f"{name}_{what}": float(f"{of[what]:.4g}")
            for name, of in found.items()
            for what in _FORMATS
        },
    }
    figures.write(results)


def _table() -> list[str]:
    """Of docs/train.md, with the places of its figures, as `benchmarks.figures` fills it in."""
    columns = ["`training.frozen`", "s a step", "temporary memory, GB", "state, GB"]
    rows = [
        [f"`{frozen}`" if frozen else "nothing"]
        + [f"{{{GROUP}.{name}_{what}:{form}}}" for what, form in _FORMATS.items()]
        for name, frozen in _FROZEN.items()
    ]
    lines = [columns, ["---", "---:", "---:", "---:"], *rows]
    return ["<!-- fill:", *(f"| {' | '.join(line)} |" for line in lines), "-->", "<!-- end -->"]


if __name__ == "__main__":
    cli.run(main, process.prepare)
