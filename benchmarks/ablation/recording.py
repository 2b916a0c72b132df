"""A study's figures in `benchmarks/results.json`, and the lines of a page that shows them."""

import datetime
from collections.abc import Iterable, Iterator

from benchmarks import figures
from benchmarks.ablation.findings import Finding, Findings, measure
from benchmarks.ablation.runs import Setting, whole_command
from htt_jax.evaluation import tables
from htt_jax.support.errors import InputError


def record(setting: Setting, found: Findings) -> str:
    """Writes the figures as they are shown, in per cent and millimetres; returns the page's table.

    Raises:
        InputError: runs are missing.
    """
    if found.missing:
        raise InputError(
            f"--record: study {found.name} in {setting.out} still misses {found.missing} runs; "
            "run them first"
        )
    group = f"ablation_{found.name}"
    results = figures.read(figures.RESULTS)
    results[group] = {
        "command": whole_command(setting, found.name, found.seeds),
        "machine": _all(record["machine"] for record in found.records),
        "software": f"jax {_all(record['software']['jax'] for record in found.records)}",
        "recorded": {
            "date": str(datetime.date.today()),
            "commit": _all(record["software"]["commit"] or "unknown" for record in found.records),
        },
        "figures": {
            f"{one.row.name}_{one.measure}{name}": value
            for of_row in found.table
            for one in of_row
            for name, value in _figures(one)
        },
    }
    figures.write(results)
    return _page(group, found)


def _all(told: Iterable[str]) -> str:
    """What is told of the runs, which other machines or versions may have made."""
    return "; ".join(sorted(set(told)))


def _figures(one: Finding) -> Iterator[tuple[str, float]]:
    shown = measure(one.measure).shown
    if one.mean is not None:
        yield "", float(shown(one.mean))
    if one.deviation is not None:
        yield "_deviation", float(shown(one.deviation))
    if (told := one.difference) is not None:
        for name, value in (("", told.mean), ("_low", told.low), ("_high", told.high)):
            if value is not None:
                yield f"_difference{name}", float(shown(value))


def _page(group: str, found: Findings) -> str:
    """The table with the places of its figures, as `benchmarks.figures` fills it in."""
    header = [""]
    for key in found.study.measures:
        header += [measure(key).heading, "difference [95 %]"]
    rows = []
    for of_row in found.table:
        cells = [of_row[0].row.title]
        for one in of_row:
            places = {name: f"{{{group}.{one.row.name}_{one.measure}{name}:{form}}}"
                      for name, form in _forms(one).items()}  # fmt: skip
            cells.append(" ± ".join(places[x] for x in ("", "_deviation") if x in places))
            cell = places.get("_difference", "")
            if "_difference_low" in places:
                cell += f" [{places['_difference_low']}, {places['_difference_high']}]"
            cells.append(cell + ("*" if one.tells_apart else ""))
        rows.append(cells)
    return f"<!-- fill:\n{tables.markdown(header, rows)}\n-->\n\n<!-- end -->"


def _forms(one: Finding) -> dict[str, str]:
    decimals = measure(one.measure).decimals
    names = [name for name, _ in _figures(one)]
    return {name: ("+" if name == "_difference" else "") + f".{decimals}f" for name in names}
