"""Compares evaluated runs: a row for those that differ only in the seed, the paper's tables."""

import argparse
from collections.abc import Sequence

from htt_jax.devices import process
from htt_jax.evaluation.studies.comparison import (
    FILES,
    compare,
    report,
    write,
)
from htt_jax.support import cli
from htt_jax.support.files import check_writable


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.compare",
        description="Compares evaluated runs. Those whose configs differ only in the seed form\n"
        "one row: mean and standard deviation. Then the paper's ablations, Tab. 4 and Tab. 5,\n"
        "with the published figures. Prints the tables; with --out also writes compare.md (the\n"
        "same), compare.csv (a line a row) and compare.json (everything).",
        epilog="example:\n  python -m htt_jax.compare runs/t8_seed0 runs/t8_seed1 runs/t16_seed0 "
        "--out comparison",
    )
    parser.add_argument(
        "runs",
        metavar="RUN",
        nargs="+",
        type=cli.location,
        help="workdir of an evaluated run, or a results.json",
    )
    parser.add_argument(
        "--split",
        help="whose evaluation to take from the workdirs; if not given, test, or where that is not "
        "evaluated the one evaluated in training",
    )
    parser.add_argument("--out", type=cli.place, help="folder to write to")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    if options.out is not None:
        check_writable(options.out)
    groups = compare(options.runs, split=options.split)
    if options.out is not None:
        write(options.out, groups)
    print(report(groups))
    if options.out is not None:
        print(f"\nwritten: {', '.join(FILES)} in {options.out}")


if __name__ == "__main__":
    cli.run(main, process.prepare)
