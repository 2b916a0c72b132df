import dataclasses
import itertools

import jax
import numpy as np
import pytest

from htt_jax.data import cache
from htt_jax.data.clips import ClipSpec
from htt_jax.data.decode import RGB
from htt_jax.data.depth_crops import Cropper
from htt_jax.data.loader import train_batches
from htt_jax.data.views import View, open_view
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.devices.device_cache import DeviceCache
from tests import prepared

OPTIONS = {"clips": ClipSpec(window=2, frames=4, spacing=2), "batch_size": 4, "seed": 5}


@pytest.mark.parametrize(
    ("camera", "reader"),
    [("color", RGB), ("depth", Cropper(("right",), 21, 9, "published", 16).reader)],
)
def test_batches_picked_on_the_device_are_those_from_records(tmp_path, monkeypatch, camera, reader):
    monkeypatch.setattr(cache, "CHUNK", 4)  # so that several are sent
    spec = dataclasses.replace(FPHA, depth=True)
    folder = prepared.write_dataset(tmp_path, spec, {"train": [9, 1, 20]})
    source = open_view(folder, "train", View(camera))
    mesh = sharding.make_mesh(1)
    kept = DeviceCache(mesh, source, source.image_size, reader)
    options = OPTIONS | {"reader": reader}
    expected = sharding.to_devices(mesh, train_batches(source, **options))
    rows = train_batches(source, **options, cache=kept.rows)
    found = kept.with_images(sharding.to_devices(mesh, rows))
    for ours, theirs in itertools.islice(zip(found, expected, strict=False), 8):
        assert ours.arrays.keys() == theirs.arrays.keys()
        for name, array in ours.arrays.items():
            assert array.dtype == theirs.arrays[name].dtype
            np.testing.assert_array_equal(array, theirs.arrays[name], err_msg=name)
        assert isinstance(ours.arrays["image"], jax.Array)
        np.testing.assert_array_equal(ours.video, theirs.video)
