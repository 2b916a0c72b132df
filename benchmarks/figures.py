"""Writes the measured figures into README and the pages of docs/, from benchmarks/results.json.

A page holds, in a comment, what is to be written, and after it the text that was made of it:

    the action is right in <!-- fill: {demo.action_accuracy:.3f} -->0.938<!-- end --> of the videos

What is written on lines of its own becomes lines of their own, such as a table:

    <!-- fill:
    | mean pose | {demo.mean_pose_mepe:.2f} |
    -->

    | mean pose | 82.09 |

    <!-- end -->

A field names a group of `results.json` and one of its figures, or its machine, software or command;
a quotient of two figures is written `{train_step.full_ours / train_step.full_published:.1f}`. What
stands after the colon is Python's format. With --check nothing is written; the exit status is
1 if a page is not what the figures make of it.

    python -m benchmarks.figures
    python -m benchmarks.figures --check
"""

import json
import pathlib
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write

ROOT = pathlib.Path(__file__).parents[1]
RESULTS = pathlib.Path(__file__).with_name("results.json")

_PLACE = re.compile(r"<!-- fill:(?P<template>.*?)-->(?P<text>.*?)<!-- end -->", re.DOTALL)
_FIELD = re.compile(r"\{(?P<name>[\w.]+)(?: / (?P<divisor>[\w.]+))?(?::(?P<format>[^{}]*))?\}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="only say which pages differ")
    check = parser.parse_args(argv).check
    results = read(RESULTS)
    differing = []
    for page in pages():
        text = page.read_text(encoding="utf-8")
        new = filled(text, results, str(page.relative_to(ROOT)))
        if new == text:
            continue
        differing.append(page)
        if not check:
            with atomic_write(page, "w") as file:
                file.write(new)
    for page in differing:
        print(f"{page.relative_to(ROOT)}: {'differs' if check else 'written'}")
    if differing and check:
        print("run python -m benchmarks.figures", file=sys.stderr)
        sys.exit(1)


def pages() -> list[pathlib.Path]:
    """README and the pages of docs/."""
    return [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


def read(path: pathlib.Path) -> dict[str, Any]:
    """The groups of results by name.

    Raises:
        InputError: it is no JSON.
    """
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise InputError(f"{path} is no JSON: {error}; restore it from the repository") from None


def write(results: Mapping[str, Any]) -> None:
    """Writes `results.json` anew."""
    with atomic_write(RESULTS, "w") as file:
        json.dump(results, file, indent=2, ensure_ascii=False)
        file.write("\n")


def filled(text: str, results: Mapping[str, Any], name: str) -> str:
    """The page with its places written anew.

    Args:
        text: of the page, Markdown.
        results: see `read`.
        name: of the page, for messages.

    Raises:
        InputError: a figure is unknown, a comment has no end, or a place would not be shown as
            text: Markdown takes a line that begins with a comment for HTML.
    """
    for begin in re.finditer(r"^ *<!-- fill:.*-->", text, re.MULTILINE):
        raise InputError(f"{name}: {begin[0]!r} begins a line; put a word of the sentence before")
    if not text.count("<!-- fill:") == text.count("<!-- end -->") == len(_PLACE.findall(text)):
        raise InputError(f"{name}: a `<!-- fill: ... -->` has no `<!-- end -->`, or the reverse")

    def write(place: re.Match[str]) -> str:
        template = place["template"]
        new = _FIELD.sub(lambda field: _formatted(field, results, name), template).strip("\n ")
        new = f"\n\n{new}\n\n" if "\n" in template else new
        return f"<!-- fill:{template}-->{new}<!-- end -->"

    return _PLACE.sub(write, text)


def _formatted(field: re.Match[str], results: Mapping[str, Any], page: str) -> str:
    try:
        value = _value(field["name"], results)
        if field["divisor"]:
            value = value / _value(field["divisor"], results)
        return format(value, field["format"] or "")
    except KeyError as error:
        raise InputError(f"{page}: {error.args[0]} is not in {RESULTS.name}") from None
    except (TypeError, ValueError, ZeroDivisionError) as error:
        raise InputError(f"{page}: {field[0]} cannot be written: {error}") from None


def _value(name: str, results: Mapping[str, Any]) -> Any:
    """The figure `GROUP.FIGURE`, or what else the group tells."""
    group, _, figure = name.partition(".")
    told = results.get(group, {})
    for where in (told.get("figures", {}), told):
        if figure in where:
            return where[figure]
    raise KeyError(name)


if __name__ == "__main__":
    cli.run(main)
