import io
import pickle
from typing import NamedTuple

import numpy as np
import torch

from htt_jax.interop import inert, pth_tensors


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
    assert inert.type_name(found) == "tensor of other numbers"
