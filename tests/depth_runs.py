"""Runs of the depth systems in memory, with random weights, and maps for them."""

import dataclasses

import av
import numpy as np

from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.runs.config import open_source
from htt_jax.runs.directory import Run, dataset_facts
from htt_jax.runs.opening import TrainedRun
from htt_jax.runs.options import get_config
from tests import arms, online_runs, prepared, runs

FPHA_DEPTH = dataclasses.replace(FPHA, depth=True)
FRAMES = 4  # of a clip
TINY = {
    "model.width": 4,
    "model.blocks": 1,
    "model.hidden": 8,
    "model.components": 6,
    "model.action_width": 8,
    "model.window": 1,
    "crops.size": 16,
    "crops.protocol": "honest",
    "data.camera": "depth",
    "data.frames": FRAMES,
    "data.spacing": 1,
    "told.at_test": "predicted",
    "eval.batch_size": 2,
}


def make_system(form, spec=FPHA_DEPTH, **options):
    """A system of a form, its config and dataset; options as `model__attention=True`."""
    config = get_config("depth")
    frames = {"data.frames": 1} if form == "pose" else {}
    given = {name.replace("__", "."): value for name, value in options.items()}
    config.update_from_flattened_dict({**TINY, "model.form": form, **frames, **given})
    names = tuple(prepared.ACTIONS), tuple(prepared.OBJECTS)
    dataset = DatasetFacts(spec, *names, prepared.DEPTH_SIZE, None)
    return systems.make(config, dataset), config, dataset


def make_run(form, spec=FPHA_DEPTH, **options):
    """A run of a form; options as `model__attention=True`."""
    system, config, dataset = make_system(form, spec, **options)
    variables = runs.random_variables(system, sharding.single_device_mesh(), 0)
    return TrainedRun(f"runs/{form}", Run(config, dataset), system, variables, 7)


def initialise_run(workdir, config):
    """Writes a run of a config: random weights, as if saved after 7 steps."""
    dataset = dataset_facts(open_source(config, "train"), None)
    system = systems.make(config, dataset)
    variables = runs.random_variables(system, sharding.single_device_mesh(), config.seed)
    run = TrainedRun(str(workdir), Run(config, dataset), system, variables, 7)
    online_runs.save_run(workdir, run)
    return workdir


def make_maps(count):
    """(frames, height, width): a hand goes from left to right; frame 3, if there, is empty."""
    places = np.linspace(-0.1, 0.1, count)
    maps = np.stack([arms.depth_map((x, 0.02, 0.4)) for x in places])
    maps[3:4] = 0
    return maps


def write_video(path, maps, rate=30):
    """As FFV1, which loses nothing."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("ffv1", rate=rate)
        stream.height, stream.width = maps.shape[1:]
        stream.pix_fmt = "gray16le"
        for depth in maps:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(depth, format="gray16le")))
        container.mux(stream.encode())
    return path
