"""Has anything become slower? Compares ratios with stored ones; run it before a release.

Ratios of times taken on the same machine one after another, which depend on it less than times:

    train_step   real frames a second, ours / published code, clips as long as FPHA's
    inference    the same of evaluation
    loader       real frames delivered a second / decoded by as many cores
    startup      seconds to the first step, first start / second, with the programs kept

All are better the larger they are. `benchmarks/ratios.json` has those of each kind of device, "cpu"
and "gpu". Exit status 1 if one is smaller than stored by more than --tolerance. With --store what
is found takes the place of what is stored; look at the difference before it is committed.

    python -m benchmarks.guard
    python -m benchmarks.guard --store
    python -m benchmarks.guard --only train_step --rounds 2
"""

import argparse
import json
import pathlib
import sys
import tempfile
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from benchmarks import commands, measure
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

RATIOS = pathlib.Path(__file__).with_name("ratios.json")
_LIMIT = 1800  # seconds of a benchmark
_LENGTHS = "fpha"


class Guarded(NamedTuple):
    """A benchmark: its arguments, given the options and a dataset, and its ratio in the result."""

    arguments: Callable[[argparse.Namespace, str], list[str]]
    ratio: Callable[[Mapping[str, Any]], float]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--only", nargs="+", choices=_GUARDED, default=list(_GUARDED))
    parser.add_argument("--tolerance", type=float, default=0.15, help="share of a stored ratio")
    parser.add_argument("--store", action="store_true", help="store what is found")
    parser.add_argument("--frames", type=int, default=32, help="T, of a clip")
    parser.add_argument("--clips", type=int, default=2, help="of a batch")
    parser.add_argument("--width", type=int, default=480, help="of train_step and inference")
    parser.add_argument("--height", type=int, default=270, help="of train_step and inference")
    parser.add_argument("--rounds", type=int, default=1, help="of train_step and inference")
    options = parser.parse_args(argv)
    if not 0 < options.tolerance < 1:
        raise InputError(f"--tolerance is {options.tolerance}; it must be between 0 and 1")
    stored = _read(RATIOS)
    device = "cpu" if commands.backend() == "cpu" else "gpu"
    found = _measure(options)
    before = stored.get(device, {})
    slower = [name for name, ratio in found.items() if _is_slower(ratio, before.get(name), options)]
    if options.store:
        stored[device] = before | {name: round(ratio, 3) for name, ratio in found.items()}
        RATIOS.write_text(json.dumps(stored, indent=2, sort_keys=True) + "\n")
    _report(options, device, before, found, slower)
    if slower and not options.store:
        sys.exit(1)


def _compared(options: argparse.Namespace, _: str) -> list[str]:
    sizes = ("frames", "clips", "width", "height", "rounds")
    numbers = [f"--{name}={getattr(options, name)}" for name in sizes]
    return [*numbers, "--batches=2", "--lengths", _LENGTHS, "--settings", "ours", "published"]


def _times_as_fast(result: Mapping[str, Any]) -> float:
    return result["lengths"][_LENGTHS]["ours_times_as_fast_as"]["published"]


_GUARDED = {
    "train_step": Guarded(_compared, _times_as_fast),
    "inference": Guarded(_compared, _times_as_fast),
    "loader": Guarded(
        lambda options, data: [f"--data={data}", "--steps=40"],
        lambda result: result["workers"]["0"]["per_core"] / result["decoded_per_second_one_core"],
    ),
    "startup": Guarded(lambda options, data: ["--repeats=1"], lambda result: result["ratio"]),
}


def _measure(options: argparse.Namespace) -> dict[str, float]:
    found = {}
    with tempfile.TemporaryDirectory() as folder:
        data = str(pathlib.Path(folder) / "data")
        try:
            if "loader" in options.only:
                commands.run("benchmarks.dataset", [f"--out={data}", "--videos=8"], _LIMIT)
            for name in dict.fromkeys(options.only):
                guarded = _GUARDED[name]
                arguments = guarded.arguments(options, data)
                result = commands.one_result(f"benchmarks.{name}", arguments, _LIMIT)
                found[name] = guarded.ratio(result)
        except commands.Failure as failure:
            raise InputError(str(failure)) from None
    return found


def _read(path: pathlib.Path) -> dict[str, dict[str, float]]:
    try:
        stored = json.loads(path.read_text()) if path.exists() else {}
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; restore it from the repository") from None
    return stored


def _is_slower(ratio: float, before: float | None, options: argparse.Namespace) -> bool:
    return before is not None and ratio < before * (1 - options.tolerance)


def _report(
    options: argparse.Namespace,
    device: str,
    before: Mapping[str, float],
    found: Mapping[str, float],
    slower: Sequence[str],
) -> None:
    lines = [f"{device + ':':<12}{'stored':>8}{'found':>8}"]
    for name, ratio in found.items():
        stored = f"{before[name]:.3f}" if name in before else "-"
        verdict = "slower" if name in slower else "ok" if name in before else "not stored"
        lines.append(f"{name:<12}{stored:>8}{ratio:>8.3f}  {verdict}")
    machine = measure.machine("jax", "jaxlib", "flax", "torch")
    lines.append(
        f"tolerance {options.tolerance:.0%}; {machine['cores']} cores of {machine['cpu']}"
        + (f"; stored in {RATIOS}" if options.store else "")
    )
    result = {"stored": before, "found": found, "slower": slower, "options": vars(options)}
    measure.report("guard", result | {"device": device, **machine}, lines)


if __name__ == "__main__":
    cli.run(main, process.prepare)
