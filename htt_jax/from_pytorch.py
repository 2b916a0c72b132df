"""Turns a PyTorch checkpoint of HTT into a run that evaluate, predict and train take like ours."""

import argparse
import functools
from collections.abc import Sequence

from absl import logging
from etils import epath

from htt_jax.data.records import RecordSource
from htt_jax.devices import process, sharding
from htt_jax.interop import imported
from htt_jax.interop.imported import Imported
from htt_jax.interop.imported_run import check_new, write_run
from htt_jax.optimizer import step_decay
from htt_jax.runs.directory import Run
from htt_jax.runs.opening import check_same_classes
from htt_jax.support import cli


def _summary(found: Imported, run: Run, step: int, out: epath.Path) -> str:
    sizes = found.sizes
    lines = [
        f"{sizes['num_joints']} joints, {sizes['num_actions']} actions, {sizes['num_objects']} "
        f"objects; {sizes['pose_layers']} + {sizes['action_layers']} encoder layers of width "
        f"{sizes['width']}: {run.dataset.spec.title}",
        f"no tensor tells, so by the config: {run.config.model.heads} heads, windows of "
        f"{run.config.model.window}, clips of {run.config.data.frames} frames at spacing "
        f"{run.config.data.spacing}",
        _continuation(found, run, step),
    ]
    if run.dataset.fingerprint is None:
        lines.append("to train in this folder, import it again and name the dataset with --data")
    evaluate = f"python -m htt_jax.evaluate --workdir={out}"
    if run.dataset.fingerprint is None:
        evaluate += " --data=DATASET"
    lines.append(f"written: {out}; next: {evaluate}")
    return "\n".join(lines)


def _continuation(found: Imported, run: Run, step: int) -> str:
    """What training would do in the folder."""
    if found.moments is None:
        return f"training would begin at step 0 with fresh moments: {found.note}"
    text = f"training would go on with Adam's moments of {found.moments.steps} steps"
    if run.steps_per_epoch is None:
        return text
    schedule = step_decay(**run.config.optimizer, steps_per_epoch=run.steps_per_epoch)
    return (
        f"{text}, after step {step} ({step / run.steps_per_epoch:.3g} of {run.config.epochs} "
        f"epochs), at learning rate {float(schedule(step)):.3g} (in the file: "
        f"{found.moments.learning_rate:.3g})"
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.from_pytorch",
        description="Turns a PyTorch checkpoint of HTT, published or your own, into a run that\n"
        "evaluate, predict, export and train take like one of ours. No code in it is run.\n"
        "Joints, classes and layers are read off the shapes; heads, window, clips and\n"
        "the rest are the paper's, or set like this: --config.model.heads=4, or in a\n"
        "file: --config=FILE.",
        epilog="example:\n  python -m htt_jax.from_pytorch published.pth --out runs/published \\\n"
        "    --data data/fpha",
    )
    parser.add_argument("file", metavar="FILE", type=cli.location, help=".pth or .safetensors")
    parser.add_argument(
        "--out", required=True, type=cli.place, help="folder of the run, new or empty"
    )
    parser.add_argument(
        "--data",
        type=cli.location,
        help="prepared dataset the model was trained on: names its classes, and is needed to "
        "train on in the folder; if not given, the published classes are assumed",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options, rest = _parser().parse_known_args(argv)
    logging.set_verbosity(logging.ERROR)
    check_new(options.out)
    sharding.all_devices()
    source = RecordSource(options.data, "train") if options.data else None
    found = imported.read(options.file)
    before = found.exported_run
    if source and before and not found.misfits(before.dataset):
        check_same_classes(before.dataset, source)
    config = cli.parse_config(rest, functools.partial(found.default_config, source))
    run = imported.make_run(found, config, source)
    found = found.for_optimizer(run.config.training.optimizer)
    step = write_run(found, run, options.out)
    print(_summary(found, run, step, options.out))


if __name__ == "__main__":
    cli.run(main, process.prepare)
