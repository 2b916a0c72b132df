"""Turns a PyTorch checkpoint of HTT into a run that evaluate, predict and train take like ours."""

import argparse
import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from absl import logging

from htt_jax.data.records import RecordSource
from htt_jax.devices import process
from htt_jax.interop import imported
from htt_jax.interop.imported import Imported
from htt_jax.optimizer import adam, step_decay, with_moments
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import CHECKPOINTS, Run, start
from htt_jax.runs.opening import check_same_classes
from htt_jax.runs.state import TrainState, create_state
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import explained_writes, make_folder


def write_run(found: Imported, run: Run, workdir: pathlib.Path) -> int:
    """Writes the run's directory, whole or not at all; returns its checkpoint's step.

    Args:
        found: the file.
        run: it is taken as, see `imported.make_run`.
        workdir: must not exist yet, or be empty.

    Raises:
        InputError: there is something in `workdir`, or it cannot be written.
    """
    make_folder(workdir.parent)
    workdir = workdir.resolve()
    _check_new(workdir)
    state = _state(found, run)
    step = int(state.step)
    with (
        explained_writes(workdir),
        tempfile.TemporaryDirectory(dir=workdir.parent, prefix=f".{workdir.name}.") as folder,
    ):
        written = pathlib.Path(folder) / workdir.name
        with Checkpoints(
            written / CHECKPOINTS,
            keep=run.config.checkpoint.keep,
            best_metric=run.config.checkpoint.best_metric,
        ) as checkpoints:
            checkpoints.save(step, state)
        start(written, run)
        written.replace(workdir)
    return step


def _check_new(workdir: pathlib.Path) -> None:
    if workdir.exists() and (not workdir.is_dir() or any(workdir.iterdir())):
        raise InputError(
            f"{workdir} exists and is not an empty folder; name a new folder with --out"
        )


def _state(found: Imported, run: Run) -> TrainState:
    """The state of a run that has come as far as the file."""
    optimizer = adam(optax.constant_schedule(run.config.optimizer.learning_rate))
    state = create_state(jax.tree.map(jnp.asarray, found.variables), optimizer)
    if found.moments is None:
        return state
    step = _step(found, run)
    adam_state = optax.ScaleByAdamState(
        count=jnp.asarray(found.moments.steps, jnp.int32),
        mu=jax.tree.map(jnp.asarray, found.moments.mean),
        nu=jax.tree.map(jnp.asarray, found.moments.square),
    )
    return dataclasses.replace(
        state,
        step=jnp.asarray(step, jnp.int32),
        opt_state=with_moments(state.opt_state, adam_state, step),
    )


def _step(found: Imported, run: Run) -> int:
    """Where the run's schedule and data go on."""
    assert found.moments is not None
    before = found.exported_run
    if before and before.steps_per_epoch in (None, run.steps_per_epoch) and found.step is not None:
        return found.step
    if run.steps_per_epoch is None or found.file.epoch is None:
        return found.moments.steps
    return found.file.epoch * run.steps_per_epoch


def _summary(found: Imported, run: Run, step: int, out: pathlib.Path) -> str:
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
    parser.add_argument("file", metavar="FILE", help=".pth (needs torch) or .safetensors")
    parser.add_argument(
        "--out", required=True, type=pathlib.Path, help="folder of the run, new or empty"
    )
    parser.add_argument(
        "--data",
        help="prepared dataset the model was trained on: names its classes, and is needed to "
        "train on in the folder; if not given, the published classes are assumed",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options, rest = _parser().parse_known_args(argv)
    logging.set_verbosity(logging.ERROR)
    _check_new(options.out)  # rather now than after the work
    source = RecordSource(options.data, "train") if options.data else None
    found = imported.read(options.file)
    before = found.exported_run
    if source and before and not found.misfits(before.dataset):
        check_same_classes(before.dataset, source)
    config = cli.parse_config(rest, functools.partial(found.default_config, source))
    run = imported.make_run(found, config, source)
    step = write_run(found, run, options.out)
    print(_summary(found, run, step, options.out))


if __name__ == "__main__":
    cli.run(main, process.prepare)
