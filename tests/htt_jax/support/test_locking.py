import subprocess
import sys

import pytest

from htt_jax.support.errors import InputError
from htt_jax.support.locking import Taken, locked

HOLD = """
import sys
from htt_jax.support.locking import locked
with locked(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_folder_has_one_writer_until_its_block_or_process_ends(tmp_path):
    folder = tmp_path / "a[1]" / "run"
    with locked(folder) as kept:
        assert kept
        with pytest.raises(Taken, match=r"another process is writing to .*run; wait for it"):
            locked(folder).__enter__()
        with locked(tmp_path / "other"):
            pass
    command = [sys.executable, "-c", HOLD, str(folder)]
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, **pipes) as process:
        assert process.stdout.readline() == b"held\n"
        with pytest.raises(InputError, match="another process is writing"):
            locked(folder).__enter__()
        process.kill()
        process.wait()
    with locked(folder):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot write to .*file/run: Not a directory"):
        locked(tmp_path / "file/run").__enter__()
