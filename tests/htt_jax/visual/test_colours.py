import itertools

import numpy as np
import pytest

from htt_jax.visual import colours

# How people who lack a kind of cone see linear RGB: Machado et al. 2009, severity 1.
VISION = {
    "all": np.eye(3),
    "no red": [[0.1523, 1.0526, -0.2049], [0.1145, 0.7863, 0.0992], [-0.0039, -0.0481, 1.0520]],
    "no green": [[0.3673, 0.8606, -0.2280], [0.2801, 0.6725, 0.0474], [-0.0118, 0.0429, 0.9689]],
    "no blue": [[1.2555, -0.0767, -0.1788], [-0.0784, 0.9308, 0.1476], [0.0047, 0.6914, 0.3039]],
}
TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def linear(colour):
    values = np.array(colour) / 255
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def lab(rgb):
    """CIELAB of linear RGB under D65."""
    xyz = TO_XYZ @ np.clip(rgb, 0, 1) / (0.9505, 1.0, 1.089)
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


def contrast(one, other):
    """Of two colours, as the web's accessibility guidelines (WCAG) define it."""
    low, high = sorted(TO_XYZ[1] @ linear(colour) + 0.05 for colour in (one, other))
    return high / low


@pytest.mark.parametrize("vision", VISION)
@pytest.mark.parametrize(
    "palette", [tuple(colours.FINGER.values()), tuple(colours.HAND.values()), colours.CATEGORIES]
)
def test_colours_of_a_palette_differ_for_everybody(palette, vision):
    seen = [lab(np.array(VISION[vision]) @ linear(colour)) for colour in palette]
    apart = [np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)]
    assert min(apart) > 28  # 2.3 is just noticeable side by side


def test_colours_with_meaning_show_on_dark_and_on_white():
    for colour in (*colours.FINGER.values(), *colours.HAND.values(), *colours.CATEGORIES):
        assert contrast(colour, (255, 255, 255)) > 2.2
        assert contrast(colour, colours.BACKGROUND) > 3.5


def test_text_is_readable_on_the_background():
    assert contrast(colours.TEXT, colours.BACKGROUND) > 7
    assert contrast(colours.MUTED, colours.BACKGROUND) > 4.5


def test_depth_runs_from_bright_to_dark_and_stops_at_its_limits():
    depth = np.array([0.1, 0.3, 0.4, 0.5, 0.6, 0.9])
    found = colours.depth_colours(depth, (0.3, 0.6))
    brightness = [TO_XYZ[1] @ linear(colour) for colour in found]
    assert (np.diff(brightness[1:5]) < -0.05).all()
    np.testing.assert_array_equal(found[[0, 5]], found[[1, 4]])


def test_depth_limits_hold_a_video_in_whole_steps():
    depth = np.append(np.linspace(0.31, 0.52, 100), [np.nan, np.inf])
    assert colours.depth_limits(depth) == (0.3, 0.55)
    assert colours.depth_limits(np.full(3, 0.41)) == (0.4, 0.5)
    assert colours.depth_limits(np.array([np.nan])) == colours.DEFAULT_DEPTH_LIMITS


def test_names_keep_their_colours_when_others_come_and_go():
    first = colours.assign({}, ["open", "close", "pour"])
    assert list(first.values()) == list(colours.CATEGORIES[:3])
    second = colours.assign(first, ["stir", "pour", "open"])
    assert second == {"stir": first["close"], "pour": first["pour"], "open": first["open"]}
    many = colours.assign(second, [*second, "a", "b", "c"])
    assert many["c"] == colours.FAINT
    assert colours.hex_code(colours.GROUND_TRUTH) == "#ffffff"
