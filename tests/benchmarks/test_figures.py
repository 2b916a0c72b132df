"""The script that writes measured figures into the pages."""

import pytest

from benchmarks import figures
from htt_jax.support.errors import InputError

RESULTS = {
    "step": {
        "machine": "two cores",
        "figures": {"ours": 8.9, "published": 3.43},
    }
}


def test_a_figure_a_quotient_and_a_machine_are_written_in_their_formats():
    page = (
        "It does <!-- fill: {step.ours:.2f} on {step.machine}, "
        "{step.ours / step.published:.1f} times as many -->old<!-- end --> a second."
    )
    assert "-->8.90 on two cores, 2.6 times as many<!-- end --> a second." in figures.filled(
        page, RESULTS, "page"
    )


def test_a_template_on_lines_of_its_own_becomes_a_block_with_empty_lines_around():
    page = "<!-- fill:\n| a |\n|---|\n| {step.ours} |\n-->\n<!-- end -->"
    assert figures.filled(page, RESULTS, "page") == (
        "<!-- fill:\n| a |\n|---|\n| {step.ours} |\n-->\n\n| a |\n|---|\n| 8.9 |\n\n<!-- end -->"
    )


def test_what_is_filled_already_stays_as_it_is():
    page = (
        "<!-- fill:\n- {step.ours}\n-->\n<!-- end -->\n\nor <!-- fill: {step.ours} --><!-- end -->"
    )
    once = figures.filled(page, RESULTS, "page")
    assert figures.filled(once, RESULTS, "page") == once


@pytest.mark.parametrize(
    ("page", "message"),
    [
        ("so <!-- fill: {step.theirs} -->1<!-- end -->", "step.theirs is not in results.json"),
        ("so <!-- fill: {step.machine:.1f} -->1<!-- end -->", "cannot be written"),
        ("so <!-- fill: {step.ours} -->1", "has no `<!-- end -->`"),
        ("<!-- fill: {step.ours} -->1<!-- end -->", "begins a line"),
    ],
)
def test_a_place_that_cannot_be_filled_is_named(page, message):
    with pytest.raises(InputError, match=r"^page: ") as caught:
        figures.filled(page, RESULTS, "page")
    assert message in str(caught.value)
