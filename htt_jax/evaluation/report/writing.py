"""Writes a report: the page, and beside it its plots and tables as files."""

import csv
import pathlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from etils import epath

from htt_jax import measures
from htt_jax.data.records import RecordSource
from htt_jax.evaluation import tables
from htt_jax.evaluation.estimates import Estimates
from htt_jax.evaluation.looks import Look
from htt_jax.evaluation.report import (
    curves,
    page,
    plotting,
    videos,
)
from htt_jax.evaluation.report.material import Material, gather
from htt_jax.support.files import atomic_write, make_folder, remove_earlier, written_folder

PAGE_FILE = "report.html"
PLOTS, TABLES = "plots", "tables"

_OWN = (
    *(f"{PLOTS}/{name}.png" for name in ("pck", "early", "error_by_*", "attention_of_joints")),
    *(f"{PLOTS}/{name}.png" for name in ("confusion_of_*", "accuracy_by_*")),
    *(f"{PLOTS}/video_{name}_[0-9][0-9].png" for name in ("best", "worst")),
    *(f"{TABLES}/{name}.csv" for name in ("headline_*", "pck", "early", "videos")),
    *(f"{TABLES}/{name}.csv" for name in ("error_by_*", "confusion_of_*", "accuracy_by_*")),
)
"""What any report's files match."""


def write(
    out: epath.PathLike,
    report: Mapping[str, Any],
    estimates: Estimates,
    source: RecordSource,
    looks: Sequence[Look] = (),
) -> None:
    """Writes report.html, plots/*.png and tables/*.csv; removes those of an earlier report.

    Args:
        out: where they go; made if need be.
        report: what results.json holds, see `htt_jax.evaluate`.
        estimates: of every frame.
        source: the split.
        looks: where queries looked, of a run that has some.

    Raises:
        InputError: a frame cannot be decoded, or a folder cannot be made.
    """
    material = gather(report, estimates, source, looks)
    remove_earlier(out, _OWN)
    with written_folder(out) as folder:
        _write(folder, material)


def _write(folder: pathlib.Path, material: Material) -> None:
    for name in (PLOTS, TABLES):
        make_folder(folder / name)
    for plot in material.plots.values():
        plotting.write_png(plot, folder / PLOTS / f"{plot.name}.png", material.title)
    for name, views in (("best", material.best), ("worst", material.worst)):
        for rank, view in enumerate(views, 1):
            path = folder / PLOTS / f"video_{name}_{rank:02d}.png"
            videos.write_png(view, path, material.title)
    for name, header, rows in _files(material):
        with atomic_write(folder / TABLES / f"{name}.csv", "w") as file:
            csv.writer(file, lineterminator="\n").writerows([header, *rows])
    with atomic_write(folder / PAGE_FILE, "w") as file:
        file.write(page.page(material))


def _files(material: Material) -> Iterator[tuple[str, Sequence[str], Sequence[Sequence[Any]]]]:
    """Name, header and rows of each table."""
    results, baselines = material.report["results"], material.report["baselines"]
    for name, table in tables.headline_tables(material.report).items():
        yield f"headline_{name}", table.header, table.rows
    named = dict(material.tables) | {"videos": material.scores}
    if results["pose"]:
        named["pck"] = curves.pck_table(
            results,
            baselines,
            material.of_papers,
        )
    for name, rows in named.items():
        yield name, [_with_unit(key) for key in rows[0]], [list(row.values()) for row in rows]
    for kind, confusion in material.confusions.items():
        counts = zip(confusion.names, confusion.counts.tolist(), strict=True)
        yield (
            f"confusion_of_{kind}s",
            ["true", *confusion.names],
            [[name, *row] for name, row in counts],
        )


def _with_unit(key: str) -> str:
    """The name of a column; errors say their unit."""
    lengths = {measure.key for measure in measures.MEASURES if measure.unit == "mm"}
    return f"{key}_mm" if key in lengths else key
