"""The errors of the object's box as tables: in all, and object by object."""

from collections.abc import Iterator, Mapping
from typing import Any

from htt_jax import measures
from htt_jax.evaluation.object_boxes import NAME
from htt_jax.support.words import counted

Table = tuple[list[str], list[list[str]]]

_SHOWN = measures.in_group(NAME)


def tables(found: Mapping[str, Any], this_run: str) -> Iterator[tuple[str, Table]]:
    """Name, header and rows of each, of what `object_boxes.Collector` found in some frames."""
    titles = [measure.heading for measure in _SHOWN]
    frames = counted(found["frames"], "frame")
    rows = [[this_run, *_cells(found)], ["mean training box", *_cells(found["mean_box"])]]
    rows.append(["ratio", *_ratios(found)])
    yield NAME, ([f"object's box, {frames}", *titles], rows)
    rows = [
        [one["name"], str(one["frames"]), *_cells(one), *_cells(one["mean_box"])]
        for one in found["per_object"]
    ]
    if rows:
        header = ["object's box by object", "frames", *titles, *(f"mean {name}" for name in titles)]
        yield f"{NAME}_by_object", (header, rows)


def note(found: Mapping[str, Any]) -> str:
    """What a reader of the tables must know."""
    if not found["frames"]:
        return "The object's box is known in no frame."
    return (
        "The object's box: its centre and corners in camera space; mean: the mean training box, "
        "the same in every frame. Which corner is which cannot be seen of objects that look alike "
        "from several sides; where their centre is can."
    )


def _cells(found: Mapping[str, Any]) -> list[str]:
    values = [(measure, found[measure.place[1]]) for measure in _SHOWN]
    return ["" if value is None else measure.shown(value) for measure, value in values]


def _ratios(found: Mapping[str, Any]) -> Iterator[str]:
    for measure in _SHOWN:
        constant = found["mean_box"][measure.place[1]]
        yield f"{found[measure.place[1]] / constant:.2f}" if constant else ""
