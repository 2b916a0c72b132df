"""How the page shows what is recognised: confusion matrices and accuracies by class."""

from collections.abc import Iterator

from htt_jax.evaluation.analysis import Row, Table
from htt_jax.evaluation.report import accuracy, confusion
from htt_jax.evaluation.report.blocks import Column, scroll, table
from htt_jax.evaluation.report.confusion import Confusion
from htt_jax.evaluation.report.markup import Html, element
from htt_jax.support.words import counted, thousands
from htt_jax.visual.panels import readable

_FEW = 12  # classes, for which there is room for larger cells


def confusion_table(matrix: Confusion, kind: str) -> Html:
    """A matrix as a table, cells coloured by their share of the row.

    Args:
        matrix: of two classes at least.
        kind: 'action' or 'object', see `confusion.cell_text`.
    """
    corner = element(
        "td", "predicted \N{RIGHTWARDS ARROW}", element("br"), "true \N{DOWNWARDS ARROW}"
    )
    head = [element("th", name, scope="col") for name in matrix.labels]
    body = [
        element("tr", element("th", name, scope="row"), _cells(matrix, row, kind))
        for row, name in enumerate(matrix.labels)
    ]
    return scroll(
        element(
            "table",
            element("thead", element("tr", corner, head)),
            element("tbody", body),
            class_="confusion few" if len(matrix.names) <= _FEW else "confusion",
        ),
        f"Confusion of {kind}s",
    )


def accuracy_table(rows: Table, part: str, title: str) -> Html:
    """A row for each class, worst first, with a bar of its accuracy.

    Args:
        rows: of `analysis.action_table` or its like.
        part: 'action', 'verb' or 'noun'.
        title: over the table.
    """
    columns = [
        Column(part, lambda row: readable(row[part])),
        Column("", _bar, "bar"),
        Column("accuracy %", lambda row: f"{100 * row['accuracy']:.1f}", "number"),
        Column("videos", lambda row: f"{row['correct']} of {row['videos']}", "number"),
        Column("most often taken for", _taken_for),
    ]
    return table(accuracy.worst_first(rows), columns, title, "wide")


def _cells(matrix: Confusion, row: int, kind: str) -> Iterator[Html]:
    total = counted(int(matrix.counts[row].sum()), {"action": "video", "object": "frame"}[kind])
    labels = matrix.labels
    for column, count in enumerate(matrix.counts[row].tolist()):
        if not count:
            yield element("td")
            continue
        strength = confusion.cell_strength(matrix, row, column, kind)
        kinds = ["right" if row == column else "error"]
        kinds += ["strong"] if strength > confusion.STRONG else []
        yield element(
            "td",
            confusion.cell_text(matrix, row, column, kind),
            class_=" ".join(kinds),
            style=f"--share:{strength:.2f}",
            title=f"{labels[row]} taken for {labels[column]}: {thousands(count)} of {total}",
        )


def _bar(row: Row) -> Html:
    return element("span", element("span", style=f"width:{100 * row['accuracy']:.1f}%"))


def _taken_for(row: Row) -> str:
    if row["taken_for"] is None:
        return ""
    return f"{readable(row['taken_for'])} ({row['taken_for_videos']})"
