"""Runs all stages of the depth systems in their order, with controls, and prints their table."""

import argparse
import ast
from collections.abc import Sequence
from typing import Any

from absl import logging

from htt_jax.depth_studies import running, table
from htt_jax.depth_studies.plan import PLAN, Step, options_of
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.depth_study",
        description="Trains and evaluates the pose and action networks, the untrained chain,\n"
        "methods 1 to 3 and, with --controls, what shows where their gains come from. Prints the\n"
        "table, the published figures beside; writes study.md (the same), study.csv and\n"
        "study.json, and each run into OUT/seedN/STEP. Started again it goes on where it was.",
        epilog="steps: " + ", ".join(step.name for step in PLAN) + "\n\n"
        "example:\n  python -m htt_jax.depth_study --data data/fpha_depth --out runs/depth "
        "--seeds 5 --controls",
    )
    parser.add_argument(
        "--data", required=True, type=cli.location, help="what data_prep wrote with --depth"
    )
    parser.add_argument("--out", required=True, type=cli.path, help="folder of the study")
    parser.add_argument("--seeds", type=int, default=1, help="how often all is done, from seed 0")
    parser.add_argument("--controls", action="store_true", help="the controls too")
    parser.add_argument(
        "--steps", nargs="+", metavar="STEP", help="only these, and those they start from"
    )
    parser.add_argument(
        "--set",
        nargs="+",
        default=[],
        metavar="NAME=VALUE",
        help="options of the config, of all steps, or STAGE:NAME=VALUE of one stage's",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    if options.seeds < 1:
        raise InputError(f"--seeds={options.seeds} must be at least 1")
    chosen = dict(map(_setting, options.set))
    steps = _steps(options.steps, controls=options.controls)
    protocols = {options_of(step, chosen).get("crops.protocol", "published") for step in steps}
    if len(protocols) > 1:
        raise InputError("--set=STAGE:crops.protocol: figures of two protocols do not compare")
    check_writable(options.out)
    for step in steps:  # a wrong option is said before hours of work
        running.configured(step, options.data, options.out / step.name, 0, chosen)
    found = running.run(steps, options.data, options.out, options.seeds, chosen)
    (protocol,) = protocols
    table.write(options.out, steps, found, protocol, chosen)
    print(table.report(steps, found, protocol))
    print(f"\nwritten: {', '.join(table.FILES)} in {options.out}")


def _setting(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals:
        raise InputError(f"--set={text} must be NAME=VALUE")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value  # a word


def _steps(names: Sequence[str] | None, *, controls: bool) -> list[Step]:
    """Those asked for with those they start from, in order."""
    known = {step.name: step for step in PLAN}
    wanted = set(names or (step.name for step in PLAN if controls or not step.is_control))
    for name in sorted(wanted - known.keys()):
        raise InputError(f"--steps={name} must be of {', '.join(known)}")
    for name in list(wanted):
        wanted |= set(known[name].starts_from.values())
    return [step for step in PLAN if step.name in wanted]


if __name__ == "__main__":
    cli.run(main, process.prepare)
