"""The command line that the preparation programs share."""

import argparse
import logging
import pathlib
import sys
from collections.abc import Callable

from etils import epath

from data_prep import report, shards, verify
from data_prep.images import DEFAULT_QUALITY, FrameEncoder
from data_prep.raw import RawDataset, RawPath
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.machine import usable_cores
from htt_jax.support.paths import is_bucket


def parser(program: str, title: str, example_folder: str) -> argparse.ArgumentParser:
    """The options that preparing any dataset has; `program` is the module's name."""
    made = cli.ArgumentParser(
        prog=f"python -m data_prep.{program}",
        description=f"Prepares {title}: reads its raw folders and writes TFRecord shards of\n"
        "480x270 frames and camera-space poses, with TFDS metadata and a report. Killed and\n"
        "started again with the same options, it continues.",
        epilog=f"example:\n  python -m data_prep.{program} --raw {example_folder} "
        f"--out data/{program}\n  python -m data_prep.{program} --verify data/{program}",
    )
    made.add_argument("--raw", type=cli.place, help="folder of the raw dataset")
    made.add_argument("--out", type=cli.place, help="folder to write to")
    made.add_argument(
        "--verify",
        type=cli.place,
        metavar="OUT",
        help="instead of preparing, read a prepared dataset through and list what is wrong",
    )
    made.add_argument("--workers", type=int, default=usable_cores(), help="processes")
    made.add_argument(
        "--runner",
        help="have the shards written by this runner of Apache Beam: DirectRunner (--workers "
        "processes here), FlinkRunner, SparkRunner, DataflowRunner, ...; needs pip install -e "
        "'.[beam]'",
    )
    made.add_argument(
        "runner_options", nargs="*", metavar="-- OPTION", help="of Beam and its runner"
    )
    made.add_argument(
        "--quality",
        type=int,
        help=f"JPEG quality, 1 to 100; if not given, {DEFAULT_QUALITY}, and frames that are "
        "480x270 JPEG files already are stored as they are",
    )
    made.add_argument("--lossless", action="store_true", help="store PNG instead of JPEG")
    made.add_argument("--depth", action="store_true", help="store the depth maps too, as they are")
    made.add_argument(
        "--skip-bad",
        action="store_true",
        help="go on without a video that has a bad file, and list it, instead of stopping",
    )
    return made


def run(
    options: argparse.Namespace,
    find: Callable[[RawPath], RawDataset],
    add_depth: Callable[[RawDataset], RawDataset],
    encoder: Callable[[argparse.Namespace], FrameEncoder],
) -> None:
    """Prepares or verifies, as `options` say, and prints the outcome.

    Raises:
        InputError: an option or the data is bad, or verifying found something wrong.
    """
    if options.workers < 1:
        raise InputError(f"--workers is {options.workers}; it must be at least 1")
    if options.runner_options and options.runner is None:
        raise InputError(f"unexpected argument {options.runner_options[0]!r}; see --help")
    if options.verify is not None:
        if options.runner is not None:
            raise InputError("--runner has no meaning with --verify, which reads with --workers")
        _verify(options.verify, options.workers)
        return
    if options.raw is None or options.out is None:
        raise InputError("--raw and --out are needed (or --verify alone); see --help")
    if options.quality is not None and not 1 <= options.quality <= 100:
        raise InputError(f"--quality is {options.quality}; it must be from 1 to 100")
    if options.quality is not None and options.lossless:
        raise InputError("--quality has no meaning with --lossless; give one of them")
    if not options.raw.is_dir():
        raise InputError(f"no directory {options.raw}; --raw must be the raw dataset's folder")
    root = options.raw if is_bucket(options.raw) else pathlib.Path(options.raw).resolve()
    write = None if options.runner is None else _on_beam(options, root)
    raw = find(root)
    made = shards.prepare(
        add_depth(raw) if options.depth else raw,
        options.out,
        encoder(options),
        workers=options.workers,
        skip_bad=options.skip_bad,
        write=write,
    )
    print(report.as_text(made))
    print(f"written: {options.out} ({report.FILE} says all)")


def _on_beam(options: argparse.Namespace, root: RawPath) -> shards.WriteShards:
    logging.disable(logging.WARNING)  # Beam says at its import what it could also use
    try:
        from data_prep.beam import Runner, check_places  # late: most do without
    except ImportError as error:
        raise InputError(
            "--runner needs Apache Beam, which is not installed: pip install -e '.[beam]' "
            f"({error})"
        ) from error
    finally:
        logging.disable(logging.NOTSET)
    check_places(options.runner, root, options.out)
    return Runner(options.runner, options.runner_options, options.workers).write


def _verify(out: epath.Path, workers: int) -> None:
    found = verify.verify(out, workers=workers)
    for problem in found.problems:
        print(problem, file=sys.stderr)
    if found.problems:
        raise InputError(f"{len(found.problems)} problem(s) in {out}, listed above")
    print(f"{out} is whole: {len(found.video_ids)} videos, {found.frames} frames")
