"""The page's frames of files and of a camera, in headless Chromium without a model."""

import pathlib
import time
from fractions import Fraction

import av
import numpy as np
import pytest

import htt_jax.interop.web
from tests import chromium

SCRIPTS = pathlib.Path(htt_jax.interop.web.__file__).parent
SIZE = (160, 90)
CAMERA = ("--use-fake-device-for-media-stream=fps=20", "--use-fake-ui-for-media-stream")
PAGE = """<video id="video" muted></video><input type="file" id="file"><script>
{scripts}
const video = document.getElementById("video");
let stopping = new AbortController();
let found = null;
async function taken(source, take) {{
  const frames = [];
  for await (const [, rate, passed] of source) {{
    frames.push([rate, passed]);
    if (take(frames)) break;
  }}
  release(video);
  return frames;
}}
document.getElementById("file").addEventListener("change", async ({{ target }}) => {{
  found = await taken(fileFrames(video, target.files[0], stopping.signal), () => false);
}});
</script>"""

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(chromium.find() is None, reason="there is no Chromium, see .ci/chromium.sh"),
]


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    path = tmp_path_factory.mktemp("frames") / "page.html"
    scripts = "".join((SCRIPTS / name).read_text() for name in ("pace.js", "frames.js"))
    path.write_text(PAGE.format(scripts=scripts))
    with chromium.opened(path.as_uri(), *CAMERA) as page:
        yield page
        assert page.errors == []


def write(path, frames, *, a_second):
    """Each lasts as long as the others, but for the last: a thirtieth second."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=30)
        (stream.width, stream.height), stream.pix_fmt = SIZE, "yuv420p"
        stream.codec_context.time_base = Fraction(1, 1000)
        for number in range(frames):
            picture = np.full((*SIZE[::-1], 3), 5 * number, np.uint8)
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = 1000 * number // a_second, Fraction(1, 1000)
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    return path


def found_in(page, path):
    page.evaluate("found = null")
    page.choose_file("#file", path)
    end = time.monotonic() + 60
    while (found := page.evaluate("found")) is None:
        assert time.monotonic() < end
        time.sleep(0.05)
    return found


def test_the_last_frame_is_taken_however_short_it_is(page, tmp_path):
    found = found_in(page, write(tmp_path / "video.webm", 8, a_second=10))
    assert found == [[10, 1]] * 8


def test_what_is_stopped_while_its_rate_is_measured_gives_no_frame(page, tmp_path):
    page.evaluate("setTimeout(() => stopping.abort(), 100); 0")
    try:
        assert found_in(page, write(tmp_path / "video.webm", 30, a_second=30)) == []
    finally:
        page.evaluate("stopping = new AbortController(); 0")


@pytest.mark.parametrize("busy", [0, 120])
def test_frames_of_a_camera_that_are_missed_are_counted(page, busy):
    """`busy`: milliseconds that a frame takes."""
    frames, seconds = page.evaluate(
        "(async () => { let began; const frames = await taken("
        "  cameraFrames(video, new AbortController().signal), (frames) => {"
        "    const now = performance.now(); began ??= now;"
        f"    while (performance.now() < now + {busy});"
        "    return now - began > 3000; });"
        "  return [frames, (performance.now() - began) / 1000]; })()"
    )
    rates, passed = zip(*frames, strict=True)
    assert set(rates) == {20}
    assert sum(passed) == pytest.approx(20 * seconds, abs=4)
    if busy:
        assert len(passed) < 0.7 * sum(passed)
