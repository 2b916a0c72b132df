"""README and the pages of docs/ name only what is there."""

import pathlib
import re

import pytest

from benchmarks import figures

ROOT = pathlib.Path(__file__).parents[1]
NAME = re.compile(r"[a-z_]+\.\w+")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_picture_and_page_that_is_linked_exists(page):
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text())
    missing = [link for link in links if "://" not in link and not (page.parent / link).exists()]
    assert not missing


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_module_that_is_run_exists(page):
    for module in re.findall(
        r"python -m ((?:htt_jax|data_prep|benchmarks|jobs)\.\w+)", page.read_text()
    ):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_every_measured_figure_is_the_stored_one():
    results = figures.read(figures.RESULTS)
    for page in PAGES:
        text = page.read_text()
        assert figures.filled(text, results, page.name) == text, "python -m benchmarks.figures"


def test_every_stored_figure_is_on_a_page_and_says_where_it_was_measured():
    text = "".join(page.read_text() for page in PAGES)
    named = {name for place in re.findall(r"\{[^{}]*\}", text) for name in NAME.findall(place)}
    for group, told in figures.read(figures.RESULTS).items():
        assert {f"{group}.{figure}" for figure in told["figures"]} <= named
        assert told["command"]
        assert re.fullmatch(r"\d{4}-\d\d-\d\d", told["recorded"]["date"])


def test_readme_has_at_most_700_words():
    assert len((ROOT / "README.md").read_text().split()) <= 700


def test_every_room_is_in_the_architecture():
    text = (ROOT / "docs/architecture.md").read_text()
    packages = [init.parent for init in (ROOT / "htt_jax").glob("**/__init__.py")]
    assert [folder.name for folder in packages if f"{folder.name}/" not in text] == []


def test_the_gallery_is_small():
    sizes = [file.stat().st_size for file in (ROOT / "docs/gallery").iterdir()]
    assert len(sizes) >= 7
    assert sum(sizes) < 1e6
