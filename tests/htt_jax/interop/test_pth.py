import os
import pathlib
import pickle
import zipfile

import numpy as np
import pytest
import torch

from htt_jax.interop import plain_pickle, pth
from htt_jax.support.errors import InputError

FORMATS = pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])


def training():
    """A model, its optimizer and its schedule after two steps."""
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(3, 2), torch.nn.BatchNorm1d(2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.5)
    scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, gamma=0.5)
    for _ in range(2):
        step(model, optimizer)
        scheduler.step()
    return model, optimizer, scheduler


def step(model, optimizer):
    optimizer.zero_grad()
    x = torch.linspace(-1, 2, 12).reshape(4, 3)
    model(x).square().mul(torch.tensor([1.0, 3.0])).sum().backward()
    optimizer.step()


def checkpoint(model, optimizer, scheduler):
    return {
        "epoch": 2,
        "network": "HTT",
        "state_dict": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "scheduler": scheduler,
    }


def save(content, path, zipped, **options):
    torch.save(content, path, _use_new_zipfile_serialization=zipped, **options)
    return str(path)


def refusal(path):
    """The one line by which `path` is refused."""
    with pytest.raises(InputError) as refused:
        pth.read(str(path))
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("kind", ["zip", "legacy"])
def test_a_checkpoint_written_by_torch_1_10_is_read(kind):
    path = pathlib.Path(__file__).parent / "torch_1_10" / f"{kind}.pth"
    found = pth.read(str(path))
    assert (found["epoch"], found["network"]) == (2, "HTT")
    assert plain_pickle.type_name(found["scheduler"]) == "torch.optim.lr_scheduler.StepLR"
    # Adam's first steps under a constant gradient are its learning rate against the sign.
    tensors = found["state_dict"]
    assert list(tensors) == ["module.weight", "module.bias"]
    np.testing.assert_allclose(tensors["module.weight"], [[0, 3]], atol=1e-6)
    np.testing.assert_allclose(tensors["module.bias"], [2], atol=1e-6)
    moments = found["optimizer"]["state"]
    assert [moments[i]["step"] for i in (0, 1)] == [2, 2]
    np.testing.assert_allclose(moments[0]["exp_avg"], [[0.19 * 4, 0.19 * -8]], rtol=1e-6)
    np.testing.assert_allclose(moments[1]["exp_avg_sq"], [0.001999], rtol=1e-6)
    group = found["optimizer"]["param_groups"][0]
    assert (group["lr"], group["betas"], group["params"]) == (0.5, (0.9, 0.999), [0, 1])


@FORMATS
def test_a_checkpoint_written_by_the_installed_torch_is_read(tmp_path, zipped):
    model, optimizer, scheduler = training()
    path = save(checkpoint(model, optimizer, scheduler), tmp_path / "a.pth", zipped)
    found = pth.read(path)
    for name, x in model.state_dict().items():
        np.testing.assert_array_equal(found["state_dict"][name], x.numpy())
    assert found["state_dict"]["1.num_batches_tracked"] == 2
    assert found["optimizer"]["param_groups"][0]["lr"] == 0.125
    for i, moments in optimizer.state_dict()["state"].items():
        for name, x in moments.items():
            np.testing.assert_array_equal(found["optimizer"]["state"][i][name], x.numpy())
    assert plain_pickle.type_name(found["scheduler"]) == "torch.optim.lr_scheduler.StepLR"


@pytest.mark.parametrize("schedule", ["CosineAnnealingLR", "ReduceLROnPlateau"])
@pytest.mark.parametrize("rule", ["SGD", "AdamW"])
def test_other_optimizers_and_schedules_do_no_harm(tmp_path, rule, schedule):
    model = torch.nn.Linear(2, 1)
    optimizer = getattr(torch.optim, rule)(model.parameters(), lr=0.1)
    more = {"T_max": 5} if schedule == "CosineAnnealingLR" else {}
    scheduler = getattr(torch.optim.lr_scheduler, schedule)(optimizer, **more)
    path = save(checkpoint(model, optimizer, scheduler), tmp_path / "a.pth", True)
    assert pth.read(path)["state_dict"].keys() == {"weight", "bias"}


@FORMATS
def test_floats_of_any_width_become_float32_and_integers_stay(tmp_path, zipped):
    values = {
        "half": torch.tensor([1.5, -2.0], dtype=torch.float16),
        "brain": torch.tensor([[3.0, 0.25]], dtype=torch.bfloat16),
        "double": torch.tensor(1 / 3, dtype=torch.float64),
        "count": torch.tensor(7),
        "mask": torch.tensor([True, False]),
    }
    found = pth.read(save(values, tmp_path / "a.pth", zipped))
    assert {name: x.dtype.name for name, x in found.items()} == {
        "half": "float32",
        "brain": "float32",
        "double": "float32",
        "count": "int64",
        "mask": "bool",
    }
    np.testing.assert_array_equal(found["half"], [1.5, -2])
    np.testing.assert_array_equal(found["brain"], [[3, 0.25]])
    assert found["double"] == np.float32(1 / 3)
    assert found["count"] == 7


def test_another_protocol_of_pickle_is_read_without_a_warning(tmp_path):
    path = save({"a": torch.ones(2)}, tmp_path / "a.pth", True, pickle_protocol=3)
    np.testing.assert_array_equal(pth.read(path)["a"], [1, 1])


class Payload:
    """Runs a function when it is unpickled by a careless reader."""

    def __init__(self, function, argument):
        self.function, self.argument = function, argument

    def __reduce__(self):
        return self.function, (self.argument,)


def payload(kind, victim):
    if kind == "posix.system":
        return Payload(os.system, f"touch {victim}")
    return Payload(exec, f"open({str(victim)!r}, 'w').close()")


@FORMATS
@pytest.mark.parametrize("hidden", [False, True], ids=["plain", "in the schedule"])
@pytest.mark.parametrize("kind", ["posix.system", "builtins.exec"])
def test_a_harmful_file_is_refused_and_executes_nothing(tmp_path, kind, hidden, zipped):
    victim = tmp_path / "victim"
    model, optimizer, scheduler = training()
    content = checkpoint(model, optimizer, scheduler)
    if hidden:
        scheduler.payload = payload(kind, victim)
    else:
        content["extra"] = payload(kind, victim)
    path = save(content, tmp_path / "a.pth", zipped)
    line = refusal(path)
    assert not victim.exists()
    assert "was refused and nothing of it was executed" in line
    assert f"{kind}', which has no place beside weights" in line
    assert "save its tensors alone with torch.save(model.state_dict(), FILE)" in line
    torch.load(path, weights_only=False)
    assert victim.exists(), "the payload is a real one"


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_harmful_pickle_that_torch_did_not_write_executes_nothing(tmp_path, protocol):
    path, victim = tmp_path / "a.pth", tmp_path / "victim"
    path.write_bytes(pickle.dumps(payload("posix.system", victim), protocol))
    assert "nothing of it was executed" in refusal(path)
    assert not victim.exists()


def test_numbers_outside_a_storage_are_no_tensor(tmp_path):
    path = tmp_path / "a.pth"
    tensor = torch.ones(4)
    save({"a": tensor}, path, True)
    with zipfile.ZipFile(path) as archive:
        parts = {x.filename: archive.read(x) for x in archive.infolist()}
    assert parts["a/data.pkl"].count(b"K\x04\x85") == 1  # its shape, (4,)
    parts["a/data.pkl"] = parts["a/data.pkl"].replace(b"K\x04\x85", b"K\x05\x85")
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in parts.items():
            archive.writestr(name, data)
    assert "strides is incompatible with shape" in refusal(path)


@FORMATS
@pytest.mark.parametrize("part", [0.01, 0.3, 0.6, 0.9, 0.999])
def test_a_truncated_file_is_named(tmp_path, part, zipped):
    path = tmp_path / "a.pth"
    save(checkpoint(*training()), path, zipped)
    data = path.read_bytes()
    path.write_bytes(data[: int(part * len(data))])
    assert "nothing of it was executed" in refusal(path)


def test_a_zip_archive_of_something_else_is_named(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("letter.txt", "dear reader")
    assert "is not a whole .pth file of tensors" in refusal(path)


def test_a_torchscript_program_is_named(tmp_path):
    path = tmp_path / "a.pth"
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("data.pkl", "constants.pkl", "code/__torch__.py"):
            archive.writestr(f"a/{name}", b"")
    assert "(a TorchScript program)" in refusal(path)


def test_a_changed_byte_is_noticed(tmp_path):
    path = tmp_path / "a.pth"
    save({"a": torch.full((64,), 1.25)}, path, True)
    data = path.read_bytes()
    at = data.index(b"\x00\x00\xa0\x3f" * 8)
    path.write_bytes(data[:at] + b"\x01" + data[at + 1 :])
    assert "Bad CRC-32" in refusal(path)


def test_torch_goes_on_from_a_written_checkpoint_as_if_never_interrupted(tmp_path):
    model, optimizer, _ = training()
    path = str(tmp_path / "b.pth")
    content = checkpoint(model, optimizer, None)
    pth.write(path, pth.read(save(content, tmp_path / "a.pth", True)))
    found = torch.load(path, weights_only=True)

    again, adam, _ = training()
    with torch.no_grad():
        for x in again.parameters():
            x.zero_()
    again.load_state_dict(found["state_dict"], strict=True)
    adam = torch.optim.Adam(again.parameters())
    adam.load_state_dict(found["optimizer"])
    step(model, optimizer)
    step(again, adam)
    for name, x in model.state_dict().items():
        assert torch.equal(x, again.state_dict()[name]), name


def test_arrays_of_any_layout_are_written_as_they_read(tmp_path):
    table = np.arange(12, dtype=np.float32).reshape(3, 4)
    table.flags.writeable = False
    content = {"whole": table, "turned": table.T, "part": table[1:, ::2], "scalar": table[2, 3]}
    pth.write(str(tmp_path / "a.pth"), content)
    found = torch.load(tmp_path / "a.pth", weights_only=True)
    for name, x in content.items():
        np.testing.assert_array_equal(np.asarray(found[name]), x)
    assert found["part"].untyped_storage().nbytes() == 4 * 4


def test_the_same_content_makes_the_same_file(tmp_path):
    content = {"a": np.ones(3, np.float32), "epoch": 1}
    for name in ("a.pth", "b.pth"):
        pth.write(str(tmp_path / name), content)
    assert (tmp_path / "a.pth").read_bytes() == (tmp_path / "b.pth").read_bytes()


def test_a_write_that_fails_leaves_the_old_file(tmp_path):
    path = tmp_path / "a.pth"
    path.write_bytes(b"old")
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pth.write(str(path), {"a": np.ones(3), "b": lambda: None})
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]
