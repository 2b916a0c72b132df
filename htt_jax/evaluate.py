"""Evaluates a trained run on one split: tables on the screen, a report to look at, all in files."""

import argparse
import dataclasses
import json
import pathlib
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from absl import logging

from htt_jax.data.records import RecordSource
from htt_jax.datasets import published
from htt_jax.evaluation import baselines, report, tables
from htt_jax.evaluation.estimates import Collector, Estimates
from htt_jax.evaluation.finite import check_finite
from htt_jax.evaluation.report.writing import PAGE_FILE
from htt_jax.evaluation.results import Results, headline, results_of
from htt_jax.evaluation.split import SplitInference, open_split
from htt_jax.runs import version
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, make_folder

RESULTS_FILE = "results.json"
TABLES_FILE = "tables.md"
ESTIMATES_FILE = "estimates.npz"

Report = dict[str, Any]


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One checkpoint on one split.

    Attributes:
        report: what results.json holds: `results` and `baselines` (see `evaluation.results`),
            `headline`, `run`, `dataset`, `published`, `software`.
        estimates: of every frame.
        source: the split.
    """

    report: Report
    estimates: Estimates
    source: RecordSource


def evaluate(
    workdir: str,
    *,
    split: str,
    data: str | None = None,
    step: int | None = None,
    batch_size: int | None = None,
    workers: int = 0,
) -> Evaluation:
    """All metrics of one checkpoint on one split, and of the baselines on the same frames.

    Args:
        workdir: of the run.
        split: of the prepared dataset.
        data: the prepared dataset; None for the one the run was trained on.
        step: of the checkpoint; None for the best one.
        batch_size: clips at a time, over all devices; None for the run's evaluation batch size,
            rounded up to fill the devices.
        workers: processes that load clips; 0 for threads of this process.

    Raises:
        InputError: no run, checkpoint or split there, the dataset is of another kind, or the
            checkpoint gives values that are not finite.
    """
    opened = open_split(
        workdir,
        split=split,
        data=data,
        step=step,
        batch_size=batch_size,
        workers=workers,
        label="evaluating",
    )
    run, source = opened.run, opened.source
    training = RecordSource(source.directory, "train")
    constant = baselines.fit_baselines(training)
    collector = Collector(
        source.frame_counts,
        window=run.config.model.window,
        spacing=run.config.data.spacing,
        image_size=run.dataset.image_size,
    )
    results = results_of(
        _collecting(opened, collector),
        run.dataset,
        mask_unannotated=run.config.mask_unannotated_hands,
    )
    baseline_results = baselines.evaluate_baselines(
        constant, source, mask_unannotated=run.config.mask_unannotated_hands
    )
    return Evaluation(
        _report(run, source, training, results, baseline_results), collector.result(), source
    )


def _collecting(opened: SplitInference, collector: Collector) -> Iterator[Mapping[str, np.ndarray]]:
    """The outputs for the metrics, checked, and seen by the collector on their way."""
    for found, _ in opened.outputs():
        valid = found["valid"]
        check_finite(
            opened.run,
            found["estimated_joints_3d"][valid],
            found["object_probability"][valid],
            found["action_over_time"][valid.any(axis=1)],
        )
        collector.add(found)
        yield found


def _report(
    run: TrainedRun,
    source: RecordSource,
    training: RecordSource,
    results: Results,
    baseline_results: Results,
) -> Report:
    for entry in results["action"]["per_video"]:
        entry |= _names_of(entry, source)
    del baseline_results["action"]["per_video"]  # the same prediction for each
    of_papers = published.of(source.spec.name)
    return {
        "headline": headline(results),
        "results": results,
        "baselines": baseline_results,
        "run": {
            "workdir": run.workdir,
            "step": run.step,
            "training_fingerprint": run.dataset.fingerprint,
            "config": run.config.to_dict(),
        },
        "dataset": {
            "name": source.spec.name,
            "spec": dataclasses.asdict(source.spec),
            "directory": str(source.directory),
            "split": source.split,
            "videos": len(source),
            "frames": int(source.frame_counts.sum()),
            "fingerprint": source.fingerprint,
            "training_fingerprint": training.fingerprint,
            "action_names": source.action_names,
            "object_names": source.object_names,
        },
        "published": {
            "pose": of_papers.pose,
            "action_accuracy_per_cent": of_papers.action_accuracy,
            "later_action_accuracy_per_cent": of_papers.later_action_accuracy,
        },
        "software": {
            "htt_jax": version.package_version(),
            "commit": version.commit(),
            "jax": jax.__version__,
            "device": jax.devices()[0].device_kind,
            "devices": jax.device_count(),
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        },
    }


def _names_of(entry: dict[str, Any], source: RecordSource) -> dict[str, Any]:
    """Names for the numbers in an entry of `per_video`."""
    action = entry["action"]
    return {
        "video_id": source.video_ids[entry["video"]],
        "frames": int(source.frame_counts[entry["video"]]),
        "action_name": None if action < 0 else source.action_names[action],
        "predicted_name": source.action_names[entry["predicted"]],
        "majority_vote_name": source.action_names[entry["majority_vote"]],
    }


def _write(found: Evaluation, text: str, out: pathlib.Path) -> None:
    make_folder(out)
    with atomic_write(out / TABLES_FILE, "w") as file:
        file.write(text + "\n")
    with atomic_write(out / RESULTS_FILE, "w") as file:
        json.dump(found.report, file, indent=1, allow_nan=False)
    found.estimates.save(out / ESTIMATES_FILE)
    report.write(out, found.report, found.estimates, found.source)


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.evaluate",
        description="Evaluates a trained run on one split: hand poses, objects and actions,\n"
        "beside the published figures and constant baselines. Prints tables; writes report.html\n"
        "(one page to look at; its plots in plots/, its tables in tables/), results.json (curves,\n"
        "per joint, confusion counts, per video), tables.md and estimates.npz (every frame).",
        epilog="example:\n  python -m htt_jax.evaluate --workdir runs/fpha --split test",
    )
    parser.add_argument("--workdir", required=True, help="of htt_jax.train")
    parser.add_argument("--split", default="test", help="of the prepared dataset")
    parser.add_argument("--data", help="prepared dataset; if not given, where the run was trained")
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    parser.add_argument("--out", help="if not given, WORKDIR/evaluation/SPLIT")
    parser.add_argument(
        "--batch_size",
        type=int,
        help="clips at a time, over all devices; if not given, the run's eval.batch_size",
    )
    parser.add_argument(
        "--workers", type=int, default=0, help="processes that load clips; 0: threads"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    if options.workers < 0:
        raise InputError(f"--workers={options.workers} must be 0 or more")
    if options.out is None and "://" in options.workdir:
        raise InputError(f"{options.workdir} is not a local folder; name one with --out")
    out = pathlib.Path(options.out or pathlib.Path(options.workdir) / "evaluation" / options.split)
    if options.out is not None:
        make_folder(out)  # rather now than after the work
    evaluated = evaluate(
        options.workdir,
        split=options.split,
        data=options.data,
        step=options.step,
        batch_size=options.batch_size,
        workers=options.workers,
    )
    text = tables.evaluation_tables(evaluated.report)
    _write(evaluated, text, out)
    print(
        f"{text}\n\nwritten: {out / PAGE_FILE} (to look at), {RESULTS_FILE} (all numbers), "
        f"{TABLES_FILE} (these tables) and {ESTIMATES_FILE} (every frame)"
    )


if __name__ == "__main__":
    cli.run(main)
