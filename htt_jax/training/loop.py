"""The run, read top to bottom: input, model, devices, restore or start, loop."""

import contextlib
import functools
import itertools
from collections.abc import Callable, Iterator
from typing import TypeAlias

import jax
import optax
from absl import logging
from etils import epath
from jax.sharding import Mesh
from jaxtyping import PRNGKeyArray
from ml_collections import ConfigDict

from htt_jax import systems
from htt_jax.data import loader
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.devices import compilation, dtypes, hosts, sharding
from htt_jax.devices.compilation import CompiledAhead
from htt_jax.evaluation import results as evaluation
from htt_jax.optimizer import step_decay
from htt_jax.runs import checkpoint, version
from htt_jax.runs.config import (
    check,
    clip_spec,
    expand_paths,
    load_options,
    open_source,
)
from htt_jax.runs.directory import (
    CHECKPOINTS,
    Run,
    check_workdir,
    claimed,
    exists,
    read,
    start,
)
from htt_jax.runs.learned import facts_to_learn, learned_joints
from htt_jax.runs.options import former_options_of
from htt_jax.runs.state import TrainState, abstract_state
from htt_jax.support import trees
from htt_jax.support.files import explained_full_disk
from htt_jax.support.paths import place
from htt_jax.systems import Batch, System
from htt_jax.training import agreement, best_metric, logs, overview
from htt_jax.training import step as train_step
from htt_jax.training.answers import reader_of_answers
from htt_jax.training.beginning import first_state, starting_weights
from htt_jax.training.goodput import Goodput
from htt_jax.training.input import open_labelled, train_batches, with_slots
from htt_jax.training.logs import MetricLog
from htt_jax.training.monitor import Monitor, Span
from htt_jax.training.preemption import StopRequest
from htt_jax.training.profile import Profile
from htt_jax.training.teacher import no_longer_asked, open_teacher, taught_by, trained_on

Update: TypeAlias = Callable[
    [TrainState, Batch, PRNGKeyArray], tuple[TrainState, train_step.Metrics]
]


def train(config: ConfigDict, workdir: epath.PathLike) -> evaluation.Results:
    """Trains to the end of `config.epochs`, from the newest checkpoint if there is one.

    Returns:
        The results of the evaluation after the last step.

    Raises:
        InputError: config, dataset or checkpoint do not fit, a loss is not finite, another process
            trains in `workdir`, or it cannot be written to.
        SystemExit: a signal asked to stop; the state is saved.
    """
    goodput = Goodput()
    # Input
    labelled = _checked(config, workdir)
    dataset = facts_to_learn(config, labelled)
    source = trained_on(config, labelled)
    steps_per_epoch = loader.steps_per_epoch(source, clip_spec(config), config.batch_size)
    last_step = config.epochs * steps_per_epoch

    # System
    agreement.on_inputs(config, workdir, dataset, source, steps_per_epoch)
    system = systems.for_training(config, dataset, labelled, clip_spec(config))
    schedule = step_decay(steps_per_epoch=steps_per_epoch, **config.optimizer)
    optimizer = system.optimizer(schedule)

    # Devices
    mesh = sharding.make_mesh(config.mesh.fsdp)
    abstract = abstract_state(system, optimizer, mesh)
    update = make_update(system, schedule, mesh)
    key = random_key(config.seed, mesh)
    evaluate = _make_evaluate(config, system, mesh, dataset)

    # Before anything is written: this is the file that is missing where people begin.
    pretrained = starting_weights(config, workdir, system, dataset, abstract)
    former = no_longer_asked(config, workdir, last_step)
    teacher = None if former else open_teacher(config, labelled)
    teaching = taught_by(teacher.fingerprint if teacher else former, source)
    described = Run(config, dataset, steps_per_epoch, None, version.describe(), teaching)
    with contextlib.ExitStack() as stack:
        # Restore, or start
        stack.enter_context(explained_full_disk(workdir))
        stack.enter_context(claimed(workdir))
        start(workdir, described)
        checkpoints = stack.enter_context(_open_checkpoints(config, workdir))
        stack.enter_context(hosts.failures_told())
        state = checkpoints.restore_newest(abstract)
        span = Span(0 if state is None else int(state.step), last_step, steps_per_epoch)
        hosts.agree({"restored step": span.first})
        if state is not None and span.first >= span.last:
            return evaluate(state)
        if former:  # the last checkpoint was passed over
            teacher = open_teacher(config, labelled, former)
        steps, reader = span.last - span.first, system.reader
        if teacher is not None:
            reader = reader_of_answers(config, workdir, reader, teacher, source)
            del teacher  # its weights would otherwise stay on the devices
        batches, slots = train_batches(config, source, mesh, span.first, steps, reader)
        first = next(batches)
        shapes = {n: (abstract, with_slots(first.arrays, n), key) for n in slots}
        programs = stack.enter_context(CompiledAhead(update, shapes))
        if state is None:
            state = first_state(config, system, optimizer, abstract, pretrained, source, first)

        batches = itertools.chain([first], batches)
        del first  # it would otherwise stay on the devices to the end
        monitor = stack.enter_context(_monitored(config, workdir, source, span, goodput))
        kept = systems.frozen_parts(system)
        overview.announce(workdir, state.variables, frozen=kept, taken_over=pretrained)
        return _loop(
            config, workdir, span, state, key, batches, programs, monitor, evaluate, checkpoints
        )


@contextlib.contextmanager
def _monitored(
    config: ConfigDict,
    workdir: epath.PathLike,
    source: RecordSource,
    span: Span,
    goodput: Goodput,
) -> Iterator[Monitor]:
    """What tells of the steps of `span`; the first host writes it down."""
    is_main = jax.process_index() == 0
    with MetricLog(workdir, span.first) if is_main else contextlib.nullcontext() as log:
        goodput.go_on(logs.read(workdir))  # which now ends with the step that is gone on from
        with Monitor(log, source, span, config.log.every_steps, goodput) as monitor:
            yield monitor


def _loop(
    config: ConfigDict,
    workdir: epath.PathLike,
    span: Span,
    state: TrainState,
    key: PRNGKeyArray,
    batches: Iterator[sharding.DeviceBatch],
    programs: CompiledAhead[int],
    monitor: Monitor,
    evaluate: Callable[[TrainState], evaluation.Results],
    checkpoints: checkpoint.Checkpoints,
) -> evaluation.Results:
    """Takes the steps of `span`; nothing in it waits for the devices unless it saves."""
    results = None
    if not span.last:  # a run of no steps
        results = monitor.evaluation(0, functools.partial(evaluate, state))
        monitor.flush()
        checkpoints.save(0, state, evaluation.headline(results))
    with StopRequest() as stop, Profile(workdir, monitor.drain, **config.profile) as profile:
        for step in range(span.first + 1, span.last + 1):
            with profile.step(step):
                with monitor.waiting(step):
                    batch = next(batches)
                with monitor.compiling():
                    program = programs[len(batch.arrays["image"])]
                state, metrics = program(state, batch.arrays, key)
                monitor.started(step, metrics, batch)

            evaluating = _is_due(step, config.eval.every_epochs * span.per_epoch, span.last)
            stopping = stop.at(step)
            if evaluating or stopping or step % config.checkpoint.every_steps == 0:
                monitor.drain()  # a state whose loss is not finite is never saved
                results = (
                    monitor.evaluation(step, functools.partial(evaluate, state))
                    if evaluating
                    else None
                )
                monitor.flush()
                with monitor.saving():
                    checkpoints.save(step, state, results and evaluation.headline(results))
            if stopping:
                monitor.finish(step)
                logging.warning("stopped after step %d; the same command continues", step)
                raise SystemExit(stop.exit_status)
    monitor.finish(span.last)
    assert results is not None  # the last step is evaluated
    return results


def _checked(config: ConfigDict, workdir: epath.PathLike) -> RecordSource:
    """The training split, for a config that has been checked and settled."""
    expand_paths(config)
    check(config)
    check_workdir(workdir)
    _settle(config, workdir)
    source = open_labelled(config)
    config.eval.split = config.eval.split or source.spec.evaluation_split
    return source


def _settle(config: ConfigDict, workdir: epath.PathLike) -> None:
    """Puts on record what "auto" is, as other devices have another one; a run keeps its own.

    It also keeps options that were some when it was begun.
    """
    there = read(workdir).config if exists(workdir) else None
    if config.model.dtype == dtypes.AUTO:
        config.model.dtype = there.model.dtype if there else dtypes.fast_dtype()
    kept = trees.flatten(there.to_dict(), ".") if there else {}
    with config.unlocked():
        for option in former_options_of(config.system):
            if option.name in kept:
                config.update_from_flattened_dict({option.name: kept[option.name]})


@functools.lru_cache(maxsize=4)  # trainings that differ in data and seed alone share the program
def make_update(system: System, schedule: optax.Schedule, mesh: Mesh) -> Update:
    """The jitted step: augmentation, gradients, optimizer; the state given to it is used up.

    The key, of `random_key`, is an argument: the compiled program, when kept, serves every seed.
    """
    optimizer = system.optimizer(schedule)

    def update(
        state: TrainState, batch: Batch, key: PRNGKeyArray
    ) -> tuple[TrainState, train_step.Metrics]:
        inputs = system.training_inputs(jax.random.fold_in(key, state.step), batch)
        next_state, metrics = train_step.update(system, optimizer, state, inputs)
        return next_state, metrics | {
            "learning_rate": schedule(state.step),
            "real_frames": batch["valid"].sum(),
            "real_frame_share": batch["valid"].sum() / len(batch["image"]),
        }

    shardings = jax.tree.map(lambda x: x.sharding, abstract_state(system, optimizer, mesh))
    device = next(iter(shardings.step.device_set))
    return jax.jit(
        update,
        out_shardings=(shardings, None),
        donate_argnums=0,
        compiler_options=compilation.options(device.platform),
    )


def random_key(seed: int, mesh: Mesh) -> PRNGKeyArray:
    """What all steps of a run draw from, on every device."""
    return jax.jit(lambda: jax.random.key(seed), out_shardings=sharding.replicated(mesh))()


def _make_evaluate(
    config: ConfigDict, system: System, mesh: Mesh, dataset: DatasetFacts
) -> Callable[[TrainState], evaluation.Results]:
    source = open_source(config, config.eval.split)
    learned = learned_joints(config, dataset.spec)
    best_metric.check_measured(config.checkpoint.best_metric, source, learned)
    step = evaluation.make_evaluation_step(system, mesh, learned=learned)

    def evaluate(state: TrainState) -> evaluation.Results:
        batches = loader.eval_batches(
            source,
            **load_options(config),
            reader=system.reader,
            batch_size=config.eval.batch_size,
        )
        return evaluation.evaluate(
            step,
            state.variables,
            sharding.to_devices(mesh, batches),
            dataset,
            mask_unannotated=config.mask_unannotated_hands,
        )

    return evaluate


def _open_checkpoints(config: ConfigDict, workdir: epath.PathLike) -> checkpoint.Checkpoints:
    return checkpoint.Checkpoints(
        place(workdir) / CHECKPOINTS,
        keep=config.checkpoint.keep,
        best_metric=config.checkpoint.best_metric,
    )


def _is_due(step: int, every: int, last_step: int) -> bool:
    return step % every == 0 or step == last_step
