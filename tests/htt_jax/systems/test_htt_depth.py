"""HTT on whole depth maps, through the same loop."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import torch

from htt_jax.datasets.spec import H2O
from htt_jax.devices import sharding
from htt_jax.interop import agreement, formats, pytorch, torch_model
from htt_jax.interop.exporting import export, export_page
from htt_jax.interop.web.runtime import Runtime
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from htt_jax.training.loop import train
from tests import prepared, runs

pytestmark = pytest.mark.proof  # a whole training


def test_it_trains_on_maps_of_another_size_with_joints_in_the_depth_camera(tmp_path):
    spec = dataclasses.replace(H2O, depth=True)
    data = prepared.write_dataset(tmp_path / "data", spec, {"train": [4, 4], "test": [4]})
    options, size = {"data__camera": "depth", "data__spacing": 1}, (48, 36)
    runs.initialise_run(tmp_path / "start", data, size, **options)
    config = runs.tiny_config(data, size)
    config.update_from_flattened_dict(
        {name.replace("__", "."): value for name, value in options.items()}
        | {"init.checkpoint": str(tmp_path / "start")}
    )
    results = train(config, tmp_path / "run")
    assert all(np.isfinite(hand["camera_space"]["mepe"]) for hand in results["pose"].values())
    run = open_run(tmp_path / "run", None, sharding.single_device_mesh())
    assert run.dataset.image_size == (48, 36)
    assert run.variables["params"]["backbone"]["conv1"]["kernel"].shape[2] == 1
    assert (
        max(export(str(tmp_path / "run"), "stablehlo", tmp_path / "htt.stablehlo").values()) < 1e-3
    )
    told = json.loads((tmp_path / "htt.stablehlo.json").read_text())
    assert told["inputs"]["image"]["shape"] == ["clips", "2*windows", 36, 48, 1]
    assert told["inputs"]["image"]["unit"] == "minimum(millimetres, 1500) / 1500 - 0.5"
    with pytest.raises(InputError, match="sees depth maps, and the published layout is of a model"):
        export(str(tmp_path / "run"), "pytorch", tmp_path / "htt.pth")
    with pytest.raises(InputError, match="takes depth maps, which no browser's video or camera"):
        export_page(str(tmp_path / "run"), tmp_path / "htt.html", Runtime(b"", b""))
    assert not list(tmp_path.glob("*htt.html*"))

    twin = torch_model.build(run.model, torch_tensors(run.variables))
    inputs = agreement.noise(run.signature)
    with torch.no_grad():
        found = twin(*map(torch.tensor, inputs.values()))
    for name, x in formats.apply(run, run.variables, inputs).items():
        np.testing.assert_allclose(found[name], x, rtol=1e-4, atol=1e-5, err_msg=name)


def torch_tensors(variables):
    found = pytorch.to_state_dict(jax.device_get(variables))
    return {name: torch.tensor(x) for name, x in found.items()}
