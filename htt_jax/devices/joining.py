"""The start of a run of several processes: each waits for all others, and says so."""

import contextlib
import sys
import threading
import time
from collections.abc import Iterator
from typing import NamedTuple

from htt_jax.devices import coordination, hosts, watch
from htt_jax.support.errors import InputError

_SAID_EVERY = 60.0  # seconds


class Place(NamedTuple):
    """Of this process among the others; None: the cluster's, which JAX asks for it.

    Attributes:
        address: host:port of process 0.
        processes: their number.
        number: of this one.
    """

    address: str | None = None
    processes: int | None = None
    number: int | None = None


def join(place: Place, seconds: float) -> None:
    """Makes this process one of several, once all are there; ends it when they are not in time.

    Raises:
        InputError: there is no such place.
    """
    arguments = {
        "coordinator_address": place.address,
        "num_processes": place.processes,
        "process_id": place.number,
        # Ours comes first and has something to say.
        "initialization_timeout": int(seconds) + 60,
    }
    try:
        with _impatient(place, seconds):
            coordination.join(arguments, hosts.lost)
    except (RuntimeError, ValueError, IndexError, OSError) as error:
        given = (
            f"--coordinator_address={place.address}, --num_processes={place.processes}, "
            f"--process_id={place.number}"
        )
        how = "--coordinator_address=auto" if place.address is None else given
        raise InputError(f"cannot join other processes by {how}: {_line(error)}") from error


@contextlib.contextmanager
def _impatient(place: Place, seconds: float) -> Iterator[None]:
    """Says every minute what is waited for; after `seconds` ends the process."""
    there = threading.Event()

    def say() -> None:
        began = time.monotonic()
        while not there.wait(min(_SAID_EVERY, began + seconds - time.monotonic())):
            waited = time.monotonic() - began
            if waited < seconds:
                print(f"waiting for {_missing(place)} ({waited:.0f} s)", file=sys.stderr)
                continue
            print(
                f"error: after {waited:.0f} s still waiting for {_missing(place)}; start the same "
                "command on every host, or wait longer: --join_timeout",
                file=sys.stderr,
            )
            watch.leave(watch.ANOTHER_FAILED)

    threading.Thread(target=say, daemon=True).start()
    try:
        yield
    finally:
        there.set()


def _missing(place: Place) -> str:
    if place.address is None:
        return "the other processes of the cluster"
    if place.number != 0:
        return f"process 0 at {place.address}, or for processes that it waits for"
    port = place.address.rpartition(":")[2]
    here = coordination.connected(int(port)) if port.isdigit() else None
    joined = "" if here is None else f": {here} of {place.processes} are here"
    return f"the other processes{joined}"


def _line(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]
