"""Do folds find wrong labels? Makes some of a dataset's wrong, and asks.

Copies a prepared dataset with a share of its actions drawn anew among the others, repeats a
config's training fold by fold as `htt_jax.evaluate --folds` does, and counts how many of the labels
that are doubted are wrong, and how many of the wrong ones are doubted.

    python -m benchmarks.wrong_labels --data=demo/data --out=wrong --config=simulated

Stopped, it goes on with the same command.
"""

import csv
import dataclasses
import importlib
import pathlib
import sys
from collections.abc import Sequence

import numpy as np
from absl import logging
from ml_collections import ConfigDict

from benchmarks import measure
from htt_jax.cross_validation.all_folds import cross_validate
from htt_jax.cross_validation.writing import SHEET_FILE
from htt_jax.data import records
from htt_jax.data.metadata import INFO_FILE
from htt_jax.data.records import RecordSource
from htt_jax.devices import process
from htt_jax.runs.config import open_source
from htt_jax.runs.directory import Run, dataset_facts, start
from htt_jax.support import cli
from htt_jax.support.files import check_writable, make_folder


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(prog="python -m benchmarks.wrong_labels", description=__doc__)
    parser.add_argument("--data", required=True, type=cli.location, help="a prepared dataset")
    parser.add_argument("--out", required=True, type=cli.path, help="folder to write")
    parser.add_argument("--config", required=True, help="of the training: a module of configs/")
    parser.add_argument("--share", type=float, default=0.05, help="of the labels, made wrong")
    parser.add_argument("--folds", type=int, default=3, help="how often it is trained")
    options = parser.parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    check_writable(options.out)
    data = options.out / f"data_{options.share:g}"
    run, out = (options.out / name for name in ("run", "folds"))
    if not (data / INFO_FILE).exists():
        make_folder(data)
        _copy(options.data, data, options.share)
    config = importlib.import_module(f"configs.{options.config}").get_config()
    config.data.directory = str(data)
    _begin(run, config)
    print(cross_validate(str(run), options.folds, out), file=sys.stderr)
    _report(options.data, data, out)


def _copy(data: str, out: pathlib.Path, share: float) -> None:
    """The dataset with other actions in `share` of its videos."""
    metadata = records.read_metadata(data)
    names = metadata.action_names
    schema = records.features(metadata.spec, names, metadata.object_names)
    rng = np.random.default_rng(0)
    indexes = {}
    for split in metadata.shard_lengths:
        source = RecordSource(data, split)
        labelled = [number for number in range(len(source)) if source[number].action >= 0]
        changed = {*rng.permutation(labelled)[: round(share * len(labelled))].tolist()}
        with records.ShardWriter(records.shard_path(out, source.spec, split, 0, 1)) as shard:
            for number in range(len(source)):
                video = source[number]
                if number in changed:
                    other = (video.action + int(rng.integers(1, len(names)))) % len(names)
                    video = dataclasses.replace(video, action=other)
                encoded = records.encode(video, schema)
                shard.write(encoded, len(video.frames), video.video_id, video.frame_rate)
        indexes[split] = [shard.index]
    records.write_metadata(out, metadata.spec, names, metadata.object_names, indexes)


def _begin(run: pathlib.Path, config: ConfigDict) -> None:
    """A run to be repeated, which is not trained itself."""
    make_folder(run)
    source = open_source(config, "train")
    start(run, Run(config, dataset_facts(source, config.data.image_size)))


def _report(true: str, data: pathlib.Path, out: pathlib.Path) -> None:
    before, after = _actions(true), _actions(str(data))
    wrong = {video for video in before if before[video] != after[video]}
    rows = list(csv.DictReader((out / SHEET_FILE).read_text("utf-8").splitlines()))
    order = [row["video_id"] in wrong for row in rows]
    doubted = [row["video_id"] in wrong for row in rows if row["suspected"] == "True"]
    result = measure.machine("jax") | {
        "videos": len(rows),
        "wrong": len(wrong),
        "doubted": len(doubted),
        "doubted_and_wrong": sum(doubted),
        "wrong_of_first": sum(order[: len(wrong)]),
    }
    measure.report(
        "wrong_labels",
        result,
        [
            f"{len(wrong)} of {len(rows)} labels are wrong; {len(doubted)} are doubted, "
            f"{sum(doubted)} of them wrong; of the first {len(wrong)} {sum(order[: len(wrong)])}"
        ],
    )


def _actions(data: str) -> dict[str, int]:
    sources = [RecordSource(data, split) for split in records.read_metadata(data).shard_lengths]
    videos = (source[number] for source in sources for number in range(len(source)))
    return {video.video_id: video.action for video in videos}


if __name__ == "__main__":
    cli.run(main, process.prepare)
