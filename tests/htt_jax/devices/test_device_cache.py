import itertools

import jax
import numpy as np

from htt_jax.data import cache
from htt_jax.data.clips import ClipSpec
from htt_jax.data.loader import train_batches
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.devices.device_cache import DeviceCache
from tests import prepared

SIZE = (64, 36)
OPTIONS = {"clips": ClipSpec(window=2, frames=4, spacing=2), "batch_size": 4, "seed": 5}


def test_batches_picked_on_the_device_are_those_from_records(tmp_path, monkeypatch):
    monkeypatch.setattr(cache, "CHUNK", 4)  # so that several are sent
    source = RecordSource(prepared.write_dataset(tmp_path, FPHA, {"train": [9, 1, 20]}), "train")
    mesh = sharding.make_mesh(1)
    kept = DeviceCache(mesh, source, SIZE)
    expected = sharding.to_devices(mesh, train_batches(source, **OPTIONS))
    rows = train_batches(source, **OPTIONS, cache=kept.rows)
    found = kept.with_images(sharding.to_devices(mesh, rows))
    for ours, theirs in itertools.islice(zip(found, expected, strict=False), 8):
        assert ours.arrays.keys() == theirs.arrays.keys()
        for name, array in ours.arrays.items():
            assert array.dtype == theirs.arrays[name].dtype
            np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)
        assert isinstance(ours.arrays["image"], jax.Array)
        np.testing.assert_array_equal(ours.video, theirs.video)
