"""An exported page in headless Chromium: what it finds in frames, files and cameras is Python's."""

import base64
import contextlib
import shutil
import subprocess
import time
import warnings

import av
import numpy as np
import pytest

import htt_jax
from htt_jax import export, from_pytorch
from htt_jax.datasets.spec import FPHA
from htt_jax.interop import onnx, onnx_model
from htt_jax.interop.web import runtime
from htt_jax.prediction.interface import Predictor
from htt_jax.support.errors import InputError
from tests import chromium, pages, prepared, torch_files, videos

pytestmark = [
    pytest.mark.proof,
    pytest.mark.skipif(chromium.find() is None, reason="there is no Chromium, see .ci/chromium.sh"),
    pytest.mark.skipif(shutil.which("npm") is None, reason="there is no npm"),
]

MODEL_SIZE, SIZE = (64, 36), (160, 90)
FRAMES = 21  # a clip pair of two windows, and part of another
RATES = (30, 25, 60)  # frames a second; the model is used to the first
OPTIONS = (*torch_files.OPTIONS, "--config.data.frames=8", "--config.model.window=4")
KINDS = {"float32": [], "int8": ["--quantize=int8", "--most-loss=1000"]}
CAMERA = ("--use-fake-device-for-media-stream=fps=15", "--use-fake-ui-for-media-stream")
ARRAYS = {
    "joints2d": "joints_2d",
    "depth": "depth",
    "joints3d": "joints_3d",
    "object": "object_probabilities",
    "action": "action_over_time",
}
LARGEST = {"joints_2d": 1e-3, "depth": 1e-6, "joints_3d": 1e-6}  # pixels, metres


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A run of random weights, its pages, and a video without loss."""
    root = tmp_path_factory.mktemp("browser")
    data = prepared.write_dataset(
        root / "data", FPHA, {"train": [8, 7], "test": [7, 6]}, MODEL_SIZE
    )
    torch_files.save(root / "published.pth", torch_files.make(window=4))
    from_pytorch.main(
        [str(root / "published.pth"), f"--out={root / 'run'}", f"--data={data}", *OPTIONS]
    )
    for kind, options in KINDS.items():
        out = root / f"{kind}.html"
        export.main([f"--workdir={root / 'run'}", "--to=web", f"--out={out}", *options])
    for rate in RATES:
        write_lossless(root / f"{rate}.webm", video(), rate)
    shutil.copy(root / "30.webm", root / "again.webm")
    return root


def video():
    """RGB frames larger than the model's."""
    return videos.moving(FRAMES, SIZE)


def write_lossless(path, pictures, rate):
    """As VP9 without loss, of RGB: what browsers read as it is."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libvpx-vp9", rate=rate, options={"lossless": "1"})
        (stream.width, stream.height), stream.pix_fmt = SIZE, "gbrp"
        for picture in pictures:
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame.reformat(format="gbrp")))
        container.mux(stream.encode())


def program_in(page):
    """The model that is in a page, for ONNX Runtime."""
    inside = pages.packed(page.read_text())
    parts = (onnx.session(page, inside[name]) for name in ("frames", "windows", "clips"))
    return onnx_model.OnnxHTT(4, *map(onnx.as_function, parts))


def found_by_python(folder, kind, rate):
    """What Python finds in the video with the model that is in the page."""
    run = htt_jax.load(folder / "run").run
    model = Predictor(run.with_model(program_in(folder / f"{kind}.html")))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "the video has .* frames a second, the model is used to")
        return vars(model.predict(folder / f"{rate}.webm"))


@pytest.fixture(scope="module")
def expected(folder):
    """Of each rate."""
    return {rate: found_by_python(folder, "float32", rate) for rate in RATES}


@contextlib.contextmanager
def opened(path, *flags):
    """A page that is ready, and keeps what it draws."""
    with chromium.opened(path.as_uri(), *flags) as page:
        wait_for(page, "document.getElementById('status')?.textContent.startsWith('ready')")
        page.evaluate(
            "globalThis.found = []; globalThis.draw = drawFrame;"
            "drawFrame = (canvas, picture, result, ...rest) => {"
            "  found.push(result); draw(canvas, picture, result, ...rest); }; 0"
        )
        yield page
        assert page.errors == []


def wait_for(page, condition, seconds=180):
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, page.evaluate("document.body.innerText")
        time.sleep(0.1)


def status(page):
    return page.evaluate("document.getElementById('status').textContent")


def found_in(page, pictures, passed=1):
    """What it finds in frames that are given to it as they are, each the last of so many."""
    pixels = np.insert(np.stack(pictures), 3, 255, axis=-1)
    text = base64.b64encode(pixels.tobytes()).decode()
    return page.evaluate(
        f"(async () => {{ const bytes = atob('{text}'), length = {pixels[0].size};"
        "  const all = Uint8ClampedArray.from(bytes, (x) => x.charCodeAt(0)), found = [];"
        f"  await computing.ask('begin', {{ size: {list(SIZE)}, rate: 30 }});"
        f"  for (let i = 0; i < {len(pixels)}; i++) {{"
        "    const pixels = all.slice(i * length, (i + 1) * length);"
        f"    found.push(...(await computing.ask('push', {{ pixels, passed: {passed} }}))); }}"
        "  return [...found, ...(await computing.ask('finish'))]; })()"
    )


def found_in_file(page, path):
    """What it finds and draws."""
    page.evaluate("found.length = 0")
    page.choose_file("#file", path)
    wait_for(page, f"found.length >= {FRAMES}")
    return page.evaluate("found")


def assert_found(results, expected):
    for name, theirs in ARRAYS.items():
        found = np.array([result[name] for result in results])
        away = np.abs(found - expected[theirs])
        assert away.shape == expected[theirs].shape
        assert away.max() < LARGEST.get(theirs, 1e-5), theirs


def test_given_frames_it_finds_what_python_does(folder, expected):
    with opened(folder / "float32.html") as page:
        assert_found(found_in(page, video()), expected[30])


def test_a_frame_stands_for_those_that_were_missed_before_it(folder):
    pictures = video()[:11]
    with opened(folder / "float32.html") as page:
        found = found_in(page, pictures, passed=2)
        assert found == found_in(page, [x for x in pictures for _ in range(2)])[1::2]


def test_in_int8_it_finds_what_python_does(folder):
    with opened(folder / "int8.html") as page:
        results = found_in(page, video())
    assert_found(results, found_by_python(folder, "int8", 30))


def test_of_a_file_it_takes_every_frame_and_draws_what_python_finds(folder, expected):
    with opened(folder / "float32.html") as page:
        for name in ("30", "again"):  # which begins anew
            assert_found(found_in_file(page, folder / f"{name}.webm"), expected[30])
        assert status(page).startswith(f"frame {FRAMES}, ")
        (folder / "text.mp4").write_text("no video")
        page.choose_file("#file", folder / "text.mp4")
        wait_for(page, "document.getElementById('status').textContent.startsWith('error: ')")
        assert "the video cannot be played" in status(page)


def test_of_a_file_of_another_rate_it_cuts_clips_by_time_as_python_does(folder, expected):
    assert not np.allclose(expected[30]["joints_3d"], expected[60]["joints_3d"], atol=1e-4)
    with opened(folder / "float32.html") as page:
        for rate in RATES[1:]:
            assert_found(found_in_file(page, folder / f"{rate}.webm"), expected[rate])


def test_of_a_compressed_file_it_takes_each_frame_nearly_in_its_colours(folder, tmp_path):
    """Browsers and FFmpeg bring colours to RGB each in its way."""
    path = videos.write(tmp_path / "video.mp4", video())
    with opened(folder / "float32.html") as page:
        page.evaluate(
            "globalThis.seen = []; const ask = computing.ask.bind(computing);"
            "computing.ask = (question, given, moved) => {"
            "  if (question === 'push') seen.push(Array.from(given.pixels));"
            "  return ask(question, given, moved); }; 0"
        )
        page.choose_file("#file", path)
        wait_for(page, f"found.length >= {FRAMES}")
        seen = np.array(page.evaluate("seen")).reshape(FRAMES, *SIZE[::-1], 4)[..., :3]
    pictures = np.stack(videos.read(path)[1]).astype(int)
    away = np.array([np.abs(picture - seen).mean(axis=(1, 2, 3)) for picture in pictures])
    assert away.argmin(axis=1).tolist() == list(range(FRAMES))
    assert away.diagonal().max() < 3  # levels


def test_a_webcam_is_shown_at_its_rate_until_it_is_stopped(folder):
    with opened(folder / "float32.html", *CAMERA) as page:
        page.evaluate(
            "globalThis.rates = []; const ask = computing.ask.bind(computing);"
            "computing.ask = (question, given, moved) => {"
            "  if (question === 'begin') rates.push(given.rate);"
            "  return ask(question, given, moved); }; 0"
        )
        page.evaluate("document.getElementById('camera').click()")
        wait_for(page, "found.length >= 24")
        page.evaluate("document.getElementById('stop').click()")
        wait_for(page, "document.getElementById('video').srcObject === null")
        found = page.evaluate("found")
        assert np.isfinite([result["joints3d"] for result in found]).all()
        assert "frames/s" in status(page)
        assert page.evaluate("rates") == [15]


def test_of_a_package_that_was_changed_it_says_which_file(tmp_path):
    pack = ["npm", "pack", f"{runtime.PACKAGE}@{runtime.VERSION}", f"--pack-destination={tmp_path}"]
    subprocess.run(pack, check=True, capture_output=True)
    (file,) = tmp_path.glob("*.tgz")
    shutil.unpack_archive(file, tmp_path)
    wasm = tmp_path / "package/dist/ort-wasm-simd-threaded.wasm"
    assert runtime.find(file) == runtime.find(tmp_path / "package")
    wasm.write_bytes(wasm.read_bytes()[:-1])
    with pytest.raises(InputError, match=r"ort-wasm-simd-threaded.wasm in .* is damaged or was ch"):
        runtime.find(tmp_path / "package")
