"""Opens whatever was trained: a run's directory, or a file exported from one or from PyTorch."""

import json

import jax
import optax
from etils import epath
from jax.sharding import Mesh

from htt_jax import optimizer as optim
from htt_jax import systems
from htt_jax.devices import sharding
from htt_jax.interop import adam, imported, onnx_model, stablehlo
from htt_jax.models.signature import Signature
from htt_jax.runs.directory import Run, exported_facts, from_json
from htt_jax.runs.opening import TrainedRun, open_checkpoints, open_run
from htt_jax.runs.state import abstract_state
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.systems import System


def open_any(path: epath.PathLike, step: int | None, mesh: Mesh) -> TrainedRun:
    """The model of a run's directory, or of a file that was exported from one or from PyTorch.

    Args:
        path: a run's directory, `.pth`, `.safetensors`, `.stablehlo` or `.onnx`.
        step: of the checkpoint; None for the best one. A file holds just one.
        mesh: where the variables are to lie.

    Raises:
        InputError: there is no such thing, or it cannot be read.
    """
    if not str(path):  # which is the folder one is in, as a path
        raise InputError("no run is named; name a run's folder or a file of weights")
    if place(path).is_dir():
        return open_run(path, step, mesh)
    if not place(path).exists():
        raise InputError(f"no such run or file: {path}; name a run's folder or a file of weights")
    if step is not None:
        raise InputError(f"{path} holds one checkpoint; leave step {step} away")
    if place(path).suffix == stablehlo.SUFFIX:
        return _open_program(place(path), mesh)
    if place(path).suffix == onnx_model.SUFFIX:
        return _open_onnx(place(path))
    found = imported.read(str(path))
    run = imported.make_run(found, found.default_config(), None)
    return TrainedRun(
        str(path),
        run,
        systems.make(run.config, run.dataset),
        jax.device_put(found.variables, sharding.replicated(mesh)),
        found.step or (found.moments.steps if found.moments else 0),
    )


def read_moments(run: TrainedRun) -> adam.Moments | None:
    """Adam's moments of the checkpoint that `run` was opened with; None: of another optimizer.

    Raises:
        InputError: the checkpoint cannot be read.
    """
    if run.config.training.optimizer != "adam":
        return None
    optimizer = run.system.optimizer(optax.constant_schedule(0.0))
    mesh = jax.tree.leaves(run.variables)[0].sharding.mesh
    abstract = abstract_state(run.system, optimizer, mesh)
    with open_checkpoints(run.workdir, run.description) as checkpoints:
        state = checkpoints.restore_state(abstract, run.step)
    found = jax.device_get(optim.moments(state.opt_state, state.params))
    return adam.Moments(int(found.count), _learning_rate(run), found.mu, found.nu)


def _learning_rate(run: TrainedRun) -> float:
    """Of the step after the checkpoint's; the first one's where epochs cannot be told."""
    steps = run.description.steps_per_epoch
    if steps is None:
        return run.config.optimizer.learning_rate
    return float(optim.step_decay(**run.config.optimizer, steps_per_epoch=steps)(run.step))


def _open_onnx(path: epath.Path) -> TrainedRun:
    """What ONNX Runtime computes; weights are in the program, so that there are no variables."""

    def described(facts: str) -> tuple[Run, System]:
        run = from_json(facts, f"what {path} tells of its run")
        return run, systems.make(run.config, run.dataset)

    def signature(facts: str) -> Signature:
        run, system = described(facts)
        return system.signature(run.dataset)

    program, facts = onnx_model.read(path, signature)
    run, system = described(facts)
    step = exported_facts(facts, str(path)).step
    return TrainedRun(str(path), run, system.with_model(program), {}, step or 0)


def _open_program(path: epath.Path, mesh: Mesh) -> TrainedRun:
    program = stablehlo.read(path)
    text = json.dumps(program.facts)
    run = from_json(text, str(path))
    variables = jax.device_put(program.variables, sharding.replicated(mesh))
    step = exported_facts(text, str(path)).step
    system = systems.make(run.config, run.dataset).with_model(program)
    return TrainedRun(str(path), run, system, variables, step or 0)
