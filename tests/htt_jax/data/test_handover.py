"""Frames large enough to be handed over in shared memory; too little of it; workers that die."""

import os
import pathlib
import signal

import pytest

from htt_jax.data.clips import ClipSpec
from htt_jax.data.decode import FrameReader
from htt_jax.data.handover import MIN_BYTES
from htt_jax.data.loader import eval_batches
from htt_jax.datasets.spec import FPHA
from htt_jax.support.errors import InputError
from tests import prepared
from tests.small_shared_memory import run_python

SIZE = (640, 360)
FRAME_BYTES = 640 * 360 * 3
MIB = 1 << 20

LOAD = """
import sys
import numpy as np
from htt_jax.data.clips import ClipSpec
from htt_jax.data.loader import eval_batches
from htt_jax.data.records import RecordSource
from htt_jax.support import cli
source = RecordSource(sys.argv[1], "test")
clips = ClipSpec(window=2, frames=2, spacing=1)
def load(workers):
    batches = eval_batches(source, clips=clips, batch_size=2, workers=workers)
    return [(name, array) for batch in batches for name, array in sorted(batch.items())]
def compare():
    for (name, sent), (expected, array) in zip(load(1), load(0), strict=True):
        print(name, name == expected and np.array_equal(sent, array))
cli.run(compare)
"""


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return prepared.write_dataset(tmp_path_factory.mktemp("large"), FPHA, {"test": [12]}, SIZE)


@pytest.mark.parametrize("room", [64 << 10, MIB])  # too little for semaphores, for a clip
def test_too_little_shared_memory_is_one_line_and_leaves_nothing(directory, room):
    assert 2 * FRAME_BYTES > MIN_BYTES
    ended = run_python(room, "-c", LOAD, directory)
    assert ended.returncode == 2
    (line,) = ended.stderr.splitlines()
    assert line.startswith("error: worker processes cannot share data through /dev/shm: No space")
    assert "--shm-size" in line
    assert "fewer workers: with 0, threads" in line


def test_what_fits_in_shared_memory_comes_as_it_was_sent_and_leaves_nothing(directory):
    ended = run_python(12 * MIB, "-c", LOAD, directory)
    assert (ended.returncode, ended.stderr) == (0, "")
    arrays = dict.fromkeys(line.split()[0] for line in ended.stdout.splitlines())
    assert {"image", "slot", "valid", "joints_3d", "video", "start"} <= arrays.keys()
    assert ended.stdout.count(" True\n") == 3 * len(arrays)  # batches of two clips of two frames
    assert "False" not in ended.stdout


def die_at_the_last_video(source, video, frames, image):
    if video.segment_id == len(source) - 1:
        os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_worker_is_one_line_and_what_it_held_is_freed(source):
    large = FrameReader(MIN_BYTES // (32 * 48) + 1, die_at_the_last_video)
    clips = ClipSpec(window=2, frames=4, spacing=2)
    batches = eval_batches(source, clips=clips, batch_size=1, workers=1, reader=large)
    with pytest.raises(InputError, match=r"loader process ended with status -9.*fewer workers"):
        list(batches)
    assert not list(pathlib.Path("/dev/shm").glob(f"htt_jax_{os.getpid()}_*"))
