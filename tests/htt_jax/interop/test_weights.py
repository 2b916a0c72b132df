import importlib.util

import numpy as np
import pytest
from safetensors.numpy import save_file

from htt_jax.errors import InputError
from htt_jax.interop import weights


def test_tensors_of_a_safetensors_file_come_back(tmp_path):
    tensors = {"a.weight": np.arange(6, dtype=np.float32).reshape(2, 3), "b": np.array([7])}
    save_file(tensors, tmp_path / "model.safetensors")
    found = weights.read_tensors(str(tmp_path / "model.safetensors"))
    assert found.keys() == tensors.keys()
    for name, x in tensors.items():
        np.testing.assert_array_equal(found[name], x)
        assert found[name].dtype == x.dtype


@pytest.mark.parametrize("left", [0, 4, 100])
def test_a_damaged_safetensors_file_is_named(tmp_path, left):
    path = tmp_path / "model.safetensors"
    save_file({"a": np.zeros(100, np.float32)}, path)
    path.write_bytes(path.read_bytes()[:left])
    with pytest.raises(InputError, match=r"model.safetensors is not a whole .safetensors file"):
        weights.read_tensors(str(path))


def test_a_pth_file_without_tensors_is_refused_in_one_line(tmp_path):
    path = tmp_path / "model.pth"
    path.write_bytes(b"not a checkpoint")
    if importlib.util.find_spec("torch"):
        expected = "model.pth is not a file of tensors alone"
    else:
        expected = r"reading a .pth file needs torch; pip install -e '.\[torch\]'"
    with pytest.raises(InputError, match=expected) as refused:
        weights.read_tensors(str(path))
    assert "\n" not in str(refused.value)
