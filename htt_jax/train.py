r"""Trains HTT: python -m htt_jax.train --config=configs/fpha.py --workdir=runs/fpha

The same command continues an interrupted run. Any option of the config can be overridden:
--config.optimizer.learning_rate=1e-4. On several hosts, start it on each of them with
--coordinator_address (auto on Cloud TPU and Slurm).
"""

import contextlib
import functools
import itertools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import jax.numpy as jnp
import optax
from absl import app, flags, logging
from etils import epath
from jax.sharding import Mesh
from ml_collections import ConfigDict, config_flags

from htt_jax import augment
from htt_jax.data import loader
from htt_jax.data.records import RecordSource
from htt_jax.devices import compilation, sharding
from htt_jax.devices.compilation import CompiledAhead
from htt_jax.evaluation import results as evaluation
from htt_jax.models.htt import HTT
from htt_jax.runs import checkpoint, version
from htt_jax.runs.config import (
    AUTO,
    augment_options,
    check,
    clip_options,
    fast_dtype,
    load_options,
    loss_weights,
    make_model,
)
from htt_jax.runs.directory import (
    CHECKPOINTS,
    DatasetFacts,
    Run,
    dataset_facts,
    exists,
    read,
    start,
)
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.training import initialise, overview, warm_start
from htt_jax.training import step as train_step
from htt_jax.training.input import train_batches, with_slots
from htt_jax.training.logs import MetricLog
from htt_jax.training.monitor import Monitor
from htt_jax.training.optimizer import adam, step_decay
from htt_jax.training.preemption import StopRequest
from htt_jax.training.profile import Profile

Update: TypeAlias = Callable[
    [train_step.TrainState, Mapping[str, jax.Array]],
    tuple[train_step.TrainState, train_step.Metrics],
]

_CONFIG = config_flags.DEFINE_config_file("config", None, "The run's config file.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Where the run's files go; all processes see it.")
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "host:port of process 0, or auto; only for several processes."
)
_NUM_PROCESSES = flags.DEFINE_integer("num_processes", None, "Processes; not needed with auto.")
_PROCESS_ID = flags.DEFINE_integer("process_id", None, "This one's number; not needed with auto.")


def train(config: ConfigDict, workdir: epath.PathLike) -> evaluation.Results:
    """Trains to the end of `config.epochs`, from the newest checkpoint if there is one.

    Returns:
        The results of the evaluation after the last step.

    Raises:
        InputError: config, dataset or checkpoint do not fit, or a loss is not finite.
        SystemExit: a signal asked to stop; the state is saved.
    """
    # Input
    check(config)
    _settle_dtype(config, workdir)
    source = RecordSource(config.data.directory, "train")
    steps_per_epoch = loader.steps_per_epoch(
        source, **clip_options(config), batch_size=config.batch_size
    )
    last_step = config.epochs * steps_per_epoch

    # Model
    dataset = dataset_facts(source, config.data.image_size)
    model = make_model(config, dataset)
    schedule = step_decay(steps_per_epoch=steps_per_epoch, **config.optimizer)
    optimizer = adam(schedule)

    # Devices
    mesh = sharding.make_mesh(config.mesh.fsdp)
    abstract = initialise.abstract_state(model, optimizer, mesh)
    update = make_update(config, model, optimizer, schedule, abstract)
    evaluate = _make_evaluate(config, model, mesh, dataset)

    described = Run(config, dataset, steps_per_epoch, trained_by=version.describe())
    start(workdir, described)
    with contextlib.ExitStack() as stack:
        # Restore, or start
        checkpoints = stack.enter_context(_open_checkpoints(config, workdir))
        state = checkpoints.restore_newest(abstract)
        first_step = 0 if state is None else int(state.step)
        steps = last_step - first_step
        if state is not None and steps <= 0:
            return evaluate(state)
        pretrained = _pretrained(config, model, abstract) if state is None else None
        batches, slots = train_batches(config, source, mesh, first_step, steps)
        first = next(batches)
        shapes = {n: (abstract, with_slots(first.arrays, n)) for n in slots}
        programs = stack.enter_context(CompiledAhead(update, shapes))
        if state is None:
            state = _start(config, model, optimizer, abstract, pretrained, first)
        overview.announce(workdir, state.variables)

        # Loop
        stop = stack.enter_context(StopRequest())
        is_main = jax.process_index() == 0
        log = stack.enter_context(MetricLog(workdir, first_step)) if is_main else None
        monitor = stack.enter_context(
            Monitor(log, source, first_step, last_step, steps_per_epoch, config.log.every_steps)
        )
        profile = stack.enter_context(Profile(workdir, monitor.drain, **config.profile))
        batches = itertools.chain([first], batches)
        del first  # it would otherwise stay on the devices to the end
        results = None
        for step in range(first_step + 1, last_step + 1):
            with profile.step(step):
                asked = time.perf_counter()
                batch = next(batches)
                waited = time.perf_counter() - asked
                state, metrics = programs[len(batch.arrays["image"])](state, batch.arrays)
                monitor.started(step, metrics, batch, waited)

            evaluating = _is_due(step, config.eval.every_epochs * steps_per_epoch, last_step)
            stopping = stop.at(step)
            if evaluating or stopping or step % config.checkpoint.every_steps == 0:
                monitor.drain()  # a state whose loss is not finite is never saved
                results = (
                    monitor.evaluation(step, functools.partial(evaluate, state))
                    if evaluating
                    else None
                )
                checkpoints.save(step, state, evaluation.headline(results) if results else None)
            if stopping:
                logging.warning("stopped after step %d; the same command continues", step)
                raise SystemExit(stop.exit_status)
        assert results is not None  # the last step is evaluated
        return results


def _settle_dtype(config: ConfigDict, workdir: epath.PathLike) -> None:
    """Puts on record what "auto" is, as other devices have another one; a run keeps its own."""
    if config.model.dtype == AUTO:
        there = read(workdir) if exists(workdir) else None
        config.model.dtype = there.config.model.dtype if there else fast_dtype()


def make_update(
    config: ConfigDict,
    model: HTT,
    optimizer: optax.GradientTransformation,
    schedule: optax.Schedule,
    abstract: train_step.TrainState,
) -> Update:
    """The jitted step: augmentation, gradients, optimizer; the state given to it is used up."""
    options = augment_options(config)
    weights = loss_weights(config)

    def update(
        state: train_step.TrainState, batch: Mapping[str, jax.Array]
    ) -> tuple[train_step.TrainState, train_step.Metrics]:
        if not config.mask_unannotated_hands:
            batch = {**batch, "hand_annotated": jnp.ones_like(batch["hand_annotated"])}
        if options:
            key = jax.random.fold_in(jax.random.key(config.seed), state.step)
            inputs = augment.augment(key, batch, options)
        else:
            inputs = augment.to_inputs(batch)
        next_state, metrics = train_step.update(model, optimizer, weights, state, inputs)
        return next_state, metrics | {
            "learning_rate": schedule(state.step),
            "real_frames": batch["valid"].sum(),
            "real_frame_share": batch["valid"].sum() / len(batch["image"]),
        }

    shardings = jax.tree.map(lambda x: x.sharding, abstract)
    return jax.jit(
        update,
        out_shardings=(shardings, None),
        donate_argnums=0,
        compiler_options=compilation.options(),
    )


def _make_evaluate(
    config: ConfigDict, model: HTT, mesh: Mesh, dataset: DatasetFacts
) -> Callable[[train_step.TrainState], evaluation.Results]:
    source = RecordSource(config.data.directory, config.eval.split)
    if config.checkpoint.best_metric == "action_accuracy":
        _check_actions_known(source)
    step = evaluation.make_evaluation_step(model, mesh)

    def evaluate(state: train_step.TrainState) -> evaluation.Results:
        batches = loader.eval_batches(
            source, **load_options(config), batch_size=config.eval.batch_size
        )
        return evaluation.evaluate(
            step,
            state.variables,
            sharding.to_devices(mesh, batches),
            dataset,
            mask_unannotated=config.mask_unannotated_hands,
        )

    return evaluate


def _check_actions_known(source: RecordSource) -> None:
    if all(source[video].action < 0 for video in range(len(source))):
        raise InputError(
            f"the actions of split {source.split!r} are hidden, so no checkpoint is the best by "
            "action_accuracy; take --config.checkpoint.best_metric=mepe or another "
            "--config.eval.split"
        )


def _start(
    config: ConfigDict,
    model: HTT,
    optimizer: optax.GradientTransformation,
    abstract: train_step.TrainState,
    pretrained: dict[str, Any] | None,
    first: sharding.DeviceBatch,
) -> train_step.TrainState:
    """The state before the first step, born sharded."""
    state = initialise.random_state(model, optimizer, config.seed, abstract)
    if pretrained:
        return initialise.with_variables(state, pretrained)
    print("random weights, batch-norm statistics of the first batch", file=sys.stderr)
    return initialise.with_measured_statistics(model, state, first.arrays)


def _pretrained(
    config: ConfigDict, model: HTT, abstract: train_step.TrainState
) -> dict[str, Any] | None:
    """The variables that do not start random: of the whole model, of its backbone, or none."""
    if config.init.checkpoint:
        mesh = jax.tree.leaves(abstract)[0].sharding.mesh
        path = config.init.checkpoint
        return warm_start.pretrained_model(path, model, abstract.variables, mesh)
    if config.init.backbone:
        backbone = initialise.pretrained_backbone(config.init.backbone, model)
        return {name: {"backbone": tree} for name, tree in backbone.items()}
    return None


def _open_checkpoints(config: ConfigDict, workdir: epath.PathLike) -> checkpoint.Checkpoints:
    return checkpoint.Checkpoints(
        epath.Path(workdir) / CHECKPOINTS,
        keep=config.checkpoint.keep,
        best_metric=config.checkpoint.best_metric,
    )


def _is_due(step: int, every: int, last_step: int) -> bool:
    return step % every == 0 or step == last_step


def parse_flags(argv: Sequence[str]) -> list[str]:
    """Sets all flags from `argv`; returns what is none, the program's name first.

    Raises:
        InputError: a flag is unknown, missing or wrong, or the config file cannot be loaded.
    """
    with cli.explained_flags():
        rest = flags.FLAGS(argv)
        _CONFIG.value.lock()  # a file that could not be loaded says so only when it is used
    return rest


def main(argv: Sequence[str]) -> None:
    """Joins the other processes, trains, prints the results."""
    if len(argv) > 1:
        raise InputError(f"unexpected argument {argv[1]!r}; options are --config.NAME=VALUE")
    if not flags.FLAGS["verbosity"].present:
        logging.set_verbosity(logging.WARNING)  # Orbax reports every file it writes
    if _COORDINATOR.value == "auto":
        jax.distributed.initialize()
    elif _COORDINATOR.value:
        if None in (_NUM_PROCESSES.value, _PROCESS_ID.value):
            raise InputError("--coordinator_address also needs --num_processes and --process_id")
        jax.distributed.initialize(_COORDINATOR.value, _NUM_PROCESSES.value, _PROCESS_ID.value)
    results = train(_CONFIG.value, _WORKDIR.value)
    if jax.process_index() == 0:
        for name, value in evaluation.headline(results).items():
            print(f"{name:>16} {value:.4f}")


if __name__ == "__main__":
    flags.mark_flags_as_required(["config", "workdir"])
    cli.run(lambda: app.run(main, flags_parser=parse_flags))
