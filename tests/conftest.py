"""What all tests share."""

import atexit
import gc
import os
import shutil
import tempfile

os.environ.setdefault("JAX_PLATFORMS", "cpu")
# XLA spends most of a test on optimising code that then runs for an instant.
os.environ.setdefault(
    "XLA_FLAGS",
    "--xla_backend_optimization_level=0 --xla_cpu_use_fusion_emitters=false "
    "--xla_cpu_parallel_codegen_split_count=1",
)
# Threads of PyTorch and NumPy wait for each other, busily, after every operation: long, where tests
# run side by side.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# What is compiled serves every module, worker and process of this run, and nothing is left behind.
if "JAX_COMPILATION_CACHE_DIR" not in os.environ:  # else a worker's or process's, from its parent
    os.environ["JAX_COMPILATION_CACHE_DIR"] = tempfile.mkdtemp(prefix="htt_jax-compiled-")
    atexit.register(shutil.rmtree, os.environ["JAX_COMPILATION_CACHE_DIR"], ignore_errors=True)
os.environ.setdefault("JAX_COMPILATION_CACHE_MAX_SIZE", str(2**30))  # with a limit, JAX locks it
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")

import pytest
from absl import flags, logging

from tests import annotations, object_stores

annotations.install()

flags.FLAGS.mark_as_parsed()  # Grain reads absl flags in its worker processes


VERBOSITY = logging.get_verbosity()


@pytest.fixture(autouse=True)
def _verbosity():
    """Commands silence logging for their own process; a test must not do so for the next one."""
    logging.set_verbosity(VERBOSITY)


@pytest.fixture(scope="module")
def one_program():
    """Batches of clips of any length get the same number of slots: one program serves them all."""
    from htt_jax.data import packing  # not before the annotations are checked

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "LARGEST_WASTE", 1.0)
        yield


@pytest.fixture(scope="session")
def gcs():
    """A bucket of Google's kind."""
    with object_stores.gcs() as store:
        yield store


@pytest.fixture(scope="session")
def s3():
    """A bucket of Amazon's kind."""
    with object_stores.s3() as store:
        yield store


def pytest_sessionstart():
    """Nothing of what is imported for the tests is garbage."""
    gc.disable()


def pytest_collection_finish():
    """What was imported stays: no need to look through it for garbage again and again."""
    gc.collect()
    gc.freeze()
    gc.enable()
    gc.set_threshold(100_000, 10, 10)  # tracing makes many objects, and little garbage
