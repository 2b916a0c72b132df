"""Writes the two files of the H2O challenge from a trained run, and checks them."""

import argparse
from collections.abc import Sequence

from absl import logging

from htt_jax.data.records import RecordSource
from htt_jax.devices import process
from htt_jax.evaluation import h2o_challenge
from htt_jax.evaluation.h2o_challenge import Counts
from htt_jax.evaluation.h2o_submission import (
    OFFICIAL_SPLIT,
    submit,
)
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable


def _summary(counts: Counts, split: str) -> str:
    """What passed the check, and whether it is what the challenge expects."""
    lines = [
        f"checked: {counts.segments} segments with labels, {counts.labels} different of "
        f"{h2o_challenge.NUM_LABELS}; {counts.frames} frames of {h2o_challenge.NUM_NUMBERS} "
        "finite numbers"
    ]
    if split == OFFICIAL_SPLIT:
        official = (
            f"{h2o_challenge.OFFICIAL_SEGMENTS} segments and {h2o_challenge.OFFICIAL_FRAMES} frames"
        )
        lines.append(
            f"as many as the official test split has: {official}"
            if counts.is_official
            else f"note: the official test split has {official}; the challenge expects those"
        )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.submit",
        description="Writes the two files of the H2O challenge, action_labels.zip and\n"
        "hand_poses.zip, from a trained run, and checks them: segment ids, frames, counts, finite\n"
        "numbers, range of labels. With --check, checks files that are there already.",
        epilog="examples:\n"
        "  python -m htt_jax.submit --workdir runs/h2o --out submission\n"
        "  python -m htt_jax.submit --check submission --data data/h2o",
    )
    parser.add_argument("--workdir", type=cli.location, help="of htt_jax.train on H2O")
    parser.add_argument("--out", type=cli.place, help="folder to write to")
    parser.add_argument(
        "--data",
        type=cli.location,
        help="prepared dataset; if not given, where the run was trained",
    )
    parser.add_argument("--split", default=OFFICIAL_SPLIT, help="of the prepared dataset")
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    parser.add_argument(
        "--batch_size",
        type=int,
        help="clips at a time, over all devices; if not given, the run's eval.batch_size",
    )
    parser.add_argument(
        "--check", metavar="DIR", type=cli.place, help="folder with both files; needs --data"
    )
    return parser


def _check_options(options: argparse.Namespace) -> None:
    given = {
        name
        for name in ("workdir", "out", "step", "batch_size")
        if getattr(options, name) is not None
    }
    if options.check is None:
        if missing := [f"--{name}" for name in ("workdir", "out") if name not in given]:
            raise InputError(
                f"{' and '.join(missing)} missing: name the run with --workdir and the folder to "
                "write to with --out, or files to check with --check"
            )
        return
    if given:
        raise InputError(f"--check only reads files; leave out --{min(given)}")
    if options.data is None:
        raise InputError("--check needs the prepared dataset to check against; name it with --data")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    _check_options(options)
    if options.check is not None:
        expected = h2o_challenge.segments(RecordSource(options.data, options.split))
        print(_summary(h2o_challenge.check(options.check, expected), options.split))
        return
    check_writable(options.out)
    counts = submit(
        options.workdir,
        options.out,
        split=options.split,
        data=options.data,
        step=options.step,
        batch_size=options.batch_size,
    )
    print(_summary(counts, options.split))
    print(f"written: {h2o_challenge.LABELS}.zip and {h2o_challenge.POSES}.zip in {options.out}")


if __name__ == "__main__":
    cli.run(main, process.prepare)
