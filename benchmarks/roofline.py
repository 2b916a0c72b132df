"""Where does a training step's time go, and how near is it to what the device can do?

First what the device can do: the product of two large square matrices, and an operation that reads
and writes a large array. Then each part of the step for itself, under jit, on full clips:

    augmentation       uint8 frames to augmented float32 ones
    backbone           ResNet-18, forward
    backbone, gradient the same, forward and backward
    blocks, gradient   all that comes after the features, forward and backward
    optimizer          Adam on all parameters
    whole step         as training has it

For each: the work it cannot do without (`benchmarks.matrix_work`: products and convolutions, and
the bytes they and the program's ends move, all else fused), what share of the measured rates that
comes to, and which of the two rates bounds it. XLA's own count of operations and bytes is in the
JSON line. Parts do not add up to the step: in it they overlap and share passes over memory.

    python -m benchmarks.roofline
    python -m benchmarks.roofline --frames 32 --width 160 --height 90 --matrix 512 --copy-mb 64
"""

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from benchmarks import clip_batches, matrix_work, measure, ours
from benchmarks import roofline_parts as parts
from benchmarks.matrix_work import Work
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.devices import compilation, process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

WHOLE = "whole step"


class Found(NamedTuple):
    """A part's time, its least work, and XLA's own count of operations and bytes."""

    seconds: float
    work: Work
    xla_flops: float | None
    xla_bytes: float | None


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    on_processor = jax.default_backend() == "cpu"
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--frames", type=int, default=64 if on_processor else 256, help="of the batch"
    )
    parser.add_argument("--clips", type=int, default=2, help="of the batch")
    parser.add_argument("--width", type=int, default=STORED_SIZE[0], help="pixels")
    parser.add_argument("--height", type=int, default=STORED_SIZE[1], help="pixels")
    parser.add_argument("--dtype", choices=("float32", "bfloat16"), help="by default the fast one")
    parser.add_argument("--repeats", type=int, default=5, help="runs; the median counts")
    parser.add_argument(
        "--calls", type=int, default=1 if on_processor else 10, help="of a run, then waited for"
    )
    parser.add_argument("--matrix", type=int, default=2048 if on_processor else 8192, help="rows")
    parser.add_argument("--copy-mb", type=int, default=512 if on_processor else 4096)
    options = parser.parse_args(argv)
    _check(options)
    rates = _rates(options)
    found = _measure(options)
    _report(options, rates, found)


def _check(options: argparse.Namespace) -> None:
    for name, value in vars(options).items():
        if isinstance(value, int) and value < 1:
            raise InputError(f"--{name.replace('_', '-')} is {value}; it must be at least 1")
    if options.frames % (16 * options.clips):
        raise InputError(
            f"--frames is {options.frames}; it must be a multiple of 16 x --clips, "
            f"{16 * options.clips}: whole windows"
        )


def _rates(options: argparse.Namespace) -> dict[str, float]:
    """Operations a second of square matrix products, and bytes a second read and written."""
    rates = {}
    rows = options.matrix
    for dtype in (jnp.bfloat16, jnp.float32):
        x = jax.random.normal(jax.random.key(0), (rows, rows), dtype)
        seconds = _seconds(jax.jit(jnp.matmul), (x, x), options)
        rates[jnp.dtype(dtype).name] = 2 * rows**3 / seconds
    x = jnp.zeros(options.copy_mb * 250_000, jnp.float32)
    rates["copy"] = 2 * x.nbytes / _seconds(jax.jit(lambda x: x + 1), (x,), options)
    return rates


def _measure(options: argparse.Namespace) -> dict[str, Found]:
    clips = clip_batches.draw(
        "full",
        training=True,
        batches=1,
        clips=options.clips,
        frames=options.frames // options.clips,
        image_size=(options.width, options.height),
    )
    config = ours.make_config(clips=options.clips, frames=clips.frames, dtype=options.dtype)
    options.dtype = config.model.dtype
    step = parts.make(config, clips)
    found = {}
    for name, function, arguments in step.parts():
        found[name] = _part(function, arguments, options)
    found[WHOLE] = _whole(step, options)
    return found


def _part(
    function: Callable[..., Any], arguments: tuple[Any, ...], options: argparse.Namespace
) -> Found:
    jitted = jax.jit(function, compiler_options=compilation.options(jax.default_backend()))
    program = jitted.lower(*arguments).compile()
    seconds = _seconds(program, arguments, options)
    return Found(seconds, matrix_work.of(function, *arguments), *_xla(program))


def _whole(step: parts.Step, options: argparse.Namespace) -> Found:
    """The step gives its state to the next, so that each call has another."""
    program = step.update.lower(step.state, step.batch, step.key).compile()
    work = matrix_work.of(step.update, step.state, step.batch, step.key)

    def run() -> None:
        for _ in range(options.calls):
            step.state, _ = program(step.state, step.batch, step.key)
        jax.block_until_ready(step.state)

    seconds = measure.median_seconds(run, options.repeats) / options.calls
    return Found(seconds, work, *_xla(program))


def _seconds(
    program: Callable[..., Any], arguments: tuple[Any, ...], options: argparse.Namespace
) -> float:
    """Of a call, the median over runs of several, which hide how long it takes to ask for one."""

    def run() -> None:
        for _ in range(options.calls):
            result = program(*arguments)
        jax.block_until_ready(result)

    return measure.median_seconds(run, options.repeats) / options.calls


def _xla(program: Any) -> tuple[float | None, float | None]:
    cost: Mapping[str, float] = program.cost_analysis() or {}
    return cost.get("flops"), cost.get("bytes accessed")


def _described(found: Found, rates: Mapping[str, float], dtype: str) -> dict[str, Any]:
    flops, moved = found.work.flops / found.seconds, found.work.bytes / found.seconds
    shares = {"matrix": flops / rates[dtype], "copy": moved / rates["copy"]}
    return {
        "ms": 1000 * found.seconds,
        "gflop": found.work.flops / 1e9,
        "gb": found.work.bytes / 1e9,
        "gflop_per_second": flops / 1e9,
        "gb_per_second": moved / 1e9,
        "share_of_matrix_rate": shares["matrix"],
        "share_of_copy_rate": shares["copy"],
        "bound": max(shares, key=lambda name: shares[name]),
        "xla_gflop": None if found.xla_flops is None else found.xla_flops / 1e9,
        "xla_gb": None if found.xla_bytes is None else found.xla_bytes / 1e9,
    }


def _report(
    options: argparse.Namespace, rates: Mapping[str, float], found: Mapping[str, Found]
) -> None:
    described = {name: _described(one, rates, options.dtype) for name, one in found.items()}
    whole, device = described[WHOLE], jax.devices()[0].device_kind
    gigas = {name: rate / 1e9 for name, rate in rates.items()}
    result = {
        "rates_giga_per_second": gigas,
        "parts": described,
        "gflop_per_frame": whole["gflop"] / options.frames,
        "gb_per_frame": whole["gb"] / options.frames,
        "options": vars(options),
        "device": device,
        **measure.machine("jax", "jaxlib", "flax"),
    }
    title = f"{'part':<20}{'ms':>10}{'GFLOP':>10}{'GB':>9}{'GFLOP/s':>11}{'GB/s':>9}"
    lines = [
        f"{device}: {gigas['bfloat16']:.0f} GFLOP/s in bfloat16, {gigas['float32']:.0f} in "
        f"float32 ({options.matrix} rows), {gigas['copy']:.1f} GB/s copied",
        title + f"{'matrix':>9}{'copy':>8}  bound by",
        *(
            f"{name:<20}{one['ms']:>10.2f}{one['gflop']:>10.1f}{one['gb']:>9.3f}"
            f"{one['gflop_per_second']:>11.1f}{one['gb_per_second']:>9.2f}"
            f"{one['share_of_matrix_rate']:>9.1%}{one['share_of_copy_rate']:>8.1%}  {one['bound']}"
            for name, one in described.items()
        ),
        f"a frame of {options.width}x{options.height} takes {result['gflop_per_frame']:.2f} GFLOP "
        f"and {1000 * result['gb_per_frame']:.0f} MB; the step runs at "
        f"{whole['share_of_matrix_rate']:.1%} of the measured {options.dtype} matrix rate",
    ]
    measure.report("roofline", result, lines)


if __name__ == "__main__":
    cli.run(main, process.prepare)
