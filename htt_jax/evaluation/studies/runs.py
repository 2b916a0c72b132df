"""Evaluated runs, put together where they differ only in the seed: means and deviations."""

import dataclasses
import json
import statistics
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from htt_jax import measures
from htt_jax.datasets import published
from htt_jax.datasets import spec as datasets
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.evaluation import early, steadiness
from htt_jax.evaluation.depth_error import PUBLISHED_ERROR
from htt_jax.evaluation.one_run import RESULTS_FILE
from htt_jax.models.htt.frames import BOX
from htt_jax.runs import directory
from htt_jax.runs.options import options_of, without_derived
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place

FULL, TOLD_BOX = "full", ", told the object's box"
"""Variants of the model; what the latter stands behind is told more than the paper's."""
VARIANT = "variant"
"""Option in place of the config's model.cascaded and model.action_inputs, in Tab. 5's words."""
TRAINING_DATA, EVALUATED_DATA = "training data", "evaluated data"
"""Options beside those of the config: the start of each split's fingerprint."""

_FINGERPRINT_CHARACTERS = 8
_TEST = "test"


@dataclasses.dataclass(frozen=True)
class EvaluatedRun:
    """What one results.json says.

    Attributes:
        name: as given by the user.
        path: of results.json.
        seed: of the run.
        step: of the checkpoint.
        spec: of the dataset.
        split: it was evaluated on.
        fingerprint: of that split's content.
        options: name -> value, those in which runs are compared.
        values: measure -> figure; accuracies in 0..1, errors in millimetres, those of
            accelerations per squared frame. Hand by hand as 'left mepe', and 'mepe' averaged over
            the hands; `PUBLISHED_ERROR`, if it is of crops around true poses; `early.MEAN`;
            `steadiness.ERROR`; the measures of `measures.BOX`. Without what was not measured.
    """

    name: str
    path: epath.Path
    seed: int
    step: int
    spec: DatasetSpec
    split: str
    fingerprint: str
    options: Mapping[str, Any]
    values: Mapping[str, float]


@dataclasses.dataclass(frozen=True)
class Group:
    """Runs that differ in nothing but the seed, in the order given."""

    runs: Sequence[EvaluatedRun]

    @property
    def options(self) -> Mapping[str, Any]:
        """Of all its runs."""
        return self.runs[0].options

    @property
    def sees_truth(self) -> bool:
        """Its crops lie around the true poses: figures that do not compare with others."""
        return published.sees_truth(self.options)

    def mean(self, measure: str) -> float | None:
        """Over the runs; None where it could not be measured."""
        values = self._values(measure)
        return statistics.fmean(values) if values else None

    def deviation(self, measure: str) -> float | None:
        """Sample standard deviation over the runs; None for fewer than two."""
        values = self._values(measure)
        return statistics.stdev(values) if len(values) > 1 else None

    def _values(self, measure: str) -> list[float]:
        return [run.values[measure] for run in self.runs if measure in run.values]


def read(run: str, split: str | None) -> EvaluatedRun:
    """The evaluation of a run.

    Args:
        run: a workdir, or the path of a results.json.
        split: whose evaluation in the workdir to take; None: that of test, or where there is none
            of the split that was evaluated in training.

    Raises:
        InputError: there is none, or the file is not of `htt_jax.evaluate`.
    """
    is_file = run.endswith(".json")
    if split is None:
        split = "" if is_file else _evaluated(run)
    path = place(run) if is_file else place(run) / "evaluation" / split / RESULTS_FILE
    content = _content(path, run, split, is_file)
    try:
        report = json.loads(content)
        dataset, config = report["dataset"], report["run"]["config"]
        return EvaluatedRun(
            name=run,
            path=path,
            seed=config["seed"],
            step=report["run"]["step"],
            spec=datasets.recorded(dataset),
            split=dataset["split"],
            fingerprint=dataset["fingerprint"],
            options=_options(config)
            | {
                TRAINING_DATA: _start_of(report["run"]["training_fingerprint"]),
                EVALUATED_DATA: _start_of(dataset["fingerprint"]),
            },
            values=values_of(report),
        )
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise InputError(
            f"{path} is not what htt_jax.evaluate writes: {type(error).__name__} {error}; "
            "evaluate the run again"
        ) from error


def _evaluated(run: str) -> str:
    """The split whose evaluation is looked for."""
    is_there = (place(run) / "evaluation" / _TEST / RESULTS_FILE).exists()
    return _TEST if is_there or not directory.exists(run) else directory.read(run).config.eval.split


def _content(path: epath.Path, run: str, split: str, is_file: bool) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        how = f"`python -m htt_jax.evaluate --workdir={run} --split={split}`"
        raise InputError(
            f"cannot read {path}: {error.strerror}; "
            + ("name a results.json" if is_file else f"evaluate the run with {how}")
        ) from error


def group(runs: Sequence[EvaluatedRun]) -> list[Group]:
    """Puts runs together that differ only in the seed; in the order of their first runs.

    Raises:
        InputError: runs of several datasets or splits, or one twice.
    """
    first = runs[0]
    seen: dict[epath.Path, str] = {}
    for run in runs:
        if run.spec.name != first.spec.name or run.split != first.split:
            raise InputError(
                f"{first.name} is evaluated on {first.spec.title} {first.split}, {run.name} on "
                f"{run.spec.title} {run.split}; compare runs on one split of one dataset"
            )
        path = run.path.resolve()
        if path in seen:
            raise InputError(f"{run.name} is the same run as {seen[path]}; name each run once")
        seen[path] = run.name
    groups: dict[str, list[EvaluatedRun]] = {}
    for run in runs:
        groups.setdefault(json.dumps(run.options, sort_keys=True), []).append(run)
    return [Group(members) for members in groups.values()]


def differing_options(groups: Sequence[Group]) -> list[str]:
    """The options in which the groups differ, in the order of the config."""
    names = dict.fromkeys(name for group in groups for name in group.options)
    return [
        name
        for name in names
        if any(group.options.get(name) != groups[0].options.get(name) for group in groups)
    ]


def warnings(groups: Sequence[Group]) -> list[str]:
    """What a reader of the figures must know, a line each."""
    found = []
    contents = Counter(run.fingerprint for group in groups for run in group.runs)
    if len(contents) > 1:
        found.append(
            f"the evaluated split has {len(contents)} different contents (see {EVALUATED_DATA!r}): "
            "figures of different contents do not compare"
        )
    for number, members in enumerate(groups, 1):
        seeds = Counter(run.seed for run in members.runs)
        repeated = [str(seed) for seed, count in seeds.items() if count > 1]
        if repeated:
            found.append(
                f"row {number} has several runs of seed {', '.join(repeated)}: its deviation is "
                "not one over seeds"
            )
    return found


def _start_of(fingerprint: str | None) -> str:
    """Enough of it to tell contents apart; the training data of imported runs may be unknown."""
    return "not known" if fingerprint is None else fingerprint[:_FINGERPRINT_CHARACTERS]


def _options(config: Mapping[str, Any]) -> dict[str, Any]:
    """The options in which runs are compared, by their names."""
    width, _ = config["data"]["image_size"] or datasets.STORED_SIZE
    # What an earlier version did not know is as it was before there was a choice.
    table = options_of(config.get("system", "htt"))
    known = {option.name: option.default for option in table} | trees.flatten(config, ".")
    flat = without_derived(known, width)
    elsewhere = {option.name for option in table if not option.compared}
    options = {name: x for name, x in flat.items() if name not in elsewhere}
    cascaded = options.pop("model.cascaded", True)
    inputs = options.pop("model.action_inputs", published.WITHOUT)
    missing = [words for name, words in published.WITHOUT.items() if name not in inputs]
    variant = " and ".join(missing) or FULL if cascaded else published.PARALLEL
    if cascaded and BOX in inputs:
        variant += TOLD_BOX
    return options | {VARIANT: variant}


def values_of(report: Mapping[str, Any]) -> dict[str, float]:
    """What an evaluation's report has of `EvaluatedRun.values`."""
    return dict(_values(report))


def _values(report: Mapping[str, Any]) -> Iterator[tuple[str, float]]:
    yield from report["headline"].items()
    if (error := report["results"].get(PUBLISHED_ERROR)) is not None:
        yield PUBLISHED_ERROR, error
    beginnings = report["results"].get(early.NAME)
    if beginnings is not None and beginnings["mean_accuracy"] is not None:
        yield early.MEAN, beginnings["mean_accuracy"]
    if steady := report["results"].get(steadiness.NAME):
        yield steadiness.ERROR, statistics.fmean(one[steadiness.ERROR] for one in steady.values())
    for measure in measures.in_group(measures.BOX) if measures.BOX in report["results"] else ():
        if (error := measure.of(report["results"])) is not None:
            yield measure.key, error
    for hand, found in report["results"]["pose"].items():
        for key, measure in measures.headline().items():
            value = measure.of(found) if measure.is_of_poses else None
            if value is not None:  # not all are in files of earlier versions
                yield f"{hand} {key}", value
