"""The study's figures beside the published ones."""

import csv
import json
import pathlib
import statistics
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from htt_jax import measures
from htt_jax.depth_studies.plan import Step
from htt_jax.depth_studies.running import Figures
from htt_jax.evaluation.tables import markdown
from htt_jax.support.files import atomic_write

FILES = ("study.md", "study.csv", "study.json")
_SHOWN = ("mepe", "action_accuracy")
_CHOSEN = {
    "selected": "selected",
    "last": "last",
    "best": "best on test",
}
"""Which checkpoint; the published figures are of the best on the test set."""


def report(steps: Sequence[Step], found: Mapping[str, Sequence[Figures]], protocol: str) -> str:
    """Tables as Markdown: the systems, then the controls."""
    parts = [f"Crops by the {protocol} protocol; mean ± sample deviation over seeds."]
    for title, kind in (("systems", False), ("controls", True)):
        rows = [_row(step, found[step.name]) for step in steps if step.is_control is kind]
        if rows:
            parts.append(markdown([title, *_header()], rows))
    parts.append(
        "Selected: the epoch that was best on training videos held out. Best on test is how the "
        "published figures were chosen; they are of the real FPHA."
    )
    return "\n\n".join(parts)


def _header() -> list[str]:
    of_key = measures.headline()
    found = [f"{of_key[key].heading}, {name}" for key in _SHOWN for name in _CHOSEN.values()]
    return [*found[:3], "published mm", *found[3:], "published %"]


def _row(step: Step, found: Sequence[Figures]) -> list[str]:
    cells = [step.title]
    for key, of_paper in zip(_SHOWN, step.published, strict=True):
        measure = measures.headline()[key]
        for chosen in _CHOSEN:
            mean, deviation = _statistics(found, chosen, key)
            text = "" if mean is None else measure.shown(mean)
            cells.append(text if deviation is None else f"{text} ± {measure.shown(deviation)}")
        cells.append("" if of_paper is None else f"{of_paper:g}")
    return cells


def _statistics(
    found: Sequence[Figures], chosen: str, key: str
) -> tuple[float | None, float | None]:
    """Mean and sample deviation over the seeds; None where there are none, or too few."""
    values = [figures[chosen][key] for figures in found if key in figures.get(chosen, {})]
    if not values:
        return None, None
    return statistics.fmean(values), statistics.stdev(values) if len(values) > 1 else None


def write(
    out: pathlib.Path,
    steps: Sequence[Step],
    found: Mapping[str, Sequence[Figures]],
    protocol: str,
    chosen: Mapping[str, Any],
) -> None:
    """Writes the tables, the figures unrounded as a sheet (a line each), and all as JSON."""
    markdown_file, csv_file, json_file = (out / name for name in FILES)
    with atomic_write(markdown_file, "w") as file:
        file.write(report(steps, found, protocol) + "\n")
    with atomic_write(csv_file, "w") as file:
        csv.writer(file, lineterminator="\n").writerows(_sheet(steps, found))
    content = {"protocol": protocol, "options": dict(chosen), "steps": _content(steps, found)}
    with atomic_write(json_file, "w") as file:
        json.dump(content, file, indent=1, allow_nan=False)


def _sheet(steps: Sequence[Step], found: Mapping[str, Sequence[Figures]]) -> Iterator[list[Any]]:
    yield ["step", "seed", "checkpoint", "training_step", *_SHOWN]
    for step in steps:
        for seed, figures in enumerate(found[step.name]):
            for chosen, headline in figures.items():
                values = [headline.get(key) for key in _SHOWN]
                yield [step.name, seed, chosen, headline["step"], *values]


def _content(
    steps: Sequence[Step], found: Mapping[str, Sequence[Figures]]
) -> dict[str, dict[str, Any]]:
    return {
        step.name: {
            "title": step.title,
            "is_control": step.is_control,
            "published": dict(zip(_SHOWN, step.published, strict=True)),
            "seeds": list(found[step.name]),
        }
        for step in steps
    }
