"""Evaluates a trained run on one split: tables on the screen, a report to look at, all in files."""

import argparse
import pathlib
from collections.abc import Sequence

from absl import logging

from htt_jax.cross_validation.all_folds import cross_validate
from htt_jax.cross_validation.writing import FILES
from htt_jax.devices import process
from htt_jax.evaluation import early, tables
from htt_jax.evaluation.forecasting.spaces import SPACES
from htt_jax.evaluation.one_run import (
    ESTIMATES_FILE,
    RESULTS_FILE,
    TABLES_FILE,
    evaluate,
    write,
)
from htt_jax.evaluation.report.writing import PAGE_FILE
from htt_jax.evaluation.split import usual_split
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable
from htt_jax.support.paths import is_bucket, place


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.evaluate",
        description="Evaluates a trained run on one split: hand poses, objects and actions,\n"
        "beside the published figures and constant baselines. Prints tables; writes report.html\n"
        "(one page to look at; its plots in plots/, its tables in tables/), results.json (curves,\n"
        "per joint, confusion counts, per video), tables.md and estimates.npz (every frame).",
        epilog="example:\n  python -m htt_jax.evaluate --workdir runs/fpha --split test",
    )
    parser.add_argument("--workdir", required=True, type=cli.location, help="of htt_jax.train")
    parser.add_argument(
        "--split", help="of the prepared dataset; if not given, test, or val where there is no test"
    )
    parser.add_argument(
        "--data",
        type=cli.location,
        help="prepared dataset; if not given, where the run was trained",
    )
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    parser.add_argument("--out", type=cli.place, help="if not given, WORKDIR/evaluation/SPLIT")
    parser.add_argument(
        "--batch_size",
        type=int,
        help="clips at a time, over all devices; if not given, the run's eval.batch_size",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that load clips; 0: threads"
    )
    parser.add_argument(
        "--early",
        action="store_true",
        help="also tell how early actions are recognised: videos are evaluated again, cut off "
        f"after {early.SHARES[0]:.0%}, {early.SHARES[1]:.0%}, ... of them and after "
        f"{', '.join(map(str, early.FIRST_FRAMES))} frames".replace("%", "%%"),
    )
    parser.add_argument(
        "--forecast",
        nargs="*",
        choices=SPACES,
        metavar="SPACE",
        help="measure forecasts in these spaces alone, or stop where there are none: "
        f"{', '.join(SPACES)}; if not given, a run that makes forecasts is measured in all that "
        "the dataset allows",
    )
    parser.add_argument(
        "--folds",
        type=int,
        metavar="K",
        help="instead, train as the run was trained K times, each time without one K-th of all "
        "videos (by subject, else by recording), evaluate on those, and list the labels that are "
        "probably wrong; writes doubts.html (to look at), doubts.csv, folds.md and folds.json, by "
        "default into WORKDIR/evaluation/K_folds. Started again it goes on where it was",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    if options.workers < 0:
        raise InputError(f"--workers={options.workers} must be 0 or more")
    if options.folds is not None:
        _cross_validate(options)
        return
    split = options.split or usual_split(options.workdir, options.data)
    out = options.out or place(options.workdir) / "evaluation" / split
    check_writable(out)
    evaluated = evaluate(
        options.workdir,
        split=split,
        data=options.data,
        step=options.step,
        batch_size=options.batch_size,
        workers=options.workers,
        early=options.early,
        forecast=options.forecast,
    )
    text = tables.evaluation_tables(evaluated.report)
    write(evaluated, text, out)
    print(
        f"{text}\n\nwritten: {out / PAGE_FILE} (to look at), {RESULTS_FILE} (all numbers), "
        f"{TABLES_FILE} (these tables) and {ESTIMATES_FILE} (every frame)"
    )


def _cross_validate(options: argparse.Namespace) -> None:
    folds = options.folds
    if folds < 2:
        raise InputError(f"--folds={folds} must be at least 2")
    for name in ("split", "step", "batch_size", "early", "forecast"):
        value = getattr(options, name)
        if value is not None and value is not False:
            raise InputError(f"--folds={folds} trains and evaluates runs of its own: no --{name}")
    out = options.out or place(options.workdir) / "evaluation" / f"{folds}_folds"
    if is_bucket(out):
        raise InputError(
            f"--folds trains on this machine's disk, not in {out}; name an --out there"
        )
    check_writable(out)
    out = pathlib.Path(out)
    print(cross_validate(options.workdir, folds, out, data=options.data, workers=options.workers))
    print(f"\nwritten: {', '.join(FILES)} in {out}, and each fold's run")


if __name__ == "__main__":
    cli.run(main, process.prepare)
