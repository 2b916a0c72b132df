"""The command line that prepares recordings of one's own, or writes an example of them."""

import argparse
import functools
from collections.abc import Sequence

from data_prep import command, images
from data_prep.images import FrameEncoder
from data_prep.own import example, layout
from data_prep.raw import RawDataset
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.support import cli
from htt_jax.support.errors import InputError


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    if options.new is not None:
        if options.raw or options.out or options.verify:
            raise InputError("--new writes an example and nothing else; leave other folders away")
        example.write(options.new)
        print(
            f"written: {options.new}; prepare it with\n"
            f"  python -m data_prep.own --raw {options.new} --out data/own"
        )
        return
    find = functools.partial(layout.find, skip_bad=options.skip_bad)
    command.run(options, find, _no_depth, _encoder)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("own", "recordings of your own", "recordings")
    parser.add_argument(
        "--new",
        type=cli.path,
        metavar="DIR",
        help="instead of preparing, write a small example of such a raw folder to start from",
    )
    return parser


def _no_depth(raw: RawDataset) -> RawDataset:
    raise InputError("--depth: recordings of your own are prepared in colour; leave it away")


def _encoder(options: argparse.Namespace) -> FrameEncoder:
    return FrameEncoder(
        STORED_SIZE, images.resize_antialiased, quality=options.quality, lossless=options.lossless
    )
