"""The hosts of a run: they agree on what they have; when one fails, all end and say which and why.

By itself a run of many hosts whose one is gone hangs in the next sum over all devices, or fails in
it on all hosts alike. All this does nothing in a run of one process.
"""

import contextlib
import itertools
import json
import socket
from collections import defaultdict
from collections.abc import Iterator, Mapping

from htt_jax.devices.coordination import Store
from htt_jax.devices.watch import READING, Watch
from htt_jax.support.errors import InputError

_FACTS = "htt/facts/"
_SHOWN = 3  # hosts of each opinion

_watch: Watch | None = None
_rounds = itertools.count()


def agree(facts: Mapping[str, object]) -> None:
    """Checks that all processes of the run have the same; all must call it as often.

    Raises:
        InputError: they do not; says which host has what. The same on all hosts.
    """
    if _watch is None:
        return
    store, folder = Store(), f"{_FACTS}{next(_rounds)}/"
    own = {name: str(value) for name, value in facts.items()}
    content = json.dumps({"host": socket.gethostname(), "facts": own})
    store.put(f"{folder}{store.process}", content)
    found = [json.loads(store.wait_for(f"{folder}{i}")) for i in range(store.count)]
    for name in sorted({name for of_process in found for name in of_process["facts"]}):
        holders = defaultdict(list)
        for process, of_process in enumerate(found):
            value = of_process["facts"].get(name, "missing")
            holders[value].append(f"{of_process['host']} (process {process})")
        if len(holders) > 1:
            raise InputError(_disagreement(name, holders))


def doing(what: str, step: int) -> None:
    """Notes what this process does, for the line that the others print should it be its last."""
    if _watch is not None:
        _watch.doing = what, step


def reading(step: int) -> None:
    """As `doing`, of waiting for the batch of a step; whoever does so for too long has failed."""
    doing(READING, step)


@contextlib.contextmanager
def failures_told() -> Iterator[None]:
    """Tells the other hosts of an error that leaves the block, before anything else is closed.

    Closing may have to wait for them, and they wait for this one.
    """
    try:
        yield
    except BaseException as error:
        if _watch is not None:
            _watch.failed(error)
        raise


@contextlib.contextmanager
def watched() -> Iterator[None]:
    """Once this process has joined the others: ends with them, or says which of them failed.

    An error ends the process here, with the exit status it has elsewhere.
    """
    global _watch
    _watch = Watch(Store())
    try:
        with failures_told():
            yield
    except SystemExit:  # of all processes, after the same step
        _watch.part()
        raise
    except BaseException as error:
        _watch.end(error)
    else:
        _watch.part()


def lost() -> None:
    """Ends the process when the coordination service is gone; called in a thread of C++."""
    if _watch is not None:
        _watch.lost()


def _disagreement(name: str, holders: Mapping[str, list[str]]) -> str:
    shown = []
    for value, who in sorted(holders.items(), key=lambda item: len(item[1])):
        more = f" and {len(who) - _SHOWN} more" if len(who) > _SHOWN else ""
        shown.append(f"{value} on {', '.join(who[:_SHOWN])}{more}")
    return (
        f"the hosts of this run disagree: {name} is {'; '.join(shown)}; start the same command "
        "with the same code and data on all"
    )
