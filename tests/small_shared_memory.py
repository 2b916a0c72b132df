"""A /dev/shm of a given size, for one process."""

import pathlib
import subprocess
import sys

import pytest

_ROOT = pathlib.Path(__file__).parents[1]
_MOUNT = (
    'mount -t tmpfs -o size="$0" tmpfs /dev/shm && "$@"; status=$?; ls /dev/shm >&2; exit $status'
)


def run_python(room: int, *arguments: object) -> subprocess.CompletedProcess[str]:
    """Runs Python where /dev/shm has `room` bytes; what is left there ends its stderr."""
    namespace = ("unshare", "--map-root-user", "--mount")
    if subprocess.run((*namespace, "true"), capture_output=True).returncode:
        pytest.skip("only who may mount can have another /dev/shm")
    command = (*namespace, "sh", "-c", _MOUNT, str(room), sys.executable, *map(str, arguments))
    return subprocess.run(command, cwd=_ROOT, capture_output=True, text=True)
