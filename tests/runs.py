"""Small runs, for the tests of the commands that come after training."""

import optax

from configs import default
from htt_jax import configuration, initialise, rundir, sharding, train
from htt_jax.checkpoint import Checkpoints
from htt_jax.data.records import RecordSource


def tiny_config(directory, image_size=None):
    """Two windows of two frames a clip, every second frame: a clip pair covers eight frames."""
    config = default.get_config()
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


def train_run(workdir, directory):
    """Trains on a prepared dataset; returns the results of the evaluation at the end."""
    return train.train(tiny_config(directory), str(workdir))


def initialise_run(workdir, directory, image_size=None, step=7):
    """A run of random weights, as if saved after `step` steps."""
    config = tiny_config(directory, image_size)
    dataset = rundir.dataset_facts(RecordSource(directory, "train"), image_size)
    rundir.start(workdir, rundir.Run(config, dataset))
    model = configuration.make_model(config, dataset)
    abstract = initialise.abstract_state(model, optax.identity(), sharding.make_mesh(1))
    state = initialise.random_state(model, optax.identity(), 0, abstract)
    with Checkpoints(workdir / rundir.CHECKPOINTS, keep=1, best_metric="mepe") as checkpoints:
        checkpoints.save(step, state)
