"""Turns a PyTorch checkpoint of HTT into a run that evaluate, predict and train take like ours."""

import argparse
import dataclasses
from collections.abc import Sequence

import jax
import jax.numpy as jnp
import optax
from absl import logging
from etils import epath

from htt_jax import cli, optim, rundir
from htt_jax.checkpoint import Checkpoints
from htt_jax.data.records import RecordSource
from htt_jax.errors import InputError
from htt_jax.interop import imported
from htt_jax.interop.imported import Imported
from htt_jax.rundir import Run
from htt_jax.train_step import TrainState, create_state


def write_run(found: Imported, run: Run, workdir: epath.PathLike) -> int:
    """Writes the run's directory, whole or not at all; returns its checkpoint's step.

    Args:
        found: the file.
        run: it is taken as, see `imported.make_run`.
        workdir: must not exist yet, or be empty.

    Raises:
        InputError: there is something in `workdir`, or it cannot be written.
    """
    out = epath.Path(workdir)
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise InputError(f"{out} exists and is not an empty folder; name a new folder with --out")
    state = _state(found, run)
    step = int(state.step)
    temporary = out.parent / f".{out.name}.tmp"
    if temporary.exists():
        temporary.rmtree()
    temporary.mkdir(parents=True)
    with Checkpoints(
        temporary / rundir.CHECKPOINTS,
        keep=run.config.checkpoint.keep,
        best_metric=run.config.checkpoint.best_metric,
    ) as checkpoints:
        checkpoints.save(step, state)
    rundir.start(temporary, run)
    if out.exists():
        out.rmdir()
    temporary.rename(out)
    return step


def _state(found: Imported, run: Run) -> TrainState:
    """The state of a run that has come as far as the file."""
    optimizer = optim.adam(optax.constant_schedule(run.config.optimizer.learning_rate))
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
        opt_state=optim.with_moments(state.opt_state, adam_state, step),
    )


def _step(found: Imported, run: Run) -> int:
    """Where the run's schedule and data go on."""
    assert found.moments is not None
    if found.step is not None:
        return found.step
    if run.steps_per_epoch is None or found.file.epoch is None:
        return found.moments.steps
    return found.file.epoch * run.steps_per_epoch


def _summary(found: Imported, run: Run, step: int, out: str) -> str:
    sizes = found.sizes
    lines = [
        f"{sizes['num_joints']} joints, {sizes['num_actions']} actions, {sizes['num_objects']} "
        f"objects; {sizes['pose_layers']} + {sizes['action_layers']} encoder layers of width "
        f"{sizes['width']}: {run.dataset.spec.title}",
        f"not in the file, so taken from the config: {run.config.model.heads} heads, windows of "
        f"{run.config.model.window}, clips of {run.config.data.frames} frames at spacing "
        f"{run.config.data.spacing}",
    ]
    if found.moments is None:
        lines.append(f"training would begin at step 0 with fresh moments: {found.note}")
    else:
        lines.append(
            f"training would go on behind epoch {found.file.epoch}, step {step}, with Adam's "
            f"moments of {found.moments.steps} steps"
        )
    if run.dataset.fingerprint is None:
        lines.append("to train on in this folder, name the prepared dataset with --data as well")
    lines.append(f"written: {out}; next: python -m htt_jax.evaluate --workdir={out}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m htt_jax.from_pytorch",
        description="Turns a PyTorch checkpoint of HTT, published or your own, into a run that\n"
        "evaluate, predict, export and train take like one of ours. Joints, classes and layers\n"
        "are read off the shapes; heads, window, clips and the rest are the paper's, or set like\n"
        "this: --config.model.heads=4, or in a file: --config=FILE. No code in it is run.",
        epilog="example:\n  python -m htt_jax.from_pytorch published.pth --out runs/published "
        "--data data/fpha",
        formatter_class=cli.HelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("file", metavar="FILE", help=".pth (needs torch) or .safetensors")
    parser.add_argument("--out", required=True, help="folder of the run, new or empty")
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
    source = RecordSource(options.data, "train") if options.data else None
    found = imported.read(options.file)
    run = imported.make_run(found, cli.parse_config(rest, found.default_config), source)
    step = write_run(found, run, options.out)
    print(_summary(found, run, step, options.out))


if __name__ == "__main__":
    cli.run(main)
