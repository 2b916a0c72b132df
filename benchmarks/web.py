"""How fast is an exported page in a browser? Of the paper's model with random weights, in Chromium.

    float32   the page of its .onnx file
    int8      the same with all convolutions in int8, calibrated on noise: for speed alone

Each page is opened twice: as a file, where a browser gives it one thread, and from a server that
isolates it from other pages, where it gives all. Frames of the camera's size are given one after
the other, in groups of windows; the first group warms up. Of each:

    MB        of the page
    ready     seconds from opening it to its first frame
    frames/s  resizing included, without decoding and drawing
    threads   that the page says it has

It needs npm, and a Chromium: the one in the variable CHROMIUM, or on PATH.

    python -m benchmarks.web
    python -m benchmarks.web --kinds int8 --threads many
"""

import contextlib
import functools
import http.server
import pathlib
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any

from benchmarks import measure, realtime
from benchmarks.online import _random_run
from htt_jax.devices import process
from htt_jax.interop.web import page, runtime
from htt_jax.support import cli
from tests import chromium

_KINDS = ("float32", "int8")
_THREADS = ("one", "many")
_GIVE = """(async () => {
  const [width, height, groups] = [%d, %d, %d];
  const frame = Uint8ClampedArray.from({ length: 4 * width * height }, () => 256 * Math.random());
  await computing.ask("begin", { size: [width, height] });
  const ends = [];
  for (let i = 0; i < groups * GROUP; i++) {
    await computing.ask("push", { pixels: frame });
    ends.push(performance.now());
  }
  return ((groups - 1) * GROUP * 1000) / (ends.at(-1) - ends[GROUP - 1]);
})()"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=_KINDS, choices=_KINDS)
    parser.add_argument("--threads", nargs="+", default=_THREADS, choices=_THREADS)
    parser.add_argument("--width", type=int, default=1280, help="of the frames given")
    parser.add_argument("--height", type=int, default=720, help="of the frames given")
    parser.add_argument("--groups", type=int, default=2, help="of windows; the first warms up")
    parser.add_argument("--pages", type=cli.path, help="folder that keeps the pages; used again")
    options = parser.parse_args(argv)
    with contextlib.ExitStack() as stack:
        folder = options.pages or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write(folder)
        served = stack.enter_context(_served(folder))
        found = []
        for kind in options.kinds:
            for threads in options.threads:
                file = folder / f"{kind}.html"
                url = file.as_uri() if threads == "one" else f"{served}/{file.name}"
                give = _GIVE % (options.width, options.height, options.groups)
                size = file.stat().st_size / 1e6
                found.append({"kind": kind, "mb": size, **_measured(url, give)})
                print(_line(found[-1]), flush=True)
    frame_size = f"{options.width}x{options.height}"
    result = measure.machine("jax") | {"runtime": runtime.VERSION, "frame_size": frame_size}
    measure.report("web", result | {"measured": found}, [_line(one) for one in found])


def _write(folder: pathlib.Path) -> None:
    files = [folder / f"{kind}.html" for kind in _KINDS]
    if all(file.exists() for file in files):
        return
    folder.mkdir(parents=True, exist_ok=True)
    run, found = _random_run("fpha"), runtime.find(None)
    with tempfile.TemporaryDirectory() as models:
        realtime.write_files(run, pathlib.Path(models))
        for file in files:
            model = pathlib.Path(models, f"{file.stem}.onnx").read_bytes()
            page.write(file, run, model, found)


class _Isolating(http.server.SimpleHTTPRequestHandler):
    """Says of each file that it is isolated from other pages, which lets it have threads."""

    def end_headers(self) -> None:
        self.send_header("Cross-Origin-Opener-Policy", "same-origin")
        self.send_header("Cross-Origin-Embedder-Policy", "require-corp")
        super().end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@contextlib.contextmanager
def _served(folder: pathlib.Path) -> Iterator[str]:
    handler = functools.partial(_Isolating, directory=folder)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def _measured(url: str, give: str) -> dict[str, Any]:
    start = time.perf_counter()
    with chromium.opened(url) as opened:
        while True:
            said = opened.evaluate("document.getElementById('status')?.textContent ?? ''")
            if said.startswith("error"):
                raise RuntimeError(said)
            if said.startswith("ready"):
                break
            time.sleep(0.05)
        ready = time.perf_counter() - start
        rate = opened.evaluate(give)
    return {"said": said, "ready_s": ready, "frames_per_s": rate}


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['kind']:8} {one['mb']:6.1f} MB, {one['said']}, after {one['ready_s']:.1f} s: "
        f"{one['frames_per_s']:.2f} frames/s"
    )


if __name__ == "__main__":
    cli.run(main, process.prepare)
