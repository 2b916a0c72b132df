"""A study's figures: means over seeds, differences from its first row, and what they tell."""

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from benchmarks.ablation import forecasts, statistics
from benchmarks.ablation.runs import Run, Setting, record
from benchmarks.ablation.statistics import LEVEL, Difference
from benchmarks.ablation.study import Row, Study
from htt_jax import measures
from htt_jax.datasets import published
from htt_jax.evaluation import early
from htt_jax.measures import Measure
from htt_jax.support.errors import InputError

Record = Mapping[str, Any]

_EARLY = Measure(
    early.MEAN, "early", "%", 2, smaller_is_better=False,
    meaning="accuracy of actions after 10, 20, ... 100 % of each video, mean",
    place=(early.NAME, "mean_accuracy"), compute=lambda found: found["mean_accuracy"], factor=100,
)  # fmt: skip


@dataclasses.dataclass(frozen=True)
class Finding:
    """One measure of one row.

    Attributes:
        row: of the study.
        measure: key.
        of_seeds: the figure of each seed that is done.
        published: of the paper, in the same unit; None where there is none.
        difference: from the first row; None of the first row, or without a pair.
        p: of no difference, corrected for all that the study asks; None as `difference`.
    """

    row: Row
    measure: str
    of_seeds: Mapping[int, float]
    published: float | None
    difference: Difference | None
    p: float | None = None

    @property
    def mean(self) -> float | None:
        """Over seeds."""
        return float(np.mean(list(self.of_seeds.values()))) if self.of_seeds else None

    @property
    def deviation(self) -> float | None:
        """Over seeds, sample."""
        return float(np.std(list(self.of_seeds.values()), ddof=1)) if self._several else None

    @property
    def _several(self) -> bool:
        return len(self.of_seeds) > 1

    @property
    def tells_apart(self) -> bool:
        """Whether chance alone seldom makes such a difference; not known of one pair of seeds."""
        return self.p is not None and self.p < LEVEL and not self.of_videos_alone

    @property
    def of_videos_alone(self) -> bool:
        """Whether no other seed tells what other trainings would do to the difference."""
        return self.difference is not None and self.difference.seeds < 2


@dataclasses.dataclass(frozen=True)
class Findings:
    """A study, as far as its runs are done.

    Attributes:
        name: of the study.
        study: its rows and measures.
        seeds: how many are wanted of each row.
        table: row by row, in the order of the study's measures.
        records: of the runs that are done, each once.
    """

    name: str
    study: Study
    seeds: int
    table: Sequence[Sequence[Finding]]
    records: Sequence[Record]

    @property
    def missing(self) -> int:
        """Runs that are not done."""
        runs = {Run(row.options, 0).name for row in self.study.rows}
        return self.seeds * len(runs) - len(self.records)


def measure(key: str) -> Measure:
    """How figures of that key are shown."""
    others = {early.MEAN: _EARLY, **forecasts.MEASURES}
    return others[key] if key in others else measures.headline()[key]


def findings(setting: Setting, name: str, study: Study, seeds: int) -> Findings:
    """What the runs of a study found.

    Raises:
        InputError: runs were made with other options, on other data, or in several dtypes.
    """
    of_rows = [_records(setting, row, seeds) for row in study.rows]
    records = {
        Run(row.options, seed).name: record
        for row, of_row in zip(study.rows, of_rows, strict=True)
        for seed, record in of_row.items()
    }
    _check_same_data(setting, list(records.values()))
    _check_same_dtype(setting, records)
    of_paper = published.of(setting.dataset)
    table = []
    for row, of_row in zip(study.rows, of_rows, strict=True):
        told = row.published(of_paper)
        table.append(
            [
                Finding(
                    row,
                    key,
                    {s: one["values"][key] for s, one in of_row.items() if key in one["values"]},
                    told.get(key),
                    None if of_row is of_rows[0] else _difference(key, of_row, of_rows[0]),
                )
                for key in study.measures
            ]
        )
    return Findings(name, study, seeds, _corrected(table), list(records.values()))


def _records(setting: Setting, row: Row, seeds: int) -> dict[int, Record]:
    found = {seed: record(setting, Run(row.options, seed)) for seed in range(seeds)}
    return {seed: _with_forecasts(one, row) for seed, one in found.items() if one is not None}


def _with_forecasts(record: Record, row: Row) -> Record:
    """With the figures of the poses ahead that a row shows of its run."""
    ahead = record.get("forecast", {"methods": {}})["methods"].get(row.ahead, {})
    values = {key: float(np.mean(of_videos)) for key, of_videos in ahead.items()}
    return {
        **record,
        "values": record["values"] | values,
        "videos": record["videos"] | ahead,
    }


def _check_same_data(setting: Setting, records: Sequence[Record]) -> None:
    names = ("split", "fingerprint", "training_fingerprint")
    contents = {tuple(record["dataset"][name] for name in names) for record in records}
    if len(contents) > 1:
        raise InputError(
            f"{setting.out}: its runs were made on {len(contents)} different contents of the "
            "dataset, which do not compare; take another --out"
        )


def _check_same_dtype(setting: Setting, records: Mapping[str, Record]) -> None:
    """Of runs by name."""
    one_of = {record.get("dtype", "an unknown dtype"): name for name, record in records.items()}
    if len(one_of) > 1:
        told = ", ".join(f"{name} was made in {dtype}" for dtype, name in sorted(one_of.items()))
        raise InputError(
            f"{setting.out}: {told}; such runs do not compare: make all on devices of one kind, in "
            "another --out"
        )


def _difference(
    key: str, of_row: Mapping[int, Record], reference: Mapping[int, Record]
) -> Difference | None:
    pairs = [(of_row[seed], reference[seed]) for seed in of_row.keys() & reference.keys()]
    known = [pair for pair in pairs if all(key in one["values"] for one in pair)]
    if not known:
        return None
    if all(key in one["videos"] for pair in known for one in pair):
        return statistics.of_videos(
            np.array([np.subtract(a["videos"][key], b["videos"][key]) for a, b in known])
        )
    values = [a["values"][key] - b["values"][key] for a, b in known]
    return statistics.of_seeds_alone(np.array(values))


def _corrected(table: Sequence[Sequence[Finding]]) -> list[list[Finding]]:
    flat = [finding for of_row in table for finding in of_row]
    ps = statistics.corrected([one.difference.p if one.difference else None for one in flat])
    found = iter([dataclasses.replace(one, p=p) for one, p in zip(flat, ps, strict=True)])
    return [[next(found) for _ in of_row] for of_row in table]
