"""Runs in memory, with random weights, for the tests of what takes frames one at a time."""

import dataclasses
from fractions import Fraction

import jax
import numpy as np
import optax

from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import CHECKPOINTS, Run, start
from htt_jax.runs.opening import TrainedRun
from htt_jax.runs.state import create_state
from htt_jax.visual.video import VideoWriter
from tests import prepared, runs

SIZE = (64, 36)  # of the frames
MODEL = (48, 27)
INTRINSICS = np.array([[60.0, 0, 33], [0, 61, 17], [0, 0, 1]])


def make_run(camera="color", **options):
    """As `runs.initialise_run` makes it; `options` of the model."""
    config = runs.tiny_config("", MODEL)
    config.data.camera = camera
    config.model.update(options)
    dataset = DatasetFacts(FPHA, tuple(prepared.ACTIONS), tuple(prepared.OBJECTS), MODEL, None)
    system = systems.make(config, dataset)
    variables = runs.random_variables(system, sharding.single_device_mesh(), 0)
    return TrainedRun("runs/tiny", Run(config, dataset), system, variables, 7)


def make_forecasting_run():
    """Of a model that looks two frames ahead and does not expect the last pose.

    It tells the object's box, too.
    """
    run = make_run(forecast=2, object_box=True)
    params = dict(run.variables["params"])
    head = dict(params["forecaster"])
    kernel = head["pose_change"]["kernel"]
    placed, shape = kernel.sharding, kernel.shape
    kernel = np.random.default_rng(0).normal(0, 0.1, shape).astype(np.float32)
    head["pose_change"] = head["pose_change"] | {"kernel": jax.device_put(kernel, placed)}
    variables = run.variables | {"params": params | {"forecaster": head}}
    return dataclasses.replace(run, variables=variables)


def save_run(workdir, run):
    """Writes the directory of such a run."""
    start(workdir, run.description)
    state = create_state(run.variables, optax.identity())
    with Checkpoints(workdir / CHECKPOINTS, keep=1, best_metric="mepe") as checkpoints:
        checkpoints.save(run.step, state)


def make_frames(count):
    """Random frames of another brightness each."""
    rng = np.random.default_rng(count)
    brightness = rng.integers(40, 255, (count, 1, 1, 3))
    return rng.integers(0, brightness, (count, SIZE[1], SIZE[0], 3)).astype(np.uint8)


def write_video(path, frames, rate=30):
    """As H.264, which changes the pixels a little."""
    with VideoWriter(path, SIZE, Fraction(rate)) as video:
        for frame in frames:
            video.write(frame)
