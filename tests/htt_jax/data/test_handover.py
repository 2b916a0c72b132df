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
import subprocess, sys
import numpy as np
from htt_jax.data.clips import ClipSpec
from htt_jax.data.loader import eval_batches
from htt_jax.data.records import RecordSource
from htt_jax.support import cli
from htt_jax.support.errors import InputError
source = RecordSource(sys.argv[1], "test")
clips = ClipSpec(window=2, frames=2, spacing=1)
def load(workers):
    batches = eval_batches(source, clips=clips, batch_size=2, workers=workers)
    return [(name, array) for batch in batches for name, array in sorted(batch.items())]
def main():
    for room in sys.argv[2:]:
        subprocess.run(["mount", "-o", f"remount,size={room}", "/dev/shm"], check=True)
        print("---")
        try:
            for (name, sent), (expected, array) in zip(load(1), load(0), strict=True):
                print(name, name == expected and np.array_equal(sent, array))
        except InputError as error:
            print("error:", error)
cli.run(main)
"""
TOO_LITTLE = (64 << 10, MIB)  # for semaphores, for a clip
ENOUGH = 12 * MIB


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return prepared.write_dataset(tmp_path_factory.mktemp("large"), FPHA, {"test": [12]}, SIZE)


@pytest.fixture(scope="module")
def said(directory):
    """By a process that leaves nothing: the lines of each size of its shared memory."""
    rooms = (*TOO_LITTLE, ENOUGH)
    ended = run_python(TOO_LITTLE[0], "-c", LOAD, directory, *rooms)
    assert (ended.returncode, ended.stderr) == (0, "")
    _, *parts = ended.stdout.split("---\n")
    return dict(zip(rooms, (part.splitlines() for part in parts), strict=True))


@pytest.mark.parametrize("room", TOO_LITTLE)
def test_too_little_shared_memory_is_one_line_and_leaves_nothing(said, room):
    assert 2 * FRAME_BYTES > MIN_BYTES
    (line,) = said[room]
    assert line.startswith("error: worker processes cannot share data through /dev/shm: No space")
    assert "--shm-size" in line
    assert "fewer workers: with 0, threads" in line


def test_what_fits_in_shared_memory_comes_as_it_was_sent_and_leaves_nothing(said):
    lines = said[ENOUGH]
    arrays = dict.fromkeys(line.split()[0] for line in lines)
    assert {"image", "slot", "valid", "joints_3d", "video", "start"} <= arrays.keys()
    # Batches of two clips of two frames.
    assert sorted(lines) == sorted(f"{name} True" for name in [*arrays] * 3)


def die_at_the_last_video(source, video, frames, image):
    if video.segment_id == len(source) - 1:
        os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.proof
def test_a_killed_worker_is_one_line_and_what_it_held_is_freed(source):
    large = FrameReader(MIN_BYTES // (32 * 48) + 1, die_at_the_last_video)
    clips = ClipSpec(window=2, frames=4, spacing=2)
    batches = eval_batches(source, clips=clips, batch_size=1, workers=1, reader=large)
    with pytest.raises(InputError, match=r"loader process ended with status -9.*fewer workers"):
        list(batches)
    assert not list(pathlib.Path("/dev/shm").glob(f"htt_jax_{os.getpid()}_*"))
