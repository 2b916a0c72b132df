"""What is drawn is what was measured."""

import numpy as np
import pytest
from matplotlib.figure import Figure

from htt_jax.datasets import published
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation.report import (
    accuracy,
    confusion,
    curves,
    error_plots,
    plotting,
)


def draw(panel):
    axes = Figure().add_subplot()
    panel.draw(axes)
    return axes


def pose(spec, hand, pck):
    spaces = {"camera_space": spec.camera_space, "root_aligned": spec.root_aligned}
    return {
        hand: {
            space: {
                "auc": 0.5,
                "thresholds": np.linspace(0, curve.maximum, curve.steps).tolist(),
                "pck": [pck] * curve.steps,
            }
            for space, curve in spaces.items()
        }
    }


def test_the_published_curve_has_the_published_area():
    for space, measure in (("camera_space", "auc"), ("root_aligned", "auc_ra")):
        curve = published.of("fpha").pck["right"][space]
        assert len(curve) == getattr(FPHA, space).steps
        area = np.trapezoid(curve) / (len(curve) - 1)
        assert area == pytest.approx(published.of("fpha").pose["right"][measure], abs=0.001)


def test_curves_of_fpha_stand_beside_the_published_one():
    results, constant = ({"pose": pose(FPHA, "right", pck)} for pck in (0.75, 0.25))
    camera_space, root_aligned = curves.pck_plot(
        FPHA, results, constant, published.of("fpha")
    ).panels
    axes = draw(camera_space)
    assert [line.get_label() for line in axes.lines] == [
        "HTT, published on FPHA  0.810",
        "this run  0.500",
        "mean training pose  0.500",
    ]
    theirs, ours, mean = (line.get_xydata() for line in axes.lines)
    np.testing.assert_allclose(theirs[[8, 32]], [[20, 0.7718], [80, 0.9901]])
    np.testing.assert_allclose(ours[[0, 32]], [[0, 0.75], [80, 0.75]])
    np.testing.assert_allclose(mean[32], [80, 0.25])
    assert draw(root_aligned).get_xlim() == (0, 50)


def test_hands_have_colours_of_their_own_only_when_there_are_two():
    both = {"pose": pose(H2O, "left", 0.5) | pose(H2O, "right", 0.5)}
    axes = draw(curves.pck_plot(H2O, both, both, published.of("h2o")).panels[0])
    left, _, right, _ = (line.get_color() for line in axes.lines)
    assert (left, right) == ("#4672fa", "#e69f00")
    assert plotting.hand_colours(["right"]) == {"right": plotting.ACCENT}


def joint_rows(hand, factor):
    return [
        {"hand": hand, "joint": "wrist", "finger": "wrist", "mepe": 5.0, "mepe_ra": None},
        *(
            {"hand": hand, "joint": f"{finger}_{i}", "finger": finger}
            | {"mepe": factor * i, "mepe_ra": 2.0 * factor * i}
            for finger in ("thumb", "index", "middle", "ring", "little")
            for i in range(1, 5)
        ),
    ]


def test_joints_are_bars_in_groups_below_their_fingers_mean():
    rows = joint_rows("left", 1.0) + joint_rows("right", 3.0)
    fingers = [
        {"hand": hand, "finger": "thumb", "mepe": mean, "mepe_ra": 2 * mean}
        for hand, mean in (("left", 2.5), ("right", 7.5))
    ]
    panels = error_plots.joint_plot(rows, fingers).panels
    assert [panel.title for panel in panels] == [
        "Camera space, left hand",
        "Root-aligned, left hand",
        "Camera space, right hand",
        "Root-aligned, right hand",
    ]
    axes = draw(panels[3])
    assert [bar.get_height() for bar in axes.patches] == [6, 12, 18, 24]
    assert [text.get_text() for text in axes.texts] == ["15.0"]
    assert draw(panels[1]).get_ylim() == axes.get_ylim()  # hands can be compared
    assert "thumb 7.5" in panels[2].description


def test_visibility_shows_how_many_frames_are_behind_each_bar():
    rows = [
        {"hand": hand, "visible": visible, "visible_from": low, "frames": frames}
        | {"mepe": 30.0, "mepe_ra": 20.0}
        for hand, visible, low, frames in (
            ("left", "1-10", 1, 12),
            ("left", "21", 21, 3400),
            ("right", "21", 21, 5),
        )
    ]
    axes = draw(error_plots.visibility_plot(rows).panels[0])
    assert [label.get_text() for label in axes.get_xticklabels()] == [
        "1-10\nL n = 12\nR n = 0",
        "21\nL n = 3\u202f400\nR n = 5",
    ]
    assert [bar.get_height() for bar in axes.patches] == [30, 30, 30]


def test_the_window_starts_at_position_one_above_its_frame_counts():
    rows = [
        {"hand": "right", "position": i, "frames": 90 - i, "mepe": 20.0 + i, "mepe_ra": 10.0}
        for i in range(32)
    ]
    axes = draw(error_plots.window_plot(rows).panels[0])
    np.testing.assert_allclose(axes.lines[0].get_xydata()[[0, 31]], [[1, 20], [32, 51]])
    assert axes.get_ylim()[0] < 20 - 31 * 0.15
    counts = axes.figure.axes[1]
    assert [bar.get_height() for bar in counts.patches][:2] == [90, 89]
    assert axes.get_xticks().tolist() == [1, *range(2, 33, 2)]


def test_classes_that_are_confused_stand_side_by_side_the_worst_first():
    counts = np.diag([9, 8, 5, 6, 7, 0])
    counts[1, 4] = 2  # b is taken for e
    counts[2, 0] = counts[0, 2] = 4  # a and c for each other
    found = confusion.arrange(counts.tolist(), ["a", "b", "c_c", "d", "e", "never"])
    assert found.names == ["a", "c_c", "b", "e", "d"]
    assert found.counts.tolist() == [
        [9, 4, 0, 0, 0],
        [4, 5, 0, 0, 0],
        [0, 0, 8, 2, 0],
        [0, 0, 0, 7, 0],
        [0, 0, 0, 0, 6],
    ]
    assert confusion.cell_text(found, 2, 3, "action") == "2"
    assert confusion.cell_text(found, 2, 3, "object") == "20"
    strengths = [confusion.cell_strength(found, 2, i, "action") for i in (2, 3)]
    assert strengths == pytest.approx([0.18 + 0.82 * 0.8, 0.18 + 0.82 * 0.2])
    axes = draw(confusion.confusion_plot(found, "action").panels[0])
    assert [text.get_text() for text in axes.texts] == ["9", "4", "4", "5", "8", "2", "7", "6"]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["a", "c c", "b", "e", "d"]


def test_a_class_that_is_only_predicted_has_a_column():
    found = confusion.arrange([[3, 0], [0, 0]], ["a", "b"])
    assert found.names == ["a"]
    found = confusion.arrange([[0, 3], [0, 0]], ["a", "b"])
    assert found.shares.sum() == 1
    assert sorted(found.names) == ["a", "b"]


def test_accuracies_are_shown_worst_first():
    rows = [
        {"verb": name, "videos": videos, "correct": correct, "accuracy": correct / videos}
        for name, videos, correct in (("open", 4, 4), ("take_out", 4, 1), ("pour", 8, 2))
    ]
    axes = draw(accuracy.accuracy_plot(rows, "verb").panels[0])
    assert [label.get_text() for label in axes.get_yticklabels()] == ["pour", "take out", "open"]
    assert [bar.get_width() for bar in axes.patches] == [25, 25, 100]
    assert [text.get_text() for text in axes.texts] == ["2 of 8", "1 of 4", "4 of 4"]
