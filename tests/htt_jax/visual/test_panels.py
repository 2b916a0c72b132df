import numpy as np
import pytest

from htt_jax.datasets.spec import FPHA
from htt_jax.visual import colours, panels, text
from htt_jax.visual.timeline import History, Timeline

NAMES = ("open_milk", "close_milk")
TINTS = colours.assign({}, NAMES)
WIDTH = 320
LENGTH = WIDTH - 2 * panels.MARGIN


def panel(height=170, width=WIDTH):
    return np.full((height, width, 3), colours.BACKGROUND, np.uint8)


def columns_of(canvas, colour):
    return np.flatnonzero((canvas == colour).all(axis=2).any(axis=0))


@pytest.mark.parametrize("probability", [0.0, 0.25, 1.0])
def test_bars_are_as_long_as_their_probabilities(probability):
    canvas = panel()
    panels.draw_bars(canvas, NAMES, (probability, np.nan), TINTS)
    assert len(columns_of(canvas, TINTS["open_milk"])) == LENGTH * probability
    assert len(columns_of(canvas, TINTS["close_milk"])) == 0


def test_every_class_name_fits_beside_its_percentage():
    space = LENGTH - 52
    for name in FPHA.action_names:
        assert text.fit(panels.readable(name), space, 13, True) == (panels.readable(name), 13)
    shortened, size = text.fit("a name that nobody could ever place in such a panel", 150, 13)
    assert shortened.endswith("…")
    assert size == 10
    assert text.width(shortened, size) <= 150


def test_text_beyond_the_edge_is_cut_off():
    canvas = panel(20, 30)
    text.draw(canvas, "beyond", (-20, 5), size=13, colour=colours.TEXT)
    text.draw(canvas, "beyond", (25, 22), size=13, colour=colours.TEXT)
    text.draw(canvas, "beyond", (200, 200), size=13, colour=colours.TEXT)
    assert (canvas != panel(20, 30)).any()


def test_meters_show_their_share():
    canvas = panel(34)
    start = panels.draw_meter(canvas, "clip", 31, 128, right=300)
    filled = columns_of(canvas[13:21], colours.MUTED)
    quarter = filled[-24:]  # of 96 pixels; before it stands the label
    assert quarter[-1] - quarter[0] == 23
    assert start <= filled[-25] < quarter[0] - 1


def test_timeline_darkens_what_is_to_come():
    timeline = Timeline(400, 140)
    seconds = np.linspace(0, 10, 101)
    history = History(seconds, NAMES, np.stack([0 * seconds + 0.7, 0 * seconds + 0.2], axis=1))
    canvas = panel(140, 400)
    timeline.draw(canvas, history, TINTS, 5.0)
    columns = columns_of(canvas, TINTS["open_milk"])
    cursor = columns_of(canvas[8:10], colours.TEXT)
    assert len(cursor) == 1
    assert abs(cursor[0] - (58 + 378) / 2) <= 1
    assert (columns.min(), columns.max()) == pytest.approx((58, cursor[0]), abs=2)
    rows = np.flatnonzero((canvas == TINTS["open_milk"]).all(axis=2).any(axis=1))
    assert rows.mean() == pytest.approx(114 - 0.7 * (114 - 12), abs=1)


@pytest.mark.parametrize("entries", [0, 1, 5000])
def test_timeline_draws_any_number_of_entries_with_gaps(entries):
    probabilities = np.full((entries, 2), 0.5)
    probabilities[entries // 4 : entries // 2] = np.nan
    history = History(np.arange(entries) / 30, NAMES, probabilities)
    canvas = panel(140, 400)
    Timeline(400, 140).draw(canvas, history, TINTS, 1.0)
    drawn = len(columns_of(canvas[:, :300], TINTS["close_milk"]))
    assert drawn == 0 if entries < 2 else drawn < 250


def test_timeline_follows_a_history_that_grows():
    timeline = Timeline(400, 140)
    for entries in (10, 20):
        history = History(np.arange(entries) / 30, NAMES, np.full((entries, 2), entries / 40))
        canvas = panel(140, 400)
        timeline.draw(canvas, history, TINTS, entries / 30)
        rows = np.flatnonzero((canvas == TINTS["close_milk"]).all(axis=2).any(axis=1))
        assert rows.mean() == pytest.approx(114 - entries / 40 * (114 - 12), abs=1)
