"""What all benchmarks share: how they time, what machine they name, how they report."""

import importlib.metadata
import json
import os
import pathlib
import platform
import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def seconds(run: Callable[[], object]) -> float:
    """That one call takes; it waits for what it starts."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


def median_seconds(run: Callable[[], object], repeats: int) -> float:
    """Of one call, after a first one that warms up."""
    run()
    return statistics.median(seconds(run) for _ in range(repeats))


def temporary_bytes(program: Any) -> int:
    """What XLA plans for a compiled program, besides what it takes and returns."""
    return program.memory_analysis().temp_size_in_bytes


def machine(*packages: str) -> dict[str, Any]:
    """The processor, its cores that this process may use, and versions of Python and `packages`."""
    versions = {name: importlib.metadata.version(name) for name in packages}
    return {
        "cpu": _processor(),
        "cores": len(os.sched_getaffinity(0)),
        "versions": {"python": platform.python_version(), **versions},
    }


def report(benchmark: str, result: Mapping[str, Any], lines: Sequence[str]) -> None:
    """Prints one line of JSON for programs, then `lines` for people."""
    print(json.dumps({"benchmark": benchmark, **_rounded(result)}))
    for line in lines:
        print(line)


def _rounded(value: Any) -> Any:
    """Floats to four digits, which is more than any measurement here holds."""
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, Mapping):
        return {name: _rounded(x) for name, x in value.items()}
    if isinstance(value, list | tuple):
        return [_rounded(x) for x in value]
    return value


def _processor() -> str:
    """The processor's name, as Linux has it."""
    information = pathlib.Path("/proc/cpuinfo")
    if information.exists():
        for line in information.read_text().splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
