"""Small runs, for the tests of the commands that come after training."""

import functools

import jax
import numpy as np
import optax

from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.devices import sharding
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import (
    CHECKPOINTS,
    Run,
    dataset_facts,
    start,
)
from htt_jax.runs.options import get_config
from htt_jax.runs.state import abstract_state, create_state


def tiny_config(directory, image_size=None):
    """Two windows of two frames a clip, every second frame: a clip pair covers eight frames."""
    config = get_config()
    config.epochs = 1
    config.data.directory = str(directory)
    config.data.frames = 4
    config.data.spacing = 2
    config.data.image_size = image_size
    config.data.workers = 0
    config.model.window = 2
    config.model.width = 32  # the features of its backbone, as published
    config.model.heads = 2
    config.model.mlp_width = 32
    config.model.pose_layers = 1
    config.model.action_layers = 1
    config.model.backbone_width = 4
    config.init.backbone = ""
    config.augment.enabled = False
    config.batch_size = 2
    config.eval.batch_size = 4
    return config


def random_variables(system, mesh, seed):
    """Of the size that keeps activations in bounds; sooner made than compiled."""
    abstract = abstract_state(system, optax.identity(), mesh).variables
    rng = np.random.default_rng(seed)
    return jax.tree_util.tree_map_with_path(functools.partial(_random, rng), abstract)


def _random(rng, path, abstract):
    shape = abstract.shape
    if path[-1].key in ("scale", "var"):
        values = np.ones(shape)
    else:
        values = rng.normal(0, max(np.prod(shape[:-1]), 1) ** -0.5, shape)
    return jax.device_put(values.astype(abstract.dtype), abstract.sharding)


def initialise_run(workdir, directory, image_size=None, step=7, **options):
    """A run of random weights, as if saved after `step` steps; options as `model__window=1`."""
    config = tiny_config(directory, image_size)
    given = {name.replace("__", "."): value for name, value in options.items()}
    config.update_from_flattened_dict(given)
    dataset = dataset_facts(RecordSource(directory, "train"), image_size)
    start(workdir, Run(config, dataset))
    system = systems.make(config, dataset)
    variables = random_variables(system, sharding.make_mesh(1), config.seed)
    state = create_state(variables, optax.identity())
    with Checkpoints(workdir / CHECKPOINTS, keep=1, best_metric="mepe") as checkpoints:
        checkpoints.save(step, state)
