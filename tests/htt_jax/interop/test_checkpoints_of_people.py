"""Checkpoints of HTT and of ResNets as people save them, whole files."""

import argparse
import shlex

import jax
import numpy as np
import pytest
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file
from torch.optim.swa_utils import AveragedModel

from htt_jax.interop import contents, imported, pytorch, weights
from htt_jax.interop.names import backbone_entries
from htt_jax.support.errors import InputError
from tests import torch_files


@pytest.mark.parametrize("kind", ["bare", "checkpoint", "legacy", "safetensors"])
def test_wrappers_are_taken_off_whatever_the_file(tmp_path, kind):
    path = tmp_path / "a"
    model = torch_files.make()
    wrapped = torch.nn.ModuleDict({"model": AveragedModel(torch.nn.DataParallel(model))})
    tensors = wrapped.state_dict()
    assert next(iter(tensors)) == "model.n_averaged"
    if kind == "safetensors":
        save_torch_file(tensors, path)
    else:
        content = {"state_dict": tensors} if kind == "checkpoint" else tensors
        torch.save(content, path, _use_new_zipfile_serialization=kind != "legacy")
    found = weights.read(str(path)).tensors
    assert found.keys() == model.state_dict().keys()
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(found[name], x.numpy(), err_msg=name)


def test_averaged_weights_beside_others_are_left_aside_and_named(tmp_path, capsys, monkeypatch):
    path = tmp_path / "a.pth"
    model, average = ({"a.weight": torch.full((1,), x)} for x in (1.0, 2.0))
    torch.save({"model_ema": average, "model": model, "epoch": 3}, path)
    assert weights.read(str(path)).tensors == {"a.weight": 1}
    command = contents.to_save_alone(str(path), "['model_ema']")
    assert capsys.readouterr().err == (
        f"{path}: the weights in ['model'] are taken, not those in ['model_ema']; to take others, "
        f"save them alone: {command}\n"
    )
    program = shlex.split(command)
    assert program[:2] == ["python", "-c"]
    monkeypatch.chdir(tmp_path)
    exec(program[2])
    assert weights.read("NEW.pth").tensors == {"a.weight": 2}
    assert capsys.readouterr().err == ""


def test_averaged_modules_beside_others_are_left_aside_and_named(tmp_path, capsys):
    path = tmp_path / "a.safetensors"
    names = [x.name for x in backbone_entries()]
    save_file(
        {f"{p}.{name}": np.full(1, i) for i, p in enumerate(("net", "ema")) for name in names}, path
    )
    found = weights.read(str(path)).tensors
    assert found.keys() == set(names)
    assert not any(x.any() for x in found.values())
    assert capsys.readouterr().err == (
        f"{path}: averaged weights under 'ema.' are left aside; to take them, save that module's "
        "state_dict() alone\n"
    )


def test_numpys_and_other_objects_beside_the_weights_do_no_harm(tmp_path):
    path = tmp_path / "a.pth"
    content = {
        "args": argparse.Namespace(out=tmp_path, lr=np.float64(0.1)),
        "epoch": np.int64(7),
        "scores": np.arange(3),
        "rng": {"numpy": np.random.get_state(), "torch": torch.get_rng_state()},
        "model_state_dict": {"a.weight": torch.ones(1)},
        "optimizer_state_dict": {
            "state": {},
            "param_groups": [{"lr": np.float64(0.5), "params": [0]}],
        },
    }
    torch.save(content, path)
    found = weights.read(str(path))
    assert (found.tensors, found.epoch) == ({"a.weight": 1}, 7)
    assert found.optimizer["param_groups"] == [{"lr": 0.5, "params": [0]}]


def test_a_lightning_checkpoint_is_the_same_model_with_the_same_moments(tmp_path, path, found):
    published = torch.load(path, weights_only=False)
    tensors = {
        f"model._orig_mod.{name.removeprefix('module.')}": x
        for name, x in published["state_dict"].items()
    }
    content = {
        "epoch": 1,
        "pytorch-lightning_version": "2.5.0",
        "global_step": torch_files.STEPS,
        "state_dict": {"criterion.weight": torch.ones(3)} | tensors,
        "optimizer_states": [published["optimizer"]],
        "lr_schedulers": [published["scheduler"].state_dict()],
        "hyper_parameters": argparse.Namespace(out=tmp_path),
    }
    torch.save(content, tmp_path / "last.ckpt")
    again = imported.read(str(tmp_path / "last.ckpt"))
    assert (again.file.epoch, again.sizes, again.note) == (None, found.sizes, "")
    jax.tree.map(np.testing.assert_array_equal, again.variables, found.variables)
    assert again.moments.steps == torch_files.STEPS
    for part in ("mean", "square"):
        moments = (getattr(x.moments, part) for x in (again, found))
        jax.tree.map(np.testing.assert_array_equal, *moments)


def test_half_precision_and_tied_tensors_are_the_same_model(tmp_path):
    module = torch_files.make().bfloat16()
    tied = module.transformer_pose.encoder.layers[0]
    tied.norm2 = tied.norm1
    read = imported.read(str(torch_files.save(tmp_path / "a.pth", module)))
    expected = {name: x.float().numpy() for name, x in module.state_dict().items()}
    jax.tree.map(np.testing.assert_array_equal, read.variables, pytorch.to_variables(expected))


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ["model.encoder.weight", "model.decoder.weight"],
            r"an HTT but another model \(model.decoder.weight, model.encoder.weight\)",
        ),
        (
            ["_fsdp_wrapped_module._flat_param", "_fsdp_wrapped_module.head._flat_param"],
            r"an HTT but tensors that FSDP or FairScale has flattened; save a full state dict",
        ),
        (["module.flat_param_0"], r"an HTT but tensors that FSDP or FairScale has flattened"),
    ],
)
def test_another_model_is_named_as_in_the_file(tmp_path, names, message):
    torch.save({name: torch.ones(2) for name in names}, tmp_path / "a.pth")
    with pytest.raises(InputError, match=message):
        imported.read(str(tmp_path / "a.pth"))
