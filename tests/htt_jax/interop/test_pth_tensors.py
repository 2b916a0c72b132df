import io
import pickle
from typing import NamedTuple

import numpy as np
import pytest
import torch

from htt_jax.interop import plain_pickle, pth, pth_tensors


class View(NamedTuple):
    """A storage as old versions of torch wrote it: with the part of it that is meant."""

    first: int
    numel: int


class Pickler(pickle.Pickler):
    def persistent_id(self, x):
        if isinstance(x, View):
            part = ("view", *x) if x.numel else None
            return ("storage", torch.FloatStorage, "key", "cuda:3", 6, part)
        return None


class Tensor:
    def __init__(self, view):
        self.view = view

    def __reduce__(self):
        return torch._utils._rebuild_tensor, (self.view, 1, (2,), (2,))


def load(content, numbers):
    file = io.BytesIO()
    Pickler(file, 2).dump(content)
    file.seek(0)
    return pth_tensors.load(file, numbers)


def test_parts_of_storages_are_read_from_where_they_begin():
    asked = []

    def numbers(storage):
        asked.append(storage)
        return np.arange(6, dtype=np.float32).tobytes()

    whole, part = load([Tensor(View(0, 0)), Tensor(View(2, 4))], numbers)
    np.testing.assert_array_equal(whole, [1, 3])
    np.testing.assert_array_equal(part, [3, 5])
    assert asked == [
        pth_tensors.StorageId("key", 6, np.dtype(np.float32), part) for part in (None, (2, 4))
    ]


def test_tensors_of_unknown_numbers_come_out_unread():
    (found,) = load([Tensor(View(0, 0))], lambda storage: None)
    assert plain_pickle.type_name(found) == "tensor of other numbers"


def saved(content, folder, zipped):
    torch.save(content, folder / "a.pth", _use_new_zipfile_serialization=zipped)
    return str(folder / "a.pth")


@pytest.mark.filterwarnings("ignore:.*quantized tensor creation:UserWarning")
def test_what_is_no_whole_tensor_of_plain_numbers_comes_out_unread_by_name(tmp_path):
    content = {
        "module": torch.nn.Linear(2, 1),
        "sparse tensor": torch.eye(2).to_sparse(),
        "quantized tensor": torch.quantize_per_tensor(torch.ones(2), 0.1, 0, torch.qint8),
        "tensor without numbers, of the meta device": torch.ones(2, device="meta"),
        "tensor of other numbers": torch.ones(2).to(torch.float8_e4m3fn),
        "conjugated or negated view of a tensor": torch.ones(2, dtype=torch.complex64).conj(),
    }
    for zipped in (True, False):
        found = pth.read(saved(content, tmp_path, zipped))
        module, *names = map(plain_pickle.type_name, found.values())
        assert module == "torch.nn.modules.linear.Linear"
        assert names == list(content)[1:]


@pytest.mark.parametrize("zipped", [True, False], ids=["zip", "legacy"])
def test_tensors_of_any_layout_are_read_as_torch_has_them(tmp_path, zipped):
    table = torch.arange(12.0).reshape(3, 4)
    content = {
        "whole": table,
        "turned": table.T,
        "part": table[1:, ::2],
        "scalar": table[2, 3],
        "expanded": table[:, :1].expand(3, 5),
        "empty": table[:, :0],
        "parameter": torch.nn.Parameter(table[0]),
        "buffer": torch.nn.Buffer(table[1]),
        "unsigned": torch.tensor([1, 65535], dtype=torch.uint16),
        "complex": torch.tensor([1 + 2j]),
    }
    content["parameter"].note = "of its own"
    found = pth.read(saved(content, tmp_path, zipped))
    for name, x in content.items():
        np.testing.assert_array_equal(found[name], x.detach().numpy(), err_msg=name)
    found["whole"][:] = 0
    assert found["turned"].any(), "each has its own memory"
