"""The command line that prepares recordings of one's own, or writes an example of them."""

import argparse
import functools
import pathlib
from collections.abc import Callable, Sequence

from data_prep import command, images
from data_prep.images import FrameEncoder
from data_prep.own import example, layout
from data_prep.raw import RawDataset, RawPath
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.paths import is_bucket


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    if options.new is not None:
        if options.raw or options.out or options.verify or options.preview:
            raise InputError("--new writes an example and nothing else; leave other folders away")
        example.write(options.new)
        print(
            f"written: {options.new}; prepare it with\n"
            f"  python -m data_prep.own --raw {options.new} --out data/own"
        )
        return
    find = functools.partial(layout.find, skip_bad=options.skip_bad)
    if options.preview is not None:
        _look(options, find)
        if options.out is None:
            return
    command.run(options, find, _no_depth, _encoder)


def _parser() -> argparse.ArgumentParser:
    parser = command.parser("own", "recordings of your own", "recordings")
    parser.add_argument(
        "--new",
        type=cli.path,
        metavar="DIR",
        help="instead of preparing, write a small example of such a raw folder to start from",
    )
    parser.add_argument(
        "--preview",
        type=cli.path,
        metavar="DIR",
        help="write what was read to look at: preview.html and a picture of each recording; before "
        "preparing, or without --out instead of it",
    )
    return parser


def _look(options: argparse.Namespace, find: Callable[[RawPath], RawDataset]) -> None:
    from data_prep.own.preview import writing  # late: most do without what draws

    if options.raw is None or options.verify is not None:
        raise InputError("--preview shows recordings: give --raw, and no --verify")
    root = options.raw if is_bucket(options.raw) else pathlib.Path(options.raw).resolve()
    if not root.is_dir():
        raise InputError(f"no directory {options.raw}; --raw must be the raw dataset's folder")
    folder = options.preview.resolve()
    if root in (folder, *folder.parents):
        raise InputError(f"--preview {options.preview} is in --raw; give a folder beside it")
    writing.write(options.preview, find(root), skip_bad=options.skip_bad)
    print(f"written: {options.preview / writing.PAGE}; open it in a browser")


def _no_depth(raw: RawDataset) -> RawDataset:
    raise InputError("--depth: recordings of your own are prepared in colour; leave it away")


def _encoder(options: argparse.Namespace) -> FrameEncoder:
    return FrameEncoder(
        STORED_SIZE, images.resize_antialiased, quality=options.quality, lossless=options.lossless
    )
