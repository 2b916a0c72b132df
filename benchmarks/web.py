"""How fast is an exported page in a browser? Of the paper's model, random weights, in Chromium.

    float32   the page of its .onnx file
    int8      the same with all convolutions in int8, calibrated on noise: for speed alone

Frames of the camera's size are given to each page one after the other, in groups of windows; the
first group warms up. Of each:

    MB        of the page
    ready     seconds from opening it to when it takes frames
    frames/s  resizing included, without decoding and drawing

It needs npm, and a Chromium: the one in the variable CHROMIUM, or on PATH.

    python -m benchmarks.web
    python -m benchmarks.web --kinds int8
"""

import contextlib
import pathlib
import tempfile
import time
from collections.abc import Sequence
from typing import Any

from benchmarks import measure, realtime
from benchmarks.online import _random_run
from htt_jax.devices import process
from htt_jax.interop.web import page, runtime
from htt_jax.support import cli
from tests import chromium

_KINDS = ("float32", "int8")
_GIVE = """(async () => {
  const [width, height, groups] = [%d, %d, %d];
  const frame = Uint8ClampedArray.from({ length: 4 * width * height }, () => 256 * Math.random());
  await computing.ask("begin", { size: [width, height], rate: facts.frameRate });
  const group = facts.window * facts.spacing;
  const ends = [];
  for (let i = 0; i < groups * group; i++) {
    await computing.ask("push", { pixels: frame });
    ends.push(performance.now());
  }
  return ((groups - 1) * group * 1000) / (ends.at(-1) - ends[group - 1]);
})()"""


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--kinds", nargs="+", default=_KINDS, choices=_KINDS)
    parser.add_argument("--width", type=int, default=1280, help="of the frames given")
    parser.add_argument("--height", type=int, default=720, help="of the frames given")
    parser.add_argument("--groups", type=int, default=2, help="of windows; the first warms up")
    parser.add_argument("--pages", type=cli.path, help="folder that keeps the pages; used again")
    options = parser.parse_args(argv)
    give = _GIVE % (options.width, options.height, options.groups)
    found = []
    with contextlib.ExitStack() as stack:
        folder = options.pages or pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        _write(folder)
        for kind in options.kinds:
            file = _file(folder, kind)
            about = {"kind": kind, "mb": file.stat().st_size / 1e6}
            found.append(about | _measured(file.as_uri(), give))
            print(_line(found[-1]), flush=True)
    frame_size = f"{options.width}x{options.height}"
    result = measure.machine("jax") | {"runtime": runtime.VERSION, "frame_size": frame_size}
    measure.report("web", result | {"measured": found}, [_line(one) for one in found])


def _file(folder: pathlib.Path, kind: str) -> pathlib.Path:
    return folder / f"{kind}.html"


def _write(folder: pathlib.Path) -> None:
    if all(_file(folder, kind).exists() for kind in _KINDS):
        return
    folder.mkdir(parents=True, exist_ok=True)
    run, found = _random_run("fpha"), runtime.find(None)
    with tempfile.TemporaryDirectory() as models:
        realtime.write_files(run, pathlib.Path(models))
        for kind in _KINDS:
            model = pathlib.Path(models, f"{kind}.onnx").read_bytes()
            page.write(_file(folder, kind), run, model, found)


def _measured(url: str, give: str) -> dict[str, Any]:
    start = time.perf_counter()
    with chromium.opened(url) as opened:
        said = ""
        while said != "ready":
            time.sleep(0.05)
            said = opened.evaluate("document.getElementById('status')?.textContent ?? ''")
            if said.startswith("error"):
                raise RuntimeError(said)
        ready = time.perf_counter() - start
        return {"ready_s": ready, "frames_per_s": opened.evaluate(give)}


def _line(one: dict[str, Any]) -> str:
    return (
        f"{one['kind']:8} {one['mb']:6.1f} MB, ready after {one['ready_s']:.1f} s, "
        f"{one['frames_per_s']:.2f} frames/s"
    )


if __name__ == "__main__":
    cli.run(main, process.prepare)
