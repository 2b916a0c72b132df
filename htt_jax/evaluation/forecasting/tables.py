"""Forecasts as tables: one for each space and hand, methods by time ahead."""

from collections.abc import Iterator, Mapping
from typing import Any

from htt_jax.evaluation.forecasting.spaces import LAST, SPACES, WORLD
from htt_jax.support.words import counted

Table = tuple[list[str], list[list[str]]]


def tables(found: Mapping[str, Any]) -> Iterator[tuple[str, Table]]:
    """Name, header and rows of each, of what `measured` returned."""
    times = [f"{seconds:g} s" for seconds in found["horizons"]]
    for space, hands in found["spaces"].items():
        for hand, of_hand in hands.items():
            header = [
                f"forecast, {hand} hand, {SPACES[space]}, mm",
                *times,
                *(f"{time} RA" for time in times),
            ]
            rows = [
                [name, *map(_cell, errors["error"]), *map(_cell, errors["error_ra"])]
                for name, errors in of_hand["methods"].items()
            ]
            rows.append(["pasts", *map(str, of_hand["pasts"]), *map(str, of_hand["pasts"])])
            yield f"forecast_{space}_{hand}", (header, rows)


def notes(found: Mapping[str, Any]) -> Iterator[str]:
    """What a reader of the tables must know."""
    if not found["spaces"]:
        yield (
            f"Forecasts: no video goes on after {found['seen']} seen frames, {found['spacing']} "
            "apart, with its hands annotated."
        )
        return
    yield (
        f"Forecasts: mean joint error after {found['seen']} seen frames, {found['spacing']} apart; "
        f"this run looks {counted(found['steps'], 'frame')} of that spacing ahead. RA: "
        "root-aligned. True past: from annotated poses, which the run does not see; estimated "
        "past: from its own."
    )
    if {LAST, WORLD} & found["spaces"].keys():
        yield (
            "This run forecasts in each frame's own camera; in other spaces its forecasts are "
            "brought over with the head's true motion, what needs no network goes on in the space "
            "itself. Distances in the world are those in the last seen camera; the mean training "
            "motion differs."
        )
    action = found["action"]
    if action["accuracy"] is not None:
        yield (
            f"The action that is expected to go on is the true one after "
            f"{100 * action['accuracy']:.1f} % of {counted(action['pasts'], 'past')}."
        )


def _cell(error: float | None) -> str:
    return "" if error is None else f"{error:.1f}"
