"""Parts of the page that several sections use: tables and plots."""

import dataclasses
from collections.abc import Callable, Sequence

from htt_jax.evaluation.analysis import Row, Table
from htt_jax.evaluation.report import plotting
from htt_jax.evaluation.report.markup import Html, element
from htt_jax.evaluation.report.plotting import Panel, Plot
from htt_jax.evaluation.tables import TextTable


@dataclasses.dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        header: over it.
        cell: what stands in a row's cell.
        kind: its class in the style sheet; 'number' is aligned to the right.
    """

    header: str
    cell: Callable[[Row], str]
    kind: str | None = None


def figures(header: str, key: str, decimals: int, factor: float = 1) -> Column:
    """A column of numbers, empty where there is None."""

    def cell(row: Row) -> str:
        return "" if row[key] is None else f"{factor * row[key]:.{decimals}f}"

    return Column(header, cell, "number")


def table(rows: Table, columns: Sequence[Column], caption: str, kind: str | None = None) -> Html:
    """A table that scrolls sideways where it does not fit; its first column names the rows."""
    head = [element("th", column.header, scope="col", class_=column.kind) for column in columns]
    body = [
        element(
            "tr",
            element("th", columns[0].cell(row), scope="row"),
            [element("td", column.cell(row), class_=column.kind) for column in columns[1:]],
        )
        for row in rows
    ]
    return scroll(
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", head)),
            element("tbody", body),
            class_=kind,
        ),
        caption,
    )


def text_table(content: TextTable) -> Html:
    """A headline table; its first row is that of the run."""
    title, *header = content.header
    head = [element("th", name, scope="col", class_="number") for name in header]
    body = [
        element(
            "tr",
            element("th", name, scope="row"),
            [element("td", cell, class_="number") for cell in cells],
            class_=None if number else "this-run",
        )
        for number, (name, *cells) in enumerate(content.rows)
    ]
    caption = title[0].upper() + title[1:]
    corner = element("td")
    return scroll(
        element(
            "table",
            element("caption", caption),
            element("thead", element("tr", corner, head)),
            element("tbody", body),
        ),
        caption,
    )


def scroll(content: Html, label: str) -> Html:
    """A place that scrolls sideways, also by keyboard."""
    return element("div", content, class_="scroll", role="region", aria_label=label, tabindex=0)


def plot(content: Plot) -> Html:
    """The panels of a plot beside each other, and how to read them."""
    several = len(content.panels) > 1
    panels = [
        panel(one, f"{content.name}-{number}", titled=several)
        for number, one in enumerate(content.panels)
    ]
    note = [element("figcaption", content.note)] if content.note else []
    return element("figure", element("div", panels, class_="panels"), note)


def panel(content: Panel, name: str, *, titled: bool) -> Html:
    """One pair of axes; `name` starts its ids, which no other panel's do."""
    picture = element(
        "div",
        Html(plotting.inline_svg(content, name)),
        role="img",
        aria_label=content.description,
    )
    title = [element("h4", content.title)] if titled else []
    return element("div", title, picture, class_="panel")
