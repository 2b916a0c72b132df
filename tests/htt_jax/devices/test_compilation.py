import os
import re
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from htt_jax.devices import compilation
from htt_jax.devices.compilation import CompiledAhead

COMMAND = """
import jax
from htt_jax.devices import process
from htt_jax.support import cli
cli.run(lambda: jax.jit(lambda x: x + 1)(1.0), process.prepare)
"""


def programs_kept(tmp_path, **environment):
    """By a command, in the cache folder of a home."""
    inherited = {k: v for k, v in os.environ.items() if k != "JAX_COMPILATION_CACHE_DIR"}
    home = {
        "XDG_CACHE_HOME": str(tmp_path),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",  # this one takes no time
    }
    subprocess.run(
        [sys.executable, "-c", COMMAND],
        check=True,
        env=inherited | home | environment,
    )
    return sorted(path.name for path in tmp_path.glob("htt_jax/*-cache"))


def test_commands_keep_what_they_compiled_and_take_it_the_next_time(tmp_path):
    first = programs_kept(tmp_path)
    assert len(first) >= 1
    changed = {path: path.stat().st_mtime_ns for path in tmp_path.glob("htt_jax/*-cache")}
    assert programs_kept(tmp_path) == first
    assert {path: path.stat().st_mtime_ns for path in changed} == changed


def test_an_empty_variable_keeps_nothing(tmp_path):
    assert programs_kept(tmp_path, JAX_COMPILATION_CACHE_DIR="") == []


# As in a container of which a user has but a number. Files stay root's to read, where it is root.
WITHOUT_A_HOME = """
import os, pwd, sys
if os.getuid():
    pwd.getpwuid = lambda number: {}[number]
else:
    os.setresuid(54321, 0, 0)
import jax
from htt_jax.devices import process, sharding
from htt_jax.support import cli
from htt_jax import train, evaluate, predict, export, compare, submit, from_pytorch
from data_prep import fpha, h2o, simulate

def main():
    assert jax.config.jax_compilation_cache_dir is None
    assert "torch" not in sys.modules  # no start waits for it
    print(sharding.all_devices())

cli.run(main, process.prepare)
"""


@pytest.mark.proof
def test_without_a_home_nothing_is_kept_and_missing_devices_are_one_line():
    gone = ("HOME", "USER", "LOGNAME", "XDG_CACHE_HOME", "JAX_COMPILATION_CACHE_DIR")
    environment = {k: v for k, v in os.environ.items() if k not in gone}
    environment |= {"JAX_PLATFORMS": "cpu,nowhere"}
    command = [sys.executable, "-c", WITHOUT_A_HOME]
    found = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert found.returncode == 2
    assert re.match(
        r"error: JAX cannot use the devices of JAX_PLATFORMS='cpu,nowhere': .*'nowhere'.*; install",
        found.stderr.splitlines()[-1],
    )
    assert "Traceback" not in found.stderr


def test_a_home_that_cannot_be_written_to_keeps_nothing(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert compilation._cache_folder() is None
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert compilation._cache_folder() == tmp_path / "htt_jax"


def test_programs_of_all_shapes_are_there_in_whatever_order_they_are_asked_for():
    traced = []

    def double(x):
        traced.append(x.shape)
        return 2 * x

    shapes = {size: (jax.ShapeDtypeStruct((size,), jnp.float32),) for size in range(1, 9)}
    with CompiledAhead(jax.jit(double), shapes) as programs:
        for size in (8, 3, 3, 1, 5):
            x = jnp.arange(size, dtype=jnp.float32)
            np.testing.assert_array_equal(programs[size](x), 2 * x)
    assert len(traced) == len(set(traced))


def test_what_is_left_when_it_ends_is_not_compiled():
    shapes = {size: (jax.ShapeDtypeStruct((size, size), jnp.float32),) for size in range(1, 200)}
    traced = []

    def solve(x):
        traced.append(x.shape)
        return jnp.linalg.svd(x)

    with CompiledAhead(jax.jit(solve), shapes):
        pass
    count = len(traced)
    assert count < len(shapes)
