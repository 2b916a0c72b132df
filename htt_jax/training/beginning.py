"""What a new run begins with: given weights, or random ones fitted to the first batch."""

import sys
from typing import Any

import jax
import optax
from etils import epath
from ml_collections import ConfigDict

from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.devices import sharding
from htt_jax.runs.directory import exists
from htt_jax.runs.state import TrainState, random_state
from htt_jax.systems import System
from htt_jax.training import frozen, initialise, warm_start
from htt_jax.training.parts import trained_parts


def starting_weights(
    config: ConfigDict,
    workdir: epath.PathLike,
    system: System,
    dataset: DatasetFacts,
    abstract: TrainState,
) -> dict[str, Any] | None:
    """What a new run does not start random with; of one that goes on, None.

    Raises:
        InputError: it cannot be read, or what is frozen is not among it.
    """
    is_new = not exists(workdir)
    pretrained = _pretrained(config, system, dataset, abstract) if is_new else None
    known = (pretrained or {}).get("params") if is_new else abstract.params
    frozen.check(systems.frozen_parts(system), abstract.params, known)
    return pretrained


def first_state(
    config: ConfigDict,
    system: System,
    optimizer: optax.GradientTransformation,
    abstract: TrainState,
    pretrained: dict[str, Any] | None,
    source: RecordSource,
    first: sharding.DeviceBatch,
) -> TrainState:
    """The state before the first step, born sharded."""
    known = initialise.placed(pretrained or system.measured(source), abstract)
    state = random_state(system, optimizer, config.seed, abstract, known)
    if pretrained:
        return state
    print("random weights, fitted to the first batch", file=sys.stderr)
    return initialise.fitted(system, state, first.arrays)


def _pretrained(
    config: ConfigDict, system: System, dataset: DatasetFacts, abstract: TrainState
) -> dict[str, Any] | None:
    """The variables that do not start random: of the whole model, of parts of it, or none."""
    mesh = jax.tree.leaves(abstract)[0].sharding.mesh
    if config.init.checkpoint:
        path = config.init.checkpoint
        return warm_start.pretrained_model(path, system, abstract.variables, mesh)
    if config.init.get("backbone"):  # an option of systems that have one
        backbone = initialise.pretrained_backbone(config.init.backbone, system)
        return {name: {"backbone": tree} for name, tree in backbone.items()}
    return trained_parts(config, system, dataset, abstract.variables, mesh) or None
