"""The page's pure functions, run by node, beside what Python computes."""

import itertools
import json
import pathlib
import shutil
import subprocess

import numpy as np
import pytest

import htt_jax.interop.web
from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.data.pace import clips_at
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation import action_scores
from htt_jax.prediction.frames import DEFAULT_RATE, Resizer
from htt_jax.prediction.webcam import usual

SCRIPTS = pathlib.Path(htt_jax.interop.web.__file__).parent

pytestmark = pytest.mark.skipif(shutil.which("node") is None, reason="node is not installed")


def evaluated(script, expression, given):
    """The JSON value of an expression of a script's functions, of what is `given`."""
    program = (
        f"const vm = require('node:vm'), fs = require('node:fs');"
        f"vm.runInThisContext(fs.readFileSync({json.dumps(str(SCRIPTS / script))}, 'utf8'));"
        f"const given = JSON.parse(fs.readFileSync(0, 'utf8'));"
        f"const found = vm.runInThisContext({json.dumps(f'(given) => ({expression})')})(given);"
        f"fs.writeSync(1, JSON.stringify(found));"
    )
    text = json.dumps(given)
    ended = subprocess.run(["node", "-e", program], input=text, capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr
    return json.loads(ended.stdout)


CASES = [
    # spec, of frames, of the model, levels that may differ, share of pixels that may
    (FPHA, (320, 180), (64, 36), 0, 0),  # areas
    (FPHA, (320, 180), (100, 50), 1, 0.01),
    (FPHA, (960, 540), (480, 270), 0, 0),  # Pillow's filter
    (FPHA, (700, 300), (64, 36), 0, 0),  # and then areas
    (H2O, (700, 300), (480, 270), 1, 0.2),  # OpenCV rounds sums of products twice
    (H2O, (64, 36), (160, 90), 1, 0.2),
]


def test_frames_come_to_the_model_s_size_as_in_python():
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, (size[1], size[0], 3), np.uint8) for _, size, *_ in CASES]
    given = [
        {
            "pixels": np.insert(image, 3, 255, axis=-1).ravel().tolist(),
            "size": size,
            "facts": {"modelSize": to, "storedSize": (480, 270), "antialiased": spec.antialiased},
        }
        for image, (spec, size, to, *_) in zip(images, CASES, strict=True)
    ]
    one = "Array.from(atModelSize(Uint8ClampedArray.from(x.pixels), x.size, x.facts))"
    found = evaluated("pixels.js", f"given.map((x) => {one})", given)
    for pixels, image, (spec, size, to, levels, share) in zip(found, images, CASES, strict=True):
        rgba = np.array(pixels).reshape(to[1], to[0], 4)
        away = np.abs(rgba[..., :3] - Resizer(spec, size, to)(image).astype(int))
        assert away.max() <= levels, (size, to)
        assert (away > 0).mean() <= share, (size, to)
        assert (rgba[..., 3] == 255).all()


def test_pixels_are_what_the_model_takes():
    pixels = [0, 51, 255, 255, 102, 204, 1, 255]
    found = evaluated("pixels.js", "Array.from(toImage(given))", pixels)
    expected = np.array([0, 51, 255, 102, 204, 1], np.float32) / 255 - 0.5
    np.testing.assert_array_equal(np.array(found, np.float32), expected)


@pytest.mark.parametrize("count", [1, 3, 8, 11, 12])
def test_a_group_of_frames_makes_the_windows_of_its_clips(count):
    clips = ClipSpec(window=4, frames=4, spacing=3)
    found = evaluated("clips.js", "windowsOf(given, {window: 4, spacing: 3})", count)
    table = clip_table(np.array([count]), clips, training=False)
    rows = [clip_frames(int(start), int(real), clips) for _, start, real in table]
    expected = [{"frames": x.tolist(), "valid": valid.tolist()} for x, valid in rows]
    assert found == expected


def test_videos_of_other_rates_are_cut_as_in_python():
    rates = (0.1, 10, 12.5, 15, 20, 23.976, 24, 25, 29.97, 30, 33.3, 48, 50, 59.94, 60, 144, 240)
    kinds = (ClipSpec(1, 1, 2), ClipSpec(16, 128, 1), ClipSpec(16, 128, 2), ClipSpec(16, 128, 3))
    cases = list(itertools.product(kinds, rates, (30.0, 60.0)))
    given = [
        {
            "window": clips.window,
            "frames": clips.frames,
            "spacing": clips.spacing,
            "frameRate": wanted,
            "rate": rate,
        }
        for clips, rate, wanted in cases
    ]
    of_frames = "Array.from({ length: 50 }, (_, n) => pace.%s(n))"
    found = evaluated(
        "pace.js",
        "given.map((x) => { const { spacing, span, pace } = clipsAt(x, x.rate);"
        f" return [spacing, span, {of_frames % 'frame'}, {of_frames % 'places'}]; }})",
        given,
    )
    for cut, case in zip(found, cases, strict=True):
        clips, pace = clips_at(*case)
        shown = pace.frames(np.arange(50)).tolist()
        places = [0, *itertools.accumulate(pace.times(frame) for frame in range(49))]
        assert cut == [clips.spacing, clips.window_span, shown, places], case


def test_a_camera_has_the_usual_rate_that_it_is_near_to():
    times = [np.cumsum([3, 1 / rate, *[1 / rate] * 6, 0.3]) for rate in (14.6, 28.9, 33.0, 61.0)]
    found = evaluated("pace.js", "given.map(cameraRate)", [x.tolist() for x in times])
    assert found == pytest.approx([15, 30, 33, 60])
    assert found == pytest.approx([usual(1 / np.median(np.diff(x))) for x in times])


def shown(rate, frames=20):
    """When a screen of 60 refreshes a second shows frames that come evenly."""
    return (np.ceil((np.arange(frames) / rate + 0.003) * 60) / 60).tolist()


def test_a_camera_s_rate_is_found_where_only_the_screen_s_times_are_told():
    rates = [15, 20, 24, 25, 30, 50, 60]
    assert evaluated("pace.js", "given.map(cameraRate)", [shown(rate) for rate in rates]) == rates


def test_where_times_do_not_tell_a_rate_it_is_the_default_one():
    times = [[1] * 6 + [1.6], [n / 2000 for n in range(9)]]
    assert evaluated("pace.js", "given.map(cameraRate)", times) == [DEFAULT_RATE] * 2


def counted(cases):
    """Of each rate and times, how many frames had passed at each of these."""
    counts = "const count = new Count(rate); return times.map((time) => count.passed(time));"
    given = [(rate, list(times)) for rate, times in cases]
    return evaluated("pace.js", f"given.map(([rate, times]) => {{ {counts} }})", given)


def test_frames_of_a_camera_are_counted_by_their_times():
    """Those that are missed, too, whatever the usual rate that its own is near to."""
    numbers = np.delete(np.arange(100), [40, 60, 61, 62, 80, 82])
    near = [(usual(rate), numbers / rate) for rate in (24, 29, 30, 31)]
    by_screen = [(rate, np.array(shown(rate, 100))[numbers]) for rate in (24, 25, 30, 50)]
    for passed in counted(near + by_screen):
        assert passed == [1, *np.diff(numbers)]


def test_a_camera_that_grows_faster_is_counted_at_its_former_rate():
    (passed,) = counted([(15, np.arange(90) / 30)])
    assert set(passed) == {0, 1}
    assert sum(passed) == pytest.approx(45, abs=1)


@pytest.mark.parametrize("count", [1, 2, 9, 29, 36])
def test_the_action_at_each_frame_is_that_of_python(count):
    """Two windows of two frames a clip, every third frame: a group of windows is six frames."""
    clips = ClipSpec(window=2, frames=4, spacing=3)
    starts, real = clip_table(np.array([count]), clips, training=False)[:, 1:].T
    rng = np.random.default_rng(0)
    said = [rng.dirichlet(np.ones(4), -(-int(n) // clips.window)) for n in real]
    groups = []
    for start in range(0, count, clips.window_span):
        of_clips, window = divmod(start, clips.span)
        window //= clips.window_span
        frames = min(clips.window_span, count - start)
        seen = range(3 * of_clips, 3 * of_clips + min(clips.spacing, frames))
        group = [said[clip][window].tolist() for clip in seen]
        groups.append({"said": group, "count": frames, "begins": window == 0})
    running = "const running = new RunningAction()"
    add = "running.add(group.said, group.count, group.begins)"
    call = f"(() => {{ {running}; return given.flatMap((group) => {add}); }})()"
    found = evaluated("clips.js", call, groups)
    expected = action_scores.over_frames(starts, said, frames=count, window_span=clips.window_span)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)
