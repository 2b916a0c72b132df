"""Runs the same measurement in several settings, each in a process of its own, and compares them.

Commands of this project change how the C library gives memory back (`devices.host_memory`), which
would change PyTorch's speed too. Here only `OURS`, `published_kept` and `tuned` run so; the setting
`published` runs as its users run it.
"""

import argparse
import dataclasses
import importlib
import json
import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from absl import flags

from benchmarks import measure
from htt_jax.devices import host_memory
from htt_jax.support.errors import InputError

OURS = "ours"
PYTORCH = ("published", "published_kept", "tuned")
AS_USERS_RUN_IT = ("published",)
BAD_INPUT = 2  # exit status, as of every command here


class Counts(NamedTuple):
    """Frames of a run: real ones, and all that are computed."""

    real: int
    computed: int


@dataclasses.dataclass(frozen=True)
class Measurement:
    """What a process measured. A run is several steps, at the end of which it waited.

    Attributes:
        device: its name.
        dtype: of the computation.
        warm_up_seconds: of the first run or more, with compilation.
        steps: of a run.
        seconds: of each run.
        real_frames: of each run.
        computed_frames: of each run; padding, too, where it is computed.
        device_peak_gb: largest device memory in use; None where the device does not tell.
        process_peak_gb: largest resident memory of the process.
    """

    device: str
    dtype: str
    warm_up_seconds: float
    steps: int
    seconds: list[float]
    real_frames: list[int]
    computed_frames: list[int]
    device_peak_gb: float | None
    process_peak_gb: float

    @property
    def real_frames_per_second(self) -> float:
        """Median over the runs."""
        return statistics.median(
            real / seconds for real, seconds in zip(self.real_frames, self.seconds, strict=True)
        )

    @property
    def seconds_per_step(self) -> float:
        """Median over the runs."""
        return statistics.median(self.seconds) / self.steps

    def summary(self) -> dict[str, Any]:
        """The numbers that benchmarks report."""
        return {
            "seconds_per_step": self.seconds_per_step,
            "real_frames_per_second": self.real_frames_per_second,
            "computed_per_real_frame": sum(self.computed_frames) / sum(self.real_frames),
            "warm_up_seconds": self.warm_up_seconds,
            "seconds_per_step_of_each_run": [x / self.steps for x in self.seconds],
            "device": self.device,
            "dtype": self.dtype,
            "device_peak_gb": self.device_peak_gb,
            "process_peak_gb": self.process_peak_gb,
        }


def add_options(parser: argparse.ArgumentParser, settings: Sequence[str]) -> None:
    """Adds what all comparisons can be told; `settings` are those there are."""
    parser.add_argument(
        "--settings", nargs="+", choices=settings, help="which to run; by default all that differ"
    )
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help=_DTYPE_HELP)
    parser.add_argument("--repeats", type=int, default=3, help="runs in a process, of all batches")
    parser.add_argument(
        "--rounds", type=int, default=1, help="processes of each setting, which take turns"
    )


_DTYPE_HELP = "of our computation; by default bfloat16 on a GPU and float32 elsewhere"


def chosen(options: argparse.Namespace, settings: Sequence[str]) -> list[str]:
    """The settings to run: on a GPU the processor's allocator makes no difference.

    Raises:
        InputError: an option that counts something is not positive.
    """
    for name, value in vars(options).items():
        if isinstance(value, int) and value < 1:
            raise InputError(f"--{name.replace('_', '-')} is {value}; it must be at least 1")
    if options.settings:
        return list(dict.fromkeys(options.settings))
    import torch  # takes a while, which --help need not wait for

    on_gpu = torch.cuda.is_available()
    return [name for name in settings if not (on_gpu and name == "published_kept")]


def compare_lengths(module: str, settings: Sequence[str], options: argparse.Namespace) -> None:
    """Measures and reports, for each kind of lengths asked for."""
    selected = chosen(options, settings)
    result: dict[str, Any] = {}
    text: list[str] = []
    for name in options.lengths:
        found = compare(module, selected, vars(options) | {"lengths": name}, options.rounds)
        result[name] = described(found)
        text += lines(f"{name:<4}", found)
    benchmark = module.rsplit(".", 1)[-1]
    measure.report(
        benchmark,
        machine() | {"options": vars(options), "lengths": result},
        text,
    )


def machine() -> dict[str, Any]:
    """The machine and all that takes part in a comparison.

    The load tells whether it had anything else to do, which slows PyTorch down more than JAX: its
    threads wait for each other at the end of every operation.
    """
    packages = measure.machine("jax", "jaxlib", "flax", "torch")
    return packages | {"load_average_15_minutes": os.getloadavg()[2]}


def described(found: Mapping[str, Measurement]) -> dict[str, Any]:
    """What a comparison reports for programs."""
    return {
        "settings": {name: one.summary() for name, one in found.items()},
        "ours_times_as_fast_as": ratios(found),
    }


def compare(
    module: str, settings: Sequence[str], options: Mapping[str, Any], rounds: int
) -> dict[str, Measurement]:
    """Measures each setting; in every round one process of each, one after another.

    Args:
        module: whose function `measure(setting, options)` returns a `Measurement`.
        settings: of that function.
        options: handed to it.
        rounds: whose runs are put together; memory and warm-up are those of the last one.

    Raises:
        InputError: a process failed.
    """
    found: dict[str, Measurement] = {}
    for _ in range(rounds):
        for setting in settings:
            print(f"measuring {setting} ...", file=sys.stderr)
            new, old = _in_process(module, setting, options), found.get(setting)
            found[setting] = new if old is None else _joined(old, new)
    return found


def ratios(found: Mapping[str, Measurement]) -> dict[str, float]:
    """How many times as many real frames a second ours computes as each other setting."""
    if OURS not in found:
        return {}
    ours = found[OURS].real_frames_per_second
    return {
        name: ours / other.real_frames_per_second
        for name, other in found.items()
        if name in PYTORCH
    }


def lines(title: str, found: Mapping[str, Measurement]) -> list[str]:
    """A readable line for each setting."""
    ours = ratios(found)
    width = max(len(name) for name in found)
    return [
        f"{title} {name:<{width}} {one.real_frames_per_second:8.2f} real frames/s, "
        f"{one.seconds_per_step:.4g} s a step, "
        f"{one.summary()['computed_per_real_frame']:.2f} frames computed per real one, "
        f"{one.dtype} on {one.device}" + (f"; ours is {ours[name]:.2f} x" if name in ours else "")
        for name, one in found.items()
    ]


def measured(
    run: Callable[[], Counts],
    repeats: int,
    *,
    steps: int,
    warm_up: Callable[[], object],
    facts: Callable[[], Mapping[str, Any]],
) -> Measurement:
    """Of `repeats` runs of so many steps; `run` waits for them and returns their numbers of frames.

    `facts` tells device, dtype and memory afterwards.
    """
    warm_up_seconds = measure.seconds(warm_up)
    seconds, counts = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        counts.append(run())
        seconds.append(time.perf_counter() - start)
    return Measurement(
        warm_up_seconds=warm_up_seconds,
        steps=steps,
        seconds=seconds,
        real_frames=[count.real for count in counts],
        computed_frames=[count.computed for count in counts],
        process_peak_gb=process_peak_gb(),
        **facts(),
    )


def process_peak_gb() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _joined(old: Measurement, new: Measurement) -> Measurement:
    return dataclasses.replace(
        new,
        seconds=old.seconds + new.seconds,
        real_frames=old.real_frames + new.real_frames,
        computed_frames=old.computed_frames + new.computed_frames,
    )


def _in_process(module: str, setting: str, options: Mapping[str, Any]) -> Measurement:
    command = [sys.executable, "-m", __spec__.name, module, setting, json.dumps(options)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if done.returncode == BAD_INPUT:
        sys.exit(BAD_INPUT)  # the process has said what is wrong
    if done.returncode:
        raise InputError(
            f"the process that measured {setting} ended with status {done.returncode}; "
            "what it said stands above, and -9 means that memory did not suffice"
        )
    return Measurement(**json.loads(done.stdout.splitlines()[-1]))


def _main(module: str, setting: str, options: str) -> None:
    """Of a process that measures; what it finds is the last line it prints."""
    flags.FLAGS.mark_as_parsed()  # Grain reads absl flags in its worker processes
    if setting not in AS_USERS_RUN_IT:
        host_memory.keep_freed()
    # Only now, since it must come before there are threads, which PyTorch and JAX start.
    benchmark = importlib.import_module(module)
    try:
        found = benchmark.measure(setting, argparse.Namespace(**json.loads(options)))
    except InputError as error:
        print(f"error: {error}", file=sys.stderr)
        sys.exit(BAD_INPUT)
    print(json.dumps(dataclasses.asdict(found)))


if __name__ == "__main__":
    _main(*sys.argv[1:])
