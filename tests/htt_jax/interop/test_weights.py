import pathlib
import subprocess
import sys

import ml_dtypes
import numpy as np
import pytest
import torch
from safetensors.numpy import save, save_file
from safetensors.torch import save_file as save_torch_file

from htt_jax.interop import weights
from htt_jax.support.errors import InputError

TENSORS = {
    "a.weight": np.arange(6, dtype=np.float32).reshape(2, 3) / 7,
    "a.bias": np.array([np.nan, -0.0], np.float32),
    "b.num_batches_tracked": np.array(7),
}
OPTIMIZER = {
    "state": {
        0: {"step": np.array(3, np.float32), "exp_avg": np.ones((2, 3), np.float32) / 3},
        1: {"step": np.array(3, np.float32), "exp_avg": np.array([1e-30, -2], np.float32)},
    },
    "param_groups": [{"lr": 3e-5, "betas": (0.9, 0.999), "amsgrad": False, "params": [0, 1]}],
}


def assert_same(found, expected):
    """Bit for bit, and of the same types."""
    if isinstance(expected, np.ndarray):
        assert isinstance(found, np.ndarray)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        assert found.tobytes() == expected.tobytes()
        return
    assert type(found) is type(expected)
    if isinstance(expected, dict):
        assert list(found) == list(expected)
        for name in expected:
            assert_same(found[name], expected[name])
    elif isinstance(expected, list | tuple):
        assert len(found) == len(expected)
        for x, y in zip(found, expected, strict=True):
            assert_same(x, y)
    else:
        assert found == expected


def refusal(path):
    """The one line by which `path` is refused."""
    with pytest.raises(InputError) as refused:
        weights.read(str(path))
    assert "\n" not in str(refused.value)
    assert str(path) in str(refused.value)
    return str(refused.value)


def test_safetensors_come_back_bit_for_bit_with_their_description(tmp_path):
    path = str(tmp_path / "model.safetensors")
    weights.write_safetensors(path, TENSORS, '{"joints": 21}')
    found = weights.read(path)
    assert_same(dict(sorted(found.tensors.items())), dict(sorted(TENSORS.items())))
    assert found == weights.WeightFile(path, found.tensors, None, None, '{"joints": 21}')


def test_a_pth_comes_back_bit_for_bit_with_optimizer_and_epoch(tmp_path):
    path = str(tmp_path / "model.pth")
    weights.write_pth(path, TENSORS, epoch=12, optimizer=OPTIMIZER, description="{}")
    found = weights.read(path)
    assert_same(found.tensors, TENSORS)
    assert_same(found.optimizer, OPTIMIZER)
    assert (found.path, found.epoch, found.description) == (path, 12, "{}")


@pytest.mark.parametrize("optimizer", [None, OPTIMIZER])
def test_torch_loads_a_written_pth_with_weights_only(tmp_path, optimizer):
    path = tmp_path / "model.pth"
    weights.write_pth(str(path), TENSORS, epoch=12, optimizer=optimizer, description="{}")
    found = torch.load(path, weights_only=True)
    expected = ["epoch", "network", "state_dict", "htt_jax"]
    assert list(found) == expected + ([] if optimizer is None else ["optimizer"])
    assert (found["epoch"], found["network"], found["htt_jax"]) == (12, "HTT", "{}")
    assert type(found["state_dict"]).__name__ == "OrderedDict"
    assert_same({name: x.numpy() for name, x in found["state_dict"].items()}, TENSORS)


def test_arrays_in_another_memory_order_are_written_as_they_read(tmp_path):
    path = str(tmp_path / "model.safetensors")
    turned = TENSORS["a.weight"].T
    weights.write_safetensors(path, {"a": turned}, "{}")
    np.testing.assert_array_equal(weights.read(path).tensors["a"], turned)


def test_the_same_tensors_make_the_same_safetensors_file(tmp_path):
    for name in ("a", "b"):
        weights.write_safetensors(str(tmp_path / name), TENSORS, "{}")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert len(list(tmp_path.iterdir())) == 2


def test_safetensors_floats_of_any_width_become_float32_and_integers_stay(tmp_path):
    path = tmp_path / "model.safetensors"
    tensors = {
        "half": np.array([1.5, -2], np.float16),
        "brain": np.array([[3, 0.25]], ml_dtypes.bfloat16),
        "double": np.array(1 / 3),
        "count": np.array([7]),
    }
    save_torch_file(
        {
            name: torch.tensor(x.astype(np.float32), dtype=torch.bfloat16)
            if name == "brain"
            else torch.from_numpy(x)
            for name, x in tensors.items()
        },
        path,
    )
    found = weights.read(str(path))
    for name, x in tensors.items():
        expected = x if name == "count" else x.astype(np.float32)
        assert_same(found.tensors[name], expected)
    assert found.description is None


def test_files_are_told_apart_by_content(tmp_path):
    (tmp_path / "a.pth").write_bytes(save({"a": np.ones(2)}))
    torch.save({"a": torch.ones(2)}, tmp_path / "a.safetensors")
    for name in ("a.pth", "a.safetensors"):
        np.testing.assert_array_equal(weights.read(str(tmp_path / name)).tensors["a"], [1, 1])


def test_a_bare_state_dict_of_parameters_in_the_legacy_format_is_read(tmp_path):
    model = torch.nn.Linear(3, 2)
    path = tmp_path / "resnet18-5c106cde.pth"
    bare = torch.nn.Linear(3, 2).state_dict() | dict(model.named_parameters())
    torch.save(bare, path, _use_new_zipfile_serialization=False)
    found = weights.read(str(path))
    assert found.tensors.keys() == {"weight", "bias"}
    np.testing.assert_array_equal(found.tensors["weight"], model.weight.detach().numpy())
    assert (found.epoch, found.optimizer, found.description) == (None, None, None)


def test_what_is_no_optimizer_state_counts_as_none(tmp_path):
    path = tmp_path / "a.pth"
    model = torch.nn.Linear(2, 1)
    optimizer = torch.optim.Adam(model.parameters())
    torch.save({"state_dict": model.state_dict(), "optimizer": optimizer, "epoch": "last"}, path)
    found = weights.read(str(path))
    assert (found.optimizer, found.epoch) == (None, None)


@pytest.mark.parametrize("kind", ["pth", "safetensors"])
def test_a_file_without_tensors_is_refused(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    if kind == "pth":
        torch.save({"state_dict": [1, 2], "model": torch.nn.ReLU()}, path)
        found = "found state_dict (list), model (torch.nn.modules.activation.ReLU)"
        assert found in refusal(path)
    else:
        save_file({}, path)
        assert "holds no tensors" in refusal(path)


@pytest.mark.parametrize("left", [9, 40, 100])
def test_a_damaged_safetensors_file_is_named(tmp_path, left):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(100, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:left])
    assert "is not a whole .safetensors file" in refusal(path)


def test_numbers_that_numpy_has_not_are_refused(tmp_path):
    path = tmp_path / "model.safetensors"
    save_torch_file({"a": torch.ones(2).to(torch.float8_e4m3fn)}, path)
    assert "float8_e4m3fn" in refusal(path)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (b"", "it is empty"),
        (b"PK", "it begins with b'PK'"),
        (b"dear reader,", "it begins with b'dear read'"),
        (b'["a", "b{"]', "neither a .pth nor"),
        (b'{"a": "b{"}', "neither a .pth nor"),
        (b'[[1,2],\n{"a":1}]', "neither a .pth nor"),
    ],
)
def test_a_file_of_another_kind_is_named(tmp_path, data, found):
    path = tmp_path / "model.safetensors"
    path.write_bytes(data)
    line = refusal(path)
    assert "is neither a .pth nor a .safetensors file, or cut short" in line
    assert found in line


def test_the_index_of_several_files_is_named(tmp_path):
    path = tmp_path / "model.safetensors.index.json"
    path.write_text('{"metadata": {}, "weight_map": {"a": "model-00001-of-00002.safetensors"}}')
    assert "is the index of a model in several files; load them together" in refusal(path)
    path.write_text('{"weights": 1}')
    assert "is neither a .pth nor" in refusal(path)


def test_a_folder_and_a_missing_file_are_named(tmp_path):
    assert "is a folder; give a .pth or .safetensors file" in refusal(tmp_path)
    assert "No such file or directory" in refusal(tmp_path / "missing.pth")
    (tmp_path / ".metadata").touch()
    assert f"checkpoint.format_utils dcp_to_torch {tmp_path} FILE" in refusal(tmp_path)


def in_new_interpreter(program, *arguments):
    return subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    ).stdout.splitlines()


def test_without_torch_files_are_read_and_writing_a_pth_says_what_to_install(tmp_path):
    paths = [str(tmp_path / name) for name in ("a.pth", "legacy.pth", "a.safetensors")]
    weights.write_pth(paths[0], TENSORS, epoch=1, optimizer=OPTIMIZER, description="{}")
    legacy = {name: torch.from_numpy(x) for name, x in TENSORS.items()}
    torch.save(legacy, paths[1], _use_new_zipfile_serialization=False)
    weights.write_safetensors(paths[2], TENSORS, "{}")
    program = """
import sys
sys.modules["torch"] = None
from htt_jax.support.errors import InputError
from htt_jax.interop import contents, weights
found = [weights.read(path) for path in sys.argv[1:]]
assert len({x.tensors["a.weight"].tobytes() for x in found}) == 1
for x in found:
    print(*sorted(x.tensors))
weights.write_safetensors(sys.argv[3], found[2].tensors, found[2].description)
try:
    weights.write_pth(sys.argv[1], {}, epoch=0, optimizer=None, description="")
except InputError as error:
    print(error)
"""
    before = [pathlib.Path(path).read_bytes() for path in paths]
    *names, line = in_new_interpreter(program, *paths)
    assert names == 3 * ["a.bias a.weight b.num_batches_tracked"]
    assert line == (
        f"{paths[0]}: writing a .pth file needs torch; pip install -e '.[torch]', or write a "
        ".safetensors file"
    )
    assert [pathlib.Path(path).read_bytes() for path in paths] == before
