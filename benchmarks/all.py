"""Runs the benchmarks of speed and memory whose figures are in docs, in sizes that suit the device.

Each is a process of its own with a time limit. Their lines of JSON are added to --out as they come,
the readable ones are printed. One that fails does not stop the others; the exit status is then 1.
What no longer fits in --minutes is left out, and said so: by default ten on a GPU, 240 elsewhere.
The most important come first.

    python -m benchmarks.all --out gpu.jsonl
    python -m benchmarks.all --out cpu.jsonl --only roofline train_step
    python -m benchmarks.all --out - --list
"""

import argparse
import json
import pathlib
import shlex
import tempfile
import time
from collections.abc import Sequence
from typing import Any, NamedTuple, TextIO

from benchmarks import commands, measure
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

_DATA = "{data}"  # stands for the folder of a dataset that is written before


class Planned(NamedTuple):
    """A benchmark.

    Attributes:
        command: its name and its arguments.
        seconds: that it may take; where fewer are left it is not begun.
    """

    command: str
    seconds: float

    @property
    def name(self) -> str:
        """Of the module."""
        return self.command.split()[0]


_MINUTES = {"gpu": 10.0, "cpu": 240.0}
_PLANS = {
    "gpu": [
        Planned("train_step --lengths fpha full --batches 8 --repeats 3", 150),
        Planned(f"dataset --out {_DATA} --videos 48 --published pixels", 40),
        Planned(f"end_to_end --data {_DATA} --settings ours device_only --steps 30", 90),
        Planned("inference --lengths fpha --batches 8 --repeats 3", 90),
        Planned("depth --systems direct feedback --settings ours published --steps 5", 150),
        Planned("roofline", 60),
        Planned("startup --repeats 1", 90),
        Planned("augment --frames 128", 30),
        Planned("memory settings --caches none device --videos 8", 120),
        Planned("online --config fpha --frames 960", 40),
        Planned(f"end_to_end --data {_DATA} --settings published tuned --steps 15", 120),
    ],
    "cpu": [
        Planned("train_step --lengths fpha full --batches 2 --rounds 2", 5400),
        Planned("inference --lengths fpha full --batches 2 --rounds 2", 3600),
        Planned("depth --rounds 2", 3600),
        Planned(f"dataset --out {_DATA} --videos 32 --published pixels --depth", 400),
        Planned(f"loader --data {_DATA} --steps 40", 300),
        Planned(f"depth_loader --data {_DATA}", 300),
        Planned(f"end_to_end --data {_DATA} --steps 6 --warm-up 2", 5400),
        Planned("decoders", 120),
        Planned("augment", 120),
        Planned("startup --repeats 3", 900),
        Planned("roofline", 600),
        Planned("memory settings", 1800),
        Planned("memory settings --analyse --frames 512", 600),
        Planned("memory leak", 900),
        Planned("memory video --width 240 --height 135", 900),
        Planned("prepare", 300),
        Planned("prepare_beam", 300),
        Planned("online", 600),
        Planned("online --config depth.feedback --width 640 --height 480", 300),
    ],
}
_NAMES = sorted({planned.name for plan in _PLANS.values() for planned in plan})


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--out", type=cli.location, required=True, help="file that lines of JSON are added to"
    )
    parser.add_argument("--minutes", type=float, help="for all together")
    parser.add_argument("--only", nargs="+", choices=_NAMES, help="which to run")
    parser.add_argument("--device", choices=_PLANS, help="by default what JAX finds")
    parser.add_argument("--list", action="store_true", help="say what would be run, and stop")
    options = parser.parse_args(argv)
    device = options.device or ("cpu" if commands.backend() == "cpu" else "gpu")
    minutes = _MINUTES[device] if options.minutes is None else options.minutes
    if minutes <= 0:
        raise InputError(f"--minutes is {minutes}; it must be above 0")
    plan = [one for one in _PLANS[device] if _is_chosen(one, options.only)]
    if options.list:
        for planned in plan:
            print(f"{planned.seconds:6.0f} s at most  python -m benchmarks.{planned.command}")
        return
    path = pathlib.Path(options.out)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a", encoding="utf-8")
    except OSError as error:
        raise InputError(f"--out={path} cannot be written: {error.strerror}") from None
    with file, tempfile.TemporaryDirectory() as folder:
        outcome = _run_all(plan, file, f"{folder}/data", 60 * minutes)
    _report(options, device, minutes, outcome)
    if outcome["failed"]:
        raise SystemExit(1)


def _is_chosen(planned: Planned, only: Sequence[str] | None) -> bool:
    """Whether it is asked for, or writes the dataset of one that is."""
    if not only or planned.name in only:
        return True
    return planned.name == "dataset" and bool({"loader", "depth_loader", "end_to_end"} & set(only))


def _run_all(plan: Sequence[Planned], file: TextIO, data: str, budget: float) -> dict[str, Any]:
    """Seconds of those that ran, and which failed or did not fit."""
    outcome: dict[str, Any] = {"seconds": {}, "failed": {}, "skipped": []}
    begin = time.perf_counter()
    for planned in plan:
        left = budget - (time.perf_counter() - begin)
        if left < planned.seconds:
            print(f"skipped: {planned.command}: {left:.0f} of {planned.seconds:.0f} s are left")
            outcome["skipped"].append(planned.command)
            continue
        print(f"--- {planned.command}", flush=True)
        start = time.perf_counter()
        try:
            _run(planned, file, data)
        except commands.Failure as failure:
            print(f"failed: {failure}", flush=True)
            outcome["failed"][planned.command] = str(failure)
        outcome["seconds"][planned.command] = time.perf_counter() - start
    return outcome


def _run(planned: Planned, file: TextIO, data: str) -> None:
    def take(line: str, result: dict[str, Any] | None) -> None:
        if result is None:
            print(line, flush=True)
            return
        file.write(json.dumps(result | {"command": planned.command}) + "\n")
        file.flush()  # what there is stays if the next one brings the machine down

    name, *arguments = shlex.split(planned.command)
    given = [data if argument == _DATA else argument for argument in arguments]
    commands.run(f"benchmarks.{name}", given, planned.seconds, take)


def _report(
    options: argparse.Namespace, device: str, minutes: float, outcome: dict[str, Any]
) -> None:
    lines = [f"failed: {command}: {why}" for command, why in outcome["failed"].items()]
    lines += [f"skipped for lack of time: {command}" for command in outcome["skipped"]]
    done = len(outcome["seconds"]) - len(outcome["failed"])
    lines.append(
        f"{done} benchmarks in {sum(outcome['seconds'].values()) / 60:.1f} of {minutes:g} minutes, "
        f"{len(outcome['failed'])} failed, {len(outcome['skipped'])} skipped: {options.out}"
    )
    result = outcome | {"device": device, "options": vars(options)}
    measure.report("all", result | measure.machine("jax", "jaxlib", "flax", "torch"), lines)


if __name__ == "__main__":
    cli.run(main, process.prepare)
