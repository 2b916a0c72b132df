"""Models with other backbones than the paper's, out of PyTorch files and into all formats."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

import htt_jax
from htt_jax import from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import imported, pytorch
from htt_jax.interop.exporting import export
from htt_jax.interop.onnx_model import OnnxHTT
from htt_jax.models import backbones
from htt_jax.models.htt import HTT
from htt_jax.support.errors import InputError
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training import initialise, warm_start
from tests import prepared, torch_files
from tests.timm_backbones import EfficientNetLite0

V4, LITE = backbones.MOBILE
WIDTH = 5  # of nobody else, as shapes of models are kept by their sizes


@pytest.fixture(scope="module")
def short():
    """A backbone that is one entry in the table: a few blocks, of each kind and at each stride."""
    of_lite, of_v4 = (backbones.MOBILE[name].architecture for name in (LITE, V4))

    def architecture(part):
        lite = of_lite(part)
        stem, *blocks, head = lite.blocks
        chosen = [b for b in blocks if b.name in ("blocks.0.0", "blocks.1.0", "blocks.2.0")]
        last = [b for b in of_v4(part).blocks if b.name in ("blocks.3.0", "blocks.3.1")]
        halved = dataclasses.replace(last[1].convs[2], stride=2)
        last[1] = dataclasses.replace(
            last[1], convs=(*last[1].convs[:2], halved, last[1].convs[3]), shortcut=False
        )
        return dataclasses.replace(lite, blocks=(stem, *chosen, *last, head))

    with pytest.MonkeyPatch.context() as patch:
        kind = dataclasses.replace(backbones.MOBILE[LITE], architecture=architecture)
        patch.setitem(backbones.MOBILE, LITE, kind)
        yield LITE


@pytest.fixture(scope="module")
def folder(short, tmp_path_factory):
    """A checkpoint that was trained for a few steps, and the run that it becomes."""
    root = tmp_path_factory.mktemp("short")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8], "test": [8]}, (64, 36))
    torch_files.save_trained(root / "htt.pth", backbone_name=short, backbone_width=WIDTH)
    options = (f"--out={root / 'run'}", f"--data={data}", *torch_files.OPTIONS)
    from_pytorch.main([str(root / "htt.pth"), *options])
    return root


def test_a_checkpoint_tells_its_backbone_and_comes_out_as_it_went_in(folder, short):
    found = imported.read(str(folder / "htt.pth"))
    assert (found.sizes["backbone_name"], found.sizes["backbone_width"]) == (short, WIDTH)
    assert found.sizes["width"] == torch_files.SIZES["width"]
    config = json.loads((folder / "run" / "run.json").read_text())["config"]
    assert config["model"]["backbone"] == short
    differences = export(str(folder / "run"), "pytorch", folder / "out.pth")  # run by PyTorch
    assert differences["joints_2d"] < 1e-2
    before, after = (torch.load(folder / x, weights_only=False) for x in ("htt.pth", "out.pth"))
    trained = {key.removeprefix("module."): x for key, x in before["state_dict"].items()}
    trained.pop("transformer_pe.pe")
    assert list(after["state_dict"]) == list(trained)
    for key, x in trained.items():
        if not key.endswith("num_batches_tracked"):
            np.testing.assert_array_equal(after["state_dict"][key], x, err_msg=key)
    moments = before["optimizer"]["state"]
    assert after["optimizer"]["state"].keys() == moments.keys()
    for number, kept in moments.items():
        found = after["optimizer"]["state"][number]["exp_avg_sq"]
        np.testing.assert_array_equal(found, kept["exp_avg_sq"])


@pytest.mark.parametrize("to", [pytest.param("onnx", marks=pytest.mark.proof), "stablehlo"])
def test_programs_compute_what_the_run_does(folder, to):
    assert export(str(folder / "run"), to, folder / f"out.{to}")["joints_3d"] < 1e-3
    if to == "onnx":  # whose parts are those of frames, windows and clips
        assert isinstance(htt_jax.load(folder / f"out.{to}").run.model, OnnxHTT)


@pytest.mark.parametrize("name", [V4, LITE])
def test_names_and_their_order_are_those_of_the_module_in_pytorch(name):
    module = torch_files.make(backbone_name=name, backbone_width=6)
    state_dict = {key: x.numpy() for key, x in module.state_dict().items()}
    found = pytorch.to_state_dict(pytorch.to_variables(state_dict))
    assert list(found) == list(state_dict)
    for key, x in state_dict.items():
        np.testing.assert_array_equal(found[key], x, err_msg=key)
    assert pytorch.model_sizes(state_dict)["backbone_name"] == name


def test_a_run_does_not_begin_with_a_model_of_another_backbone(folder, short):
    mesh, options = sharding.make_mesh(1), torch_files.SIZES
    with pytest.raises(InputError, match=f"model.backbone={short}, here it is resnet18; set"):
        warm_start.pretrained_model(str(folder / "htt.pth"), HTTSystem(HTT(**options)), {}, mesh)


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
    with pytest.raises(InputError, match=r"32 wide; .*wrongly shaped: blocks.0.0.bn2.bias"):
        pretrained(path, backbone_name=LITE, backbone_width=32)
    with pytest.raises(InputError, match=r"save model.safetensors of .*/timm/mobilenetv4_conv_sm"):
        pretrained("nowhere", backbone_name=V4)
