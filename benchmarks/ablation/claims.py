"""Runs shared out among processes, on one machine or on many that see one folder.

A run's folder is locked by the process that performs it, so that the claim ends with the process,
however that ends. On NFS the server keeps the locks, and gives those of a host that has died free.
"""

import contextlib
import dataclasses
import json
import os
import pathlib
import socket
import time
from collections.abc import Callable, Iterator, Sequence

from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.support.locking import Taken, locked

OWNER = "owner.json"
RECORD = "record.json"
"""Says that a run is done."""

_LOOK_AGAIN = 0.2  # seconds
_WAIT = 5.0  # seconds, for a run of another process


def share(
    names: Sequence[str],
    folder: pathlib.Path,
    perform: Callable[[str], None],
    before: Callable[[str], str | None] = lambda name: None,
    waiting: Callable[[str, str, str], None] = lambda name, before, who: None,
) -> tuple[list[str], bool]:
    """Performs each run that is neither done nor another process's, in the order given.

    What others have is looked at again after the last, since they may have been stopped meanwhile.
    A run that must come after one of theirs waits for it, as long as that is surely under way.

    Args:
        names: of the runs.
        folder: in which each has its own.
        perform: does one, and writes `RECORD` into its folder unless it fails.
        before: the run that must be done before one; None: there is none.
        waiting: told once of a run, of that before it, and who performs that.

    Returns:
        The runs that other processes have, or that come after one that is not done; whether the
        file system has locks: if not, nothing keeps two processes off one run.
    """
    left, has_locks = list(names), True
    attempted: set[str] = set()
    told: set[str] = set()
    while True:
        taken, attempts = [], len(attempted)
        later: dict[str, str] = {}  # with the one before
        for name in left:
            if is_done(folder / name):
                continue
            first = before(name)
            if first is not None and not is_done(folder / first):
                taken.append(name)
                later[name] = first
                continue
            try:
                with _claimed(folder / name) as locks:
                    has_locks &= locks
                    if name not in attempted and not is_done(folder / name):
                        attempted.add(name)
                        perform(name)
            except Taken:
                taken.append(name)
        left = taken
        is_over = any(is_done(folder / first) for first in later.values())
        if taken and (len(attempted) > attempts or is_over):
            continue
        owners = {name: owner(folder / first) for name, first in later.items()}
        under_way = {name: found.name for name, found in owners.items() if found and found.sure}
        if not under_way:
            return taken, has_locks
        for name in under_way.keys() - told:
            waiting(name, later[name], under_way[name])
            told.add(name)
        time.sleep(_WAIT)


def is_done(run: pathlib.Path) -> bool:
    """Whether the run in that folder is."""
    return (run / RECORD).exists()


@dataclasses.dataclass(frozen=True)
class Owner:
    """Who performs a run.

    Attributes:
        name: host and process.
        sure: else it may have ended: the folder has no locks, or cannot be written to.
    """

    name: str
    sure: bool


def owner(run: pathlib.Path) -> Owner | None:
    """Who performs the run in that folder; None: nobody, or it is done."""
    if is_done(run) or not (run / OWNER).exists():
        return None
    sure = False
    try:
        with locked(run) as has_locks:
            if has_locks:
                return None
    except Taken:
        sure = True
    except InputError:  # not to be written to
        pass
    told = json.loads((run / OWNER).read_text("utf-8"))
    return Owner(f"{told['host']}, process {told['process']}, since {told['since']}", sure)


@contextlib.contextmanager
def _claimed(run: pathlib.Path) -> Iterator[bool]:
    """Keeps the run for this process; whether the file system has locks."""
    with contextlib.ExitStack() as stack:
        try:
            has_locks = stack.enter_context(locked(run))
        except Taken:  # by a process that only looked, perhaps
            time.sleep(_LOOK_AGAIN)
            has_locks = stack.enter_context(locked(run))
        since = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime())
        told = {"host": socket.gethostname(), "process": os.getpid(), "since": since}
        # A new file also makes NFS look at the folder anew, which may hold what others did.
        with atomic_write(run / OWNER, "w") as file:
            json.dump(told, file)
        yield has_locks
