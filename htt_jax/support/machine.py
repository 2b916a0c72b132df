"""What this process may use of the machine: its cores and memory, also inside a container or job.

Docker, Kubernetes and Slurm set limits to a control group (cgroup) of processes, in version 1 or 2
of the kernel's interface. A group's limits hold for the groups below it, too.
"""

import math
import os
import pathlib
from collections.abc import Iterator

_ROOT = pathlib.Path("/")
_PERIOD, _QUOTA = "cpu.cfs_period_us", "cpu.cfs_quota_us"


def usable_cores(root: pathlib.Path = _ROOT) -> int:
    """Cores that this process may keep busy: by its affinity and its groups' quotas; at least 1.

    Args:
        root: below which /proc and /sys lie.
    """
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    quota = min(map(_quota, _groups(root, "cpu")), default=math.inf)
    # Of 1.5 cores the second is used as well, if not all the time.
    return max(1, math.ceil(min(cores, quota)))


def available_memory(root: pathlib.Path = _ROOT) -> int:
    """Bytes of memory that this process can have without swapping or being stopped for them.

    Args:
        root: below which /proc and /sys lie.
    """
    fields = dict(line.split(":") for line in _lines(root / "proc/meminfo"))
    free = 1024 * int(fields["MemAvailable"].split()[0])
    room = min(map(_room, _groups(root, "memory")), default=math.inf)
    return max(0, int(min(free, room)))


def _groups(root: pathlib.Path, controller: str) -> Iterator[pathlib.Path]:
    """The folders of this process's groups that may set limits, from its own to the outermost.

    Inside a container some, or all, have other names or are not to be seen; they are left out.
    """
    mounts = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, name = line.split(":", 2)
        if not controllers:  # version 2, whose groups have all controllers
            trees = [mounts, mounts / "unified"]
        elif controller in controllers.split(","):
            trees = [mounts / controllers, mounts / controller]
        else:
            continue
        own = pathlib.PurePosixPath(name.lstrip("/"))
        for tree in trees:
            yield from (tree / group for group in (own, *own.parents) if (tree / group).is_dir())


def _quota(group: pathlib.Path) -> float:
    """Cores that the processes of a group may use together; infinity if all."""
    if words := _words(group / "cpu.max"):  # version 2: 'QUOTA PERIOD' or 'max PERIOD'
        return math.inf if words[0] == "max" else int(words[0]) / int(words[1])
    quota, period = _words(group / _QUOTA), _words(group / _PERIOD)
    if not quota or not period or int(quota[0]) < 0:
        return math.inf
    return int(quota[0]) / int(period[0])


def _room(group: pathlib.Path) -> float:
    """Bytes that the processes of a group may still take; infinity if it has no limit."""
    for limit, usage, cached in (
        ("memory.max", "memory.current", "inactive_file"),
        ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):
        most, used = _words(group / limit), _words(group / usage)
        if most and used and most[0] != "max":
            # What the system keeps of files counts as used, and is given back when it is needed.
            kept = dict(line.split() for line in _lines(group / "memory.stat")).get(cached, "0")
            return int(most[0]) - int(used[0]) + int(kept)
    return math.inf


def _lines(path: pathlib.Path) -> list[str]:
    """Of a file of the kernel's; none where it is missing or not to be read."""
    try:
        return path.read_text("utf-8").splitlines()
    except OSError:
        return []


def _words(path: pathlib.Path) -> list[str]:
    return " ".join(_lines(path)).split()
