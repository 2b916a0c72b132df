"""Results of `benchmarks.tpu_compile`: kept, told to people, and written to `results.json`."""

import datetime
import json
import pathlib
import subprocess
from collections.abc import Mapping
from typing import Any

from benchmarks import figures
from htt_jax.datasets.spec import SPECS
from htt_jax.support.errors import InputError

GROUP = "tpu"
_FORMATS = {  # of the figures, in the order of a page's columns
    "gb": ".1f",
    "temporaries_gb": ".1f",
    "frame_gflop": ".0f",
    "frame_mb": ".0f",
    "frame_main_mb": ".0f",
    "collectives_mb": ".0f",
    "ms": ".1f",
}
_COMMAND = "python -m benchmarks.tpu_compile"


def read(path: pathlib.Path) -> list[dict[str, Any]]:
    """The results in a file, one a line; none where there is no file yet.

    Raises:
        InputError: a line is no result.
    """
    if not path.exists():
        return []
    results = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), start=1):
        try:
            told = json.loads(line)
            told["key"]
        except (ValueError, KeyError, TypeError):
            raise InputError(
                f"--out={path}: line {number} is no result of {_COMMAND}; remove it"
            ) from None
        results.append(told)
    return results


def lines(told: Mapping[str, Any]) -> list[str]:
    """A result for people."""
    head = f"{_title(told)}; compiled in {told['compile_seconds']:.0f} s"
    if "too_large" in told:
        return [head, f"  does not fit: {told['too_large']}"]
    memory, slots = told["memory"], told["slots"] / told["chips"]
    parts = ", ".join(
        f"{name} {memory[name] / 1e9:.2f}"
        for name in ("arguments", "results", "temporaries", "program")
    )
    collectives = ", ".join(
        f"{one['count']} {kind} of {one['bytes'] / 1e6:.1f} MB"
        for kind, one in told["collectives"].items()
    )
    return [
        head,
        f"  memory, GB: {memory['total'] / 1e9:.2f}, {memory['of_chip']:.0%} of the chip's",
        f"    ({parts})",
        f"  {told['flops'] / 1e12:.3f} TFLOP, {told['bytes'] / 1e9:.2f} GB moved, of it "
        f"{told['main_memory_bytes'] / 1e9:.2f} to and from main memory",
        f"  a frame {told['flops'] / slots / 1e9:.1f} GFLOP, {told['bytes'] / slots / 1e6:.0f} MB, "
        f"main memory {told['main_memory_bytes'] / slots / 1e6:.0f} MB",
        f"  collectives: {collectives or 'none'}",
        "  at least, ms: "
        + ", ".join(f"{name} {ms:.2f}" for name, ms in told["at_least_ms"].items()),
        "  moves most, MB: ",
        *(
            f"    {one['mb']:8.0f} {one['operation']} {one['result']}  {one['of']}"
            for one in told["largest"]
        ),
    ]


def record(path: pathlib.Path) -> None:
    """Writes the newest result of each program to `results.json`; prints the lines of a page.

    Raises:
        InputError: there is none.
    """
    newest = {name(told): told for told in read(path)}
    if not newest:
        raise InputError(f"--out={path} has no result; compile a program first")
    results = figures.read(figures.RESULTS)
    group = results.get(GROUP, {"figures": {}})
    told = next(iter(newest.values()))
    group |= {
        "command": f"{_COMMAND}; nothing was run",
        "machine": "none: what the compiler says",
        "software": told["compiler"],
        "recorded": {"date": str(datetime.date.today()), "commit": _commit()},
    }
    for one in newest.values():
        group["figures"] |= figures_of(one)
    results[GROUP] = group
    figures.write(results)
    for one in newest.values():
        print(row(one))


def name(told: Mapping[str, Any]) -> str:
    """What figures of a result begin with."""
    parts = [told["dataset"], told["program"], told["topology"].replace(":", "_")]
    parts.append(f"{told['slots'] // told['chips']}")
    if told["clips"] > told["chips"] and told["program"] != "predict":
        parts.append(f"clips{told['clips'] // told['chips']}")
    if told["frames"] != 128:
        parts.append(f"t{told['frames']}")
    if told["fsdp"] > 1:
        parts.append(f"fsdp{told['fsdp']}")
    if told["rematerialise"]:
        parts.append("remat")
    return "_".join(parts)


def figures_of(told: Mapping[str, Any]) -> dict[str, Any]:
    """What `results.json` keeps of a result, by name; of what does not fit nothing."""
    slots, prefix = told["slots"] / told["chips"], name(told)
    if "too_large" in told:
        return {}
    found = {
        "gb": told["memory"]["total"] / 1e9,
        "temporaries_gb": told["memory"]["temporaries"] / 1e9,
        "frame_gflop": told["flops"] / slots / 1e9,
        "frame_mb": told["bytes"] / slots / 1e6,
        "frame_main_mb": told["main_memory_bytes"] / slots / 1e6,
        "collectives_mb": sum(one["bytes"] for one in told["collectives"].values()) / 1e6,
        "ms": max(told["at_least_ms"].values()),
    }
    if told["rematerialise"]:  # in a loop, of which the compiler counts one turn
        del found["frame_gflop"], found["frame_mb"]
        found["ms"] = told["at_least_ms"]["memory"]
    return {f"{prefix}_{measure}": float(f"{x:.4g}") for measure, x in found.items()}


def row(told: Mapping[str, Any]) -> str:
    """A line of a page's table, as `benchmarks.figures` fills it in."""
    chips = told["chips"]
    what = [told["program"], SPECS[told["dataset"]].title]
    what += [f"T = {told['frames']}"] if told["frames"] != 128 else []
    what += ["rematerialised"] if told["rematerialise"] else []
    what += [f"fsdp {told['fsdp']}"] if told["fsdp"] > 1 else []
    columns = [", ".join(what), told["topology"], told["clips"] // chips, told["slots"] // chips]
    kept = figures_of(told)
    names = {f"{name(told)}_{measure}": form for measure, form in _FORMATS.items()}
    cells = [f"{{{GROUP}.{key}:{form}}}" if key in kept else "" for key, form in names.items()]
    if "too_large" in told:
        cells[0] = "too large"
    return f"| {' | '.join(map(str, columns + cells))} |"


def _title(told: Mapping[str, Any]) -> str:
    remat = ", rematerialised" if told["rematerialise"] else ""
    fsdp = f", fsdp {told['fsdp']}" if told["fsdp"] > 1 else ""
    return (
        f"{told['program']}, {told['dataset']}, {told['topology']}: {told['chips']} chips, "
        f"{told['clips']} clips, {told['slots']} frames, T = {told['frames']}{fsdp}{remat}"
    )


def _commit() -> str:
    told = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"],
        cwd=figures.ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    return told.stdout.strip() or "unknown"
