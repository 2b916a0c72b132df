import gc
import itertools
import os
import pickle

import cv2
import numpy as np
import pytest

from htt_jax.data import cache
from htt_jax.data.cache import FrameRows, HostCache, SharedPixels
from htt_jax.data.clips import ClipSpec
from htt_jax.data.loader import train_batches
from htt_jax.support.errors import InputError

SIZE = (48, 32)
OPTIONS = {"clips": ClipSpec(window=2, frames=4, spacing=2), "batch_size": 4, "seed": 5}


def take(batches, count=6):
    taken = list(itertools.islice(batches, count))
    batches.close()
    return taken


@pytest.mark.parametrize("workers", [0, 1])
def test_batches_from_memory_are_those_from_records(source, workers):
    kept = HostCache.fill(source, SIZE)
    expected = take(train_batches(source, **OPTIONS))
    found = take(train_batches(source, **OPTIONS, workers=workers, cache=kept))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() == theirs.keys()
        for name in ours:
            assert ours[name].dtype == theirs[name].dtype
            np.testing.assert_array_equal(ours[name], theirs[name], err_msg=name)


def test_batches_of_rows_name_the_frames_of_the_images(source):
    pixels = HostCache.fill(source, SIZE).pixels.array
    expected = take(train_batches(source, **OPTIONS))
    found = take(train_batches(source, **OPTIONS, cache=FrameRows.read(source)))
    for ours, theirs in zip(found, expected, strict=True):
        assert ours.keys() - {"row"} == theirs.keys() - {"image"}
        np.testing.assert_array_equal(pixels[ours["row"]], theirs["image"])
        np.testing.assert_array_equal(ours["slot"], theirs["slot"])


@pytest.mark.parametrize("size", [(48, 32), (24, 16)])
def test_every_frame_is_decoded_to_its_row_whatever_the_chunks(source, size, monkeypatch):
    whole = HostCache.fill(source, size).pixels.array
    assert whole.shape == (27, size[1], size[0], 3)
    monkeypatch.setattr(cache, "CHUNK", 4)
    np.testing.assert_array_equal(HostCache.fill(source, size).pixels.array, whole)
    rows = FrameRows.read(source)
    assert rows.parts(0, 27) == [(0, 0, 1), (1, 0, 9), (2, 0, 5), (3, 0, 12)]
    assert rows.parts(8, 12) == [(1, 7, 9), (2, 0, 2)]
    assert rows.parts(10, 15) == [(2, 0, 5)]
    assert [len(video.frames) for video in rows.videos] == [0, 0, 0, 0]


def test_pixels_are_shared_and_gone_with_the_last_who_see_them():
    pixels = SharedPixels((3, 2))
    other = pickle.loads(pickle.dumps(pixels))
    pixels.array[1] = 7
    np.testing.assert_array_equal(other.array, [[0, 0], [7, 7], [0, 0]])
    path = pixels.__getstate__()["path"]
    del pixels
    gc.collect()
    assert not os.path.exists(path)
    other.array[2] = 9
    assert other.array.sum() == 2 * (7 + 9)


def test_what_does_not_fit_in_memory_is_refused_with_what_it_needs(source):
    message = (
        r"config.data.cache=host needs 0.1 GB for the 27 frames of split 'train', and 0.0 GB are "
        "free; take --config.data.cache=none"
    )
    with pytest.raises(InputError, match=message):
        cache.check_fits("host", source, (27, 1000, 1800, 3), np.uint8, 10**6)


def test_a_frame_that_cannot_be_decoded_is_named(dataset_of, video_of):
    video = video_of(1, 3)
    video.frames[1] = cv2.imencode(".jpg", np.zeros((30, 40, 3), np.uint8))[1].tobytes()
    with pytest.raises(InputError, match=r"frame 1 .*40x30 pixels instead of 48x32"):
        HostCache.fill(dataset_of([video]), SIZE)
