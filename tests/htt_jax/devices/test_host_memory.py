import subprocess
import sys

REPEATED = """
import resource
import numpy as np
from htt_jax.devices import host_memory
if {keep}:
    host_memory.keep_freed()
np.ones(2**25)
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(4):
    np.ones(2**25)
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep):
    """While arrays of 256 MiB are made and let go four times, after a first one."""
    program = [sys.executable, "-c", REPEATED.format(keep=keep)]
    return int(subprocess.run(program, capture_output=True, check=True, text=True).stdout)


def test_large_arrays_take_pages_that_earlier_ones_gave_back():
    assert page_faults(keep=True) < 100
    assert page_faults(keep=False) > 500  # even with pages of 2 MiB; with 4 KiB, 260,000
