"""HTT on whole depth maps, through the same loop."""

import dataclasses

import numpy as np

from htt_jax.datasets.spec import H2O
from htt_jax.devices import sharding
from htt_jax.runs.opening import open_run
from htt_jax.training.loop import train
from tests import prepared, train_runs


def test_it_trains_on_maps_of_another_size_with_joints_in_the_depth_camera(tmp_path):
    spec = dataclasses.replace(H2O, depth=True)
    data = prepared.write_dataset(tmp_path / "data", spec, {"train": [9, 8], "test": [5]})
    config = train_runs.tiny_config(data, data__camera="depth", data__image_size=(48, 36))
    results = train(config, tmp_path / "run")
    assert all(np.isfinite(hand["camera_space"]["mepe"]) for hand in results["pose"].values())
    run = open_run(tmp_path / "run", None, sharding.single_device_mesh())
    assert run.dataset.image_size == (48, 36)
    assert run.variables["params"]["backbone"]["conv1"]["kernel"].shape[2] == 1
