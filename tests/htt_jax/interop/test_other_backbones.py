"""Models with other backbones than the paper's, out of PyTorch files and into all formats."""

import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from htt_jax import from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.interop import imported
from htt_jax.interop.exporting import export
from htt_jax.models import backbones
from htt_jax.models.htt import HTT
from htt_jax.support.errors import InputError
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training import initialise
from tests import prepared, torch_files
from tests.timm_backbones import EfficientNetLite0

V4, LITE = backbones.MOBILE


@pytest.fixture(scope="module", params=[V4, LITE])
def folder(request, tmp_path_factory):
    """A checkpoint that was trained for a few steps, and the run that it becomes."""
    root = tmp_path_factory.mktemp(request.param)
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8], "test": [8]}, (64, 36))
    torch_files.save_trained(root / "htt.pth", backbone_name=request.param)
    options = (f"--out={root / 'run'}", f"--data={data}", *torch_files.OPTIONS)
    from_pytorch.main([str(root / "htt.pth"), *options])
    return root, request.param


def test_a_checkpoint_tells_its_backbone_and_comes_out_as_it_went_in(folder):
    root, name = folder
    found = imported.read(str(root / "htt.pth"))
    assert (found.sizes["backbone_name"], found.sizes["backbone_width"]) == (name, 4)
    assert found.sizes["width"] == torch_files.SIZES["width"]
    config = json.loads((root / "run" / "run.json").read_text())["config"]
    assert config["model"]["backbone"] == name
    differences = export(str(root / "run"), "pytorch", root / "out.pth")  # by PyTorch's own model
    assert differences["joints_2d"] < 1e-2
    before, after = (torch.load(root / x, weights_only=False) for x in ("htt.pth", "out.pth"))
    trained = {key.removeprefix("module."): x for key, x in before["state_dict"].items()}
    trained.pop("transformer_pe.pe")
    assert list(after["state_dict"]) == list(trained)
    for key, x in trained.items():
        np.testing.assert_array_equal(after["state_dict"][key], x, err_msg=key)
    moments = before["optimizer"]["state"]
    assert after["optimizer"]["state"].keys() == moments.keys()
    for number, kept in moments.items():
        np.testing.assert_array_equal(
            after["optimizer"]["state"][number]["exp_avg_sq"], kept["exp_avg_sq"]
        )


@pytest.mark.parametrize("to", ["onnx", "stablehlo"])
def test_programs_compute_what_the_run_does(folder, to):
    root, name = folder
    if (name, to) == (V4, "stablehlo"):
        pytest.skip("the same layers as the other's")
    assert export(str(root / "run"), to, root / f"out.{to}")["joints_3d"] < 1e-3


def pretrained(path, **options):
    return initialise.pretrained_backbone(str(path), HTTSystem(HTT(**options)))


def test_a_file_of_another_backbone_is_named_with_the_options_that_take_it(tmp_path):
    state_dict = {name: x.numpy() for name, x in EfficientNetLite0().state_dict().items()}
    save_file(state_dict, path := tmp_path / "lite.safetensors")
    hint = rf"--config.model.backbone={LITE} --config.init.backbone=FILE"
    with pytest.raises(InputError, match=rf"a ResNet-18 but an ImageNet {LITE}; .*{hint}"):
        pretrained(path)
    with pytest.raises(InputError, match=rf"{V4} but an ImageNet {LITE}; .*{hint}"):
        pretrained(path, backbone_name=V4)
    with pytest.raises(InputError, match=r"32 wide,; wrongly shaped: blocks.0.0.bn2.bias \(16,\)"):
        pretrained(path, backbone_name=LITE, backbone_width=32)
    with pytest.raises(InputError, match=r"save model.safetensors of .*/timm/mobilenetv4_conv_sm"):
        pretrained("nowhere", backbone_name=V4)
