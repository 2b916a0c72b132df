import cv2
import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation.report import material, page
from tests.htt_jax.evaluation.report import cases
from tests.htt_jax.evaluation.report.html_check import Page


def write(case):
    return page.page(material.gather(*case))


def read(case):
    return Page(write(case))


@pytest.fixture(scope="module")
def fpha(tmp_path_factory):
    """Six videos, one taken for another; joints of random hands inside and outside the image."""
    case = cases.make(tmp_path_factory.mktemp("fpha"), FPHA, [8, 5, 7, 3, 9, 4], wrong=[1])
    return case, write(case)


def test_a_page_is_well_formed_and_self_contained(fpha):
    found = Page(fpha[1])
    assert found.faults == []
    assert len(found.all("img")) == 6 + 5 + 6 + 3 + 6 + 4  # six frames a video, if it has as many
    assert len(found.all("svg")) == 4 * 2 + 6
    titles = [attributes["id"] for attributes in found.all("h2")]
    assert titles == [
        *("headline", "pck", "joints", "visibility", "window"),
        *("confusion", "accuracy", "objects", "videos"),
    ]


def test_a_page_shows_the_figures_of_the_evaluation(fpha):
    (report, _, _), document = fpha
    found = Page(document)
    hand = report["results"]["pose"]["right"]
    assert f"{hand['camera_space']['mepe']:.2f}" in found.text
    assert f"this run {hand['root_aligned']['auc']:.3f}" in found.text
    assert "HTT, published on FPHA 0.810" in found.text
    assert "Recognises the action of 83.3 % of 6 videos" in found.text
    assert "open milk 80 %, recognised" in found.text
    assert "close milk 10 %, taken for put salt 80 %" in found.text
    assert "htt-jax 0.1.0 (0123456789)" in found.text


def test_names_are_text_and_never_markup_or_formulas(tmp_path):
    report, estimates, source = cases.make(tmp_path / "data", FPHA, [3, 4])
    source.action_names[:] = ["a<b", "$c_1$&amp;d", 'e"f']
    found = read((report, estimates, source))
    assert found.faults == []
    assert "runs/<a&b>" in found.text
    assert "a<b" in found.text
    assert "$c 1$&amp;d" in found.text


def test_all_styles_keep_wide_contents_within_the_page(fpha):
    document = fpha[1]
    style = document[document.index("<style>") : document.index("</style>")]
    for rule in ("max-width: 1080px", "overflow-x: auto", "prefers-color-scheme: dark", "@media p"):
        assert rule in style
    assert '<meta name="viewport" content="width=device-width, initial-scale=1">' in document


def test_hidden_actions_leave_no_empty_tables_and_charts(tmp_path):
    found = read(cases.make(tmp_path / "data", H2O, [3, 4, 3], hidden=True))
    assert found.faults == []
    titles = [attributes["id"] for attributes in found.all("h2")]
    assert "confusion" not in titles
    assert "accuracy" not in titles
    assert "the true action is hidden" in found.text
    assert "Recognises the object in" in found.text


def test_one_video_of_one_frame_has_a_page(tmp_path):
    found = read(cases.make(tmp_path / "data", FPHA, [1]))
    assert found.faults == []
    titles = [attributes["id"] for attributes in found.all("h2")]
    assert "window" not in titles  # one place only
    assert "confusion" not in titles  # one class only
    assert "The only one" in found.text
    assert "1 video, 1 frame" in found.text


def test_perfect_estimates_have_a_page(tmp_path):
    found = read(cases.make(tmp_path / "data", FPHA, [4], noise=0.0))
    assert found.faults == []
    assert "0.0 mm off" in found.text


def test_a_hand_that_is_never_annotated_is_not_shown(tmp_path):
    found = read(cases.make(tmp_path / "data", H2O, [3, 4], annotated=[False, True]))
    assert found.faults == []
    assert "The left hand is annotated in no frame." in found.text
    assert "left 21" not in found.text
    assert len(found.all("svg")) == 4 * 2 + 2


def test_without_any_annotated_hand_only_recognition_is_shown(tmp_path):
    found = read(cases.make(tmp_path / "data", H2O, [3, 4, 3], annotated=[False, False]))
    assert found.faults == []
    titles = [attributes["id"] for attributes in found.all("h2")]
    assert titles == ["headline", "confusion", "accuracy", "objects", "videos"]
    assert "mm off" not in found.text


def test_tiles_show_the_frame_with_both_skeletons(fpha):
    (report, estimates, source), _ = fpha
    view = material.gather(report, estimates, source).best[0]
    tile = view.tiles[0]
    assert tile.picture.shape == (216, 288, 3)
    decoded = cv2.imdecode(np.frombuffer(tile.jpeg(), np.uint8), cv2.IMREAD_COLOR)
    assert decoded.shape == tile.picture.shape
    first = estimates.first_frame[view.score.video]
    off = estimates.joints_3d[first] - estimates.target_3d[first]
    assert tile.error == pytest.approx(1000 * np.linalg.norm(off, axis=-1).mean(), rel=1e-5)
