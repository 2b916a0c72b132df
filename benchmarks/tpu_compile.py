"""Compiles a run's programs for TPUs that are not there, and says what they need of a chip.

The training step, the evaluation step and prediction, with the paper's shapes and clips as long as
the dataset's, for every number of slots that a run's batches would have, by the compiler that comes
with libtpu (`pip install -e '.[tpu]'`; Linux, x86-64). Weights and frames are not needed. Of each:

    memory      of arguments, results, temporaries and the program, against the chip's
    FLOP, bytes the compiler's own count for a chip. It has the bytes that operations take from and
                put into the chip's own fast memory too; those of the main memory alone are read off
                the program's text (`benchmarks.hlo`)
    collectives by kind, and the bytes of their results on a chip
    at least    milliseconds by the chip's public rates of computing, memory and network
                (`benchmarks.tpu_chips`); nothing was run

A program takes minutes to compile. Each result is added to --out as it comes, and what --out has is
not compiled again unless the program has changed. With --record the results are written to
`benchmarks/results.json`, and the lines that docs/tpu.md must have for them are printed.

    python -m benchmarks.tpu_compile --config configs/fpha.py --topology v5e:4x4
    python -m benchmarks.tpu_compile --config configs/fpha.py --topology v5e:1x1 --programs train \\
        --slots 48 128 --config.data.frames=512 --config.model.rematerialise=True
    python -m benchmarks.tpu_compile --config configs/fpha.py --topology v5p:2x2x2 \\
        --config.mesh.fsdp=8 --list
"""

import argparse
import hashlib
import importlib.metadata
import json
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any

import jax

from benchmarks import hlo, measure, tpu_chips, tpu_programs, tpu_records
from benchmarks.tpu_chips import Chip, Topology
from benchmarks.tpu_programs import Program, Setup
from htt_jax.datasets.spec import SPECS
from htt_jax.runs.config import check_devices, check_options
from htt_jax.runs.options import get_config
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import make_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options, rest = _parser().parse_known_args(argv)
    if options.record:
        tpu_records.record(options.out)
        return
    setup = _setup(options, rest)
    programs = _programs(setup, options)
    if options.list:
        for program in programs:
            print(_titled(setup, program))
        return
    known = {told["key"]: told for told in tpu_records.read(options.out)}
    make_folder(options.out.parent)
    for number, program in enumerate(programs, start=1):
        title = f"{_titled(setup, program)} ({number} of {len(programs)})"
        print(f"{title}: tracing", file=sys.stderr, flush=True)
        lowered = program.lower()
        key = _key(setup.topology, lowered)
        if key not in known:
            print(f"{title}: compiling, for minutes", file=sys.stderr, flush=True)
            known[key] = {"key": key} | _found(setup, program, lowered)
            with options.out.open("a", encoding="utf-8") as file:
                file.write(json.dumps(known[key]) + "\n")
        measure.report("tpu_compile", known[key], tpu_records.lines(known[key]))


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--topology", default="v5e:1x1", help="chips, such as v5e:4x4, v4:2x2x2")
    parser.add_argument("--clips", type=int, default=1, help="of a batch, on each chip")
    parser.add_argument("--programs", nargs="+", choices=tpu_programs.KINDS, help="by default all")
    parser.add_argument(
        "--slots", nargs="+", type=int, help="frames of a batch, on each chip; by default a run's"
    )
    parser.add_argument("--dataset", choices=SPECS, help="by default the config's folder tells")
    parser.add_argument(
        "--out", type=cli.path, default="build/tpu_compile.jsonl", help="where results are added"
    )
    parser.add_argument("--list", action="store_true", help="say what would be compiled, and stop")
    parser.add_argument("--record", action="store_true", help="--out to results.json, and stop")
    return parser


def _setup(options: argparse.Namespace, rest: Sequence[str]) -> Setup:
    topology = tpu_chips.topology(options.topology)
    if options.clips < 1:
        raise InputError(f"--clips is {options.clips}; it must be at least 1")
    config = cli.parse_config(_joined(rest), get_config)
    config.batch_size = config.eval.batch_size = options.clips * topology.chips
    if config.model.dtype == "auto":
        config.model.dtype = "bfloat16"  # as on TPUs
    check_options(config)
    check_devices(config, topology.chips)
    spec = tpu_programs.spec_of(config, options.dataset)
    return Setup(config, spec, topology, options.clips)


def _joined(arguments: Sequence[str]) -> list[str]:
    """`--config FILE` as absl takes it, `--config=FILE`."""
    joined = list(arguments)
    if "--config" in joined[:-1]:
        place = joined.index("--config")
        joined[place : place + 2] = [f"--config={joined[place + 1]}"]
    return joined


def _programs(setup: Setup, options: argparse.Namespace) -> list[Program]:
    programs = []
    for kind in options.programs or tpu_programs.KINDS:
        sizes = setup.sizes(kind)
        if options.slots is not None:
            chips = 1 if kind == "predict" else setup.topology.chips
            if kind == "predict" and any(slots not in sizes for slots in options.slots):
                raise InputError(
                    f"--slots: prediction has batches of {', '.join(map(str, sizes))} frames; "
                    "name some of these, or leave it out of --programs"
                )
            sizes = tuple(slots * chips for slots in options.slots)
        programs += [setup.program(kind, slots) for slots in sizes]
    if any(program.slots < program.chips for program in programs):
        raise InputError("--slots must be at least 1")
    return programs


def _titled(setup: Setup, program: Program) -> str:
    return (
        f"{program.kind}, {setup.spec.title}, {setup.topology.name}, {program.clips} clips, "
        f"{program.slots} frames"
    )


def _key(topology: Topology, lowered: Any) -> str:
    """Of a program as it is written, the chips it is for, and the compiler."""
    compiler = importlib.metadata.version("libtpu")
    text = f"{topology.name} {compiler} {lowered.as_text()}"
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _found(setup: Setup, program: Program, lowered: Any) -> dict[str, Any]:
    config = setup.config
    told = {
        "program": program.kind,
        "dataset": setup.spec.name,
        "topology": setup.topology.name,
        "hosts": 1 if program.kind == "predict" else setup.topology.hosts,
        "chips": program.chips,
        "clips": program.clips,
        "slots": program.slots,
        "frames": config.data.frames,
        "fsdp": config.mesh.fsdp,
        "rematerialise": config.model.rematerialise,
        "dtype": config.model.dtype,
        "compiler": f"jax {jax.__version__}, libtpu {importlib.metadata.version('libtpu')}",
    }
    begin = time.perf_counter()
    try:
        compiled = lowered.compile()
    except jax.errors.JaxRuntimeError as error:
        if "RESOURCE_EXHAUSTED" not in str(error):
            raise
        reason = next(line for line in str(error).splitlines() if "RESOURCE_EXHAUSTED" in line)
        return told | {"compile_seconds": time.perf_counter() - begin, "too_large": reason}
    told["compile_seconds"] = time.perf_counter() - begin
    return told | _analysed(compiled, setup.topology.chip, program.chips)


def _analysed(compiled: Any, chip: Chip, chips: int) -> dict[str, Any]:
    """What a compiled program needs of each of its chips, in bytes, FLOP and milliseconds."""
    memory, cost = compiled.memory_analysis(), compiled.cost_analysis()
    module = hlo.parse(compiled.as_text())
    collectives = module.collectives()
    main = sum(one.bytes for one in module.moved())
    kept = memory.argument_size_in_bytes + memory.output_size_in_bytes
    needed = {
        "arguments": memory.argument_size_in_bytes,
        "results": memory.output_size_in_bytes - memory.alias_size_in_bytes,
        "temporaries": memory.temp_size_in_bytes,
        "program": memory.generated_code_size_in_bytes,
    }
    total = kept - memory.alias_size_in_bytes + needed["temporaries"] + needed["program"]
    sent = sum(_sent(kind, told["bytes"], chips) for kind, told in collectives.items())
    return {
        "memory": needed | {"total": total, "of_chip": total / chip.memory},
        "flops": cost["flops"],
        "bytes": cost["bytes accessed"],
        "main_memory_bytes": main,
        "collectives": collectives,
        "at_least_ms": {
            "computing": 1000 * cost["flops"] / chip.flops,
            "memory": 1000 * main / chip.memory_rate,
            "network": 1000 * sent / chip.network_rate,
        },
        "largest": _largest(module),
    }


def _sent(kind: str, result: int, chips: int) -> float:
    """Bytes that a chip sends at least, among all chips; `result` is what it holds afterwards.

    All parts but its own, of an all-reduce twice; of a reduce-scatter the result is one part.
    """
    if kind == "collective-permute":
        return result
    parts = {"all-reduce": 2 / chips, "reduce-scatter": 1.0}.get(kind, 1 / chips)
    return parts * (chips - 1) * result


def _largest(module: hlo.Module, count: int = 12) -> list[Mapping[str, Any]]:
    """The operations that move most, by our own count (`benchmarks.hlo`)."""
    moved = sorted(module.moved(), key=lambda one: -one.bytes)[:count]
    return [
        {
            "mb": one.bytes / 1e6,
            "operation": one.instruction.opcode,
            "result": one.instruction.shape[:120],
            "of": hlo.origin(one.instruction),
        }
        for one in moved
    ]


if __name__ == "__main__":
    cli.run(main)
