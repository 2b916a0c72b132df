"""Evaluates one checkpoint of a run on one split: all metrics, tables, estimates, the report."""

import dataclasses
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, TypeAlias

import jax
import numpy as np
from etils import epath

from htt_jax.data.records import RecordSource
from htt_jax.datasets import published
from htt_jax.evaluation import baselines, forecasting, object_boxes, report, steadiness
from htt_jax.evaluation import early as recognition
from htt_jax.evaluation.depth_error import PUBLISHED_ERROR, BatchErrors
from htt_jax.evaluation.estimates import Collector, Estimates
from htt_jax.evaluation.finite import check_finite
from htt_jax.evaluation.looks import Look, LookCollector
from htt_jax.evaluation.results import Results, headline, results_of
from htt_jax.evaluation.split import SplitInference, open_split
from htt_jax.runs import version
from htt_jax.runs.config import clip_spec, open_source
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, make_folder
from htt_jax.support.paths import place

RESULTS_FILE = "results.json"
TABLES_FILE = "tables.md"
ESTIMATES_FILE = "estimates.npz"

Report = dict[str, Any]
_Collector: TypeAlias = Collector | forecasting.Collector | object_boxes.Collector


@dataclasses.dataclass(frozen=True)
class Evaluation:
    """One checkpoint on one split.

    Attributes:
        report: what results.json holds: `results` and `baselines` (see `evaluation.results`; of
            the run also `evaluation.steadiness`, `evaluation.early` and `evaluation.forecasting`),
            `headline`, `run`, `dataset`, `published`, `software`.
        estimates: of every frame.
        source: the split.
        ahead: the run's forecasts; None: they were not measured.
        looks: where queries looked in a few frames, of a run that has some.
    """

    report: Report
    estimates: Estimates
    source: RecordSource
    ahead: forecasting.Collected | None = None
    looks: Sequence[Look] = ()


def evaluate(
    workdir: str,
    *,
    split: str,
    data: str | None = None,
    step: int | None = None,
    batch_size: int | None = None,
    workers: int = 0,
    early: bool = False,
    forecast: Sequence[str] | None = None,
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
        early: also measure how early actions are recognised.
        forecast: spaces to measure forecasts in, see `forecasting.spaces`; none: all that the
            dataset allows; None: the same, if the run makes any.

    Raises:
        InputError: no run, checkpoint or split there, the dataset is of another kind, the
            checkpoint gives values that are not finite, `early` is asked of a system that
            recognises no actions, or `forecast` where there is nothing to tell.
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
    if early and "action" not in run.told:
        raise InputError(f"{workdir} recognises no actions; leave out --early")
    spaces = _spaces(opened, forecast)
    training = open_source(run.config, "train", opened.directory)
    constant = baselines.fit_baselines(training)
    collector = Collector(source.frame_counts, clip_spec(run.config), run.dataset.image_size)
    by_batch = BatchErrors()
    ahead = forecasting.Collector(source.frame_counts, clip_spec(run.config))
    boxes = object_boxes.Collector(run.dataset.object_names, training)
    looked = LookCollector(run, opened.mesh)
    seen_by = (collector, boxes, ahead) if spaces else (collector, boxes)
    masked = run.config.mask_unannotated_hands
    batches = _collecting(opened, seen_by, by_batch, looked)
    results = results_of(batches, run.dataset, mask_unannotated=masked)
    if published.sees_truth(run.config.to_dict()) and results["pose"]:
        results[PUBLISHED_ERROR] = by_batch.result()["over_batches"]
    baseline_results = baselines.evaluate_baselines(
        constant, source, run.dataset.image_size, mask_unannotated=masked
    )
    estimates = collector.result()
    results |= boxes.result()
    expected = ahead.result() if spaces else None
    results |= _in_time(opened, estimates, expected, training, spaces, known=bool(results["pose"]))
    if early:
        results[recognition.NAME] = recognition.recognised(opened, results["action"])
    content = _report(run, source, training, results, baseline_results)
    return Evaluation(content, estimates, source, expected, looked.looks)


def _in_time(
    opened: SplitInference,
    estimates: Estimates,
    ahead: forecasting.Collected | None,
    training: RecordSource,
    spaces: Sequence[str],
    *,
    known: bool,
) -> dict[str, Any]:
    """What is measured over several frames: steadiness, where poses are `known`, and forecasts."""
    found, spec = {}, opened.source.spec
    record = forecasting.recorded(opened.source)
    mask = {"mask_unannotated": opened.run.config.mask_unannotated_hands}
    if known:
        found[steadiness.NAME] = steadiness.measured(estimates, record.numbers, spec, **mask)
    if ahead is not None:
        motions = forecasting.mean_motions(training, spaces)
        found[forecasting.NAME] = forecasting.measured(
            ahead, estimates, record, spec, motions, **mask
        )
    return found


def _spaces(opened: SplitInference, asked: Sequence[str] | None) -> tuple[str, ...]:
    """Those to measure forecasts in; none, if the run makes none and nobody has asked."""
    run, source = opened.run, opened.source
    if not run.config.model.get("forecast"):
        if asked is None:
            return ()
        raise InputError(
            f"{run.workdir} makes no forecasts; leave out --forecast, or train a run with "
            "--config.model.forecast=16"
        )
    spaces = forecasting.asked(asked or (), source)
    needed, longest = clip_spec(run.config).window_span + 1, int(source.frame_counts.max())
    if asked is not None and longest < needed:
        raise InputError(
            f"--forecast: no video of split {source.split!r} goes on after a window, for which it "
            f"needs {needed} frames; the longest has {longest}"
        )
    return spaces


def _collecting(
    opened: SplitInference,
    seen_by: Sequence[_Collector],
    by_batch: BatchErrors,
    looked: LookCollector,
) -> Iterator[Mapping[str, np.ndarray]]:
    """The outputs for the metrics, checked, and seen by the others on their way."""
    for found, batch in opened.outputs():
        valid = found["valid"]
        check_finite(
            opened.run,
            found["estimated_joints_3d"][valid],
            found["object_probability"][valid],
            found["action_over_time"][valid.any(axis=1)],
        )
        check_finite(opened.run, *forecasting.of_full_windows(found, valid))
        if object_boxes.ESTIMATED in found:
            check_finite(opened.run, found[object_boxes.ESTIMATED][valid])
        for collector in seen_by:
            collector.add(found)
        looked.add(found, batch)
        counted = valid & found["hand_annotated"].all(axis=-1)
        by_batch.update(found["estimated_joints_3d"][counted], found["joints_3d"][counted])
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
    of_papers = published.beside(source.spec.name, run.config.to_dict())
    return {
        "headline": headline(results),
        "results": results,
        "baselines": baseline_results,
        "run": {
            "workdir": run.workdir,
            "step": run.step,
            "told": list(run.told),
            "joints": run.learned_joints,
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


def write(found: Evaluation, text: str, folder: epath.PathLike) -> None:
    """Writes results, tables, estimates and the report into a folder."""
    out = place(folder)
    make_folder(out)
    with atomic_write(out / TABLES_FILE, "w") as file:
        file.write(text + "\n")
    write_results(found, out)
    found.estimates.save(out / ESTIMATES_FILE)
    report.write(out, found.report, found.estimates, found.source, found.looks)


def write_results(found: Evaluation, folder: epath.PathLike) -> None:
    """Writes the results alone, by which runs are compared, into a folder that is there."""
    with atomic_write(place(folder) / RESULTS_FILE, "w") as file:
        json.dump(found.report, file, indent=1, allow_nan=False)
