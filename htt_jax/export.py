"""Writes a checkpoint in other formats; each is read back, run and compared before it counts."""

import argparse
from collections.abc import Sequence

from absl import logging

from htt_jax.devices import process
from htt_jax.interop.exporting import (
    card_of,
    export,
)
from htt_jax.interop.formats import FORMATS
from htt_jax.models.outputs import OUTPUTS
from htt_jax.support import cli


def _parser() -> argparse.ArgumentParser:
    formats = "\n".join(f"  {name:12}{form.suffix:13}{form.help}" for name, form in FORMATS.items())
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.export",
        description="Writes a checkpoint in another format, reads it back, runs it, and compares\n"
        "its outputs with the run's own. Writes a model card (.md) beside it.\n\n"
        f"formats:\n{formats}",
        epilog="example:\n  python -m htt_jax.export --workdir runs/fpha --to pytorch \\\n"
        "    --out export/htt.pth",
    )
    parser.add_argument(
        "--workdir", required=True, type=cli.location, help="of htt_jax.train or from_pytorch"
    )
    parser.add_argument("--to", required=True, choices=FORMATS, help="see above")
    parser.add_argument("--out", required=True, type=cli.place, help="file to write")
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    differences = export(options.workdir, options.to, options.out, options.step)
    units = {output.name: output.unit for output in OUTPUTS}
    print("read back and run; largest differences to the run's own outputs:")
    for name, difference in differences.items():
        print(f"  {name:13} {difference:.2e} {units.get(name) or ''}".rstrip())
    print(f"written: {options.out}, model card: {card_of(options.out)}")


if __name__ == "__main__":
    cli.run(main, process.prepare)
