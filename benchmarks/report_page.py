"""Does a report's page hold up in a browser? Opens it in headless Chromium, wide and narrow.

Looks for pictures that are missing, messages on the console, requests to anywhere, and contents
wider than the window, in both colour schemes. Exits with 1 if it finds any.

    apt-get install chromium
    python -m benchmarks.report_page runs/fpha/evaluation/test/report.html --screenshots shots
"""

import base64
import contextlib
import json
import os
import pathlib
import select
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from typing import Any

from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

_SIZES = ((1280, 900), (390, 844))
_SCHEMES = ("light", "dark")
_PATIENCE = 60  # seconds, with a page of a full test split
_TALLEST = 16_000  # pixels; Chromium draws no taller picture

# What lies inside a place that scrolls may be wider than the window; the page may not.
_LOOK = """
(() => {
  const scrolls = (e) => e && (getComputedStyle(e).overflowX !== 'visible' || scrolls(e.parentElement));
  const name = (e) => `${e.tagName.toLowerCase()}#${e.id}.${e.className.baseVal ?? e.className}`;
  return {
    images: document.images.length,
    missing: [...document.images].filter(i => !i.complete || !i.naturalWidth).map(i => i.alt),
    width: document.documentElement.scrollWidth,
    height: document.documentElement.scrollHeight,
    wider: [...document.body.querySelectorAll('*')]
      .filter(e => e.getBoundingClientRect().right > innerWidth + 0.5 && !scrolls(e.parentElement))
      .slice(0, 5).map(name),
  };
})()
"""  # noqa: E501


class Browser:
    """Chromium over a pipe, by the DevTools protocol: JSON messages that end with a zero byte."""

    def __init__(self, to_browser: int, from_browser: int):
        """Talks through these file descriptors."""
        self._to, self._from = to_browser, from_browser
        self._unread = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.call("Target.attachToTarget", targetId=target, flatten=True)[
            "sessionId"
        ]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """The result of a command; what happens meanwhile goes to `events`."""
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._to, json.dumps(message).encode() + b"\0")
        while True:
            answer = self._read()
            if answer.get("id") == self._number:
                if "error" in answer:
                    raise RuntimeError(f"{method}: {answer['error']}")
                return answer["result"]
            self.events.append(answer)

    def wait_for(self, event: str) -> None:
        """Returns when the event has come."""
        while not any(found.get("method") == event for found in self.events):
            self.events.append(self._read())

    def evaluate(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        return result["result"]["value"]

    def _read(self) -> dict[str, Any]:
        while b"\0" not in self._unread:
            if not select.select([self._from], [], [], _PATIENCE)[0]:
                raise RuntimeError(f"Chromium has said nothing for {_PATIENCE} s")
            data = os.read(self._from, 1 << 20)
            if not data:
                raise RuntimeError("Chromium ended")
            self._unread += data
        message, _, self._unread = self._unread.partition(b"\0")
        return json.loads(message)


def find_browser(name: str) -> str:
    """The path of a program.

    Raises:
        InputError: there is none.
    """
    program = shutil.which(name)
    if program is None:
        raise InputError(
            f"no program {name}: `apt-get install chromium`, or name another with --chromium"
        )
    return program


@contextlib.contextmanager
def open_browser(program: str) -> Iterator[Browser]:
    """A headless Chromium with a profile of its own, ended afterwards."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's pipes are file descriptors 3 and 4 of the browser.
        command = [
            *("sh", "-c", 'exec "$@" 3<&0 4>&1 </dev/null >&2', "sh", program),
            *("--headless=new", "--no-sandbox", "--remote-debugging-pipe", "--hide-scrollbars"),
            *("--disable-gpu", "--no-first-run", f"--user-data-dir={profile}"),
        ]
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            try:
                browser = Browser(process.stdin.fileno(), process.stdout.fileno())
                yield browser
                browser.call("Browser.close")
            finally:
                process.terminate()


def look(
    browser: Browser, page: pathlib.Path, size: tuple[int, int], scheme: str
) -> dict[str, Any]:
    """Opens the page at a size and in a colour scheme; what was found."""
    width, height = size
    browser.events.clear()
    browser.call(
        "Emulation.setDeviceMetricsOverride",
        width=width,
        height=height,
        deviceScaleFactor=1,
        mobile=width < 600,
    )
    feature = {"name": "prefers-color-scheme", "value": scheme}
    browser.call("Emulation.setEmulatedMedia", features=[feature])
    url = page.resolve().as_uri()
    start = time.perf_counter()
    browser.call("Page.navigate", url=url)
    browser.wait_for("Page.loadEventFired")
    seconds = time.perf_counter() - start
    found = browser.evaluate(_LOOK)
    return found | {
        "window": width,
        "scheme": scheme,
        "seconds": round(seconds, 2),
        "console": [_said(event) for event in browser.events if _said(event)],
        "requests": [
            address
            for event in browser.events
            if event.get("method") == "Network.requestWillBeSent"
            and not (address := event["params"]["request"]["url"]).startswith(("data:", url))
        ],
    }


def faults(found: dict[str, Any]) -> list[str]:
    """What is wrong, a line each."""
    lines = [f"picture missing: {alt}" for alt in found["missing"]]
    lines += [f"console: {text}" for text in found["console"]]
    lines += [f"request: {address}" for address in found["requests"]]
    if found["width"] > found["window"]:
        lines.append(f"{found['width']} pixels wide: {', '.join(found['wider'])}")
    return lines


def save_screenshots(browser: Browser, found: dict[str, Any], folder: pathlib.Path) -> None:
    """Writes the whole page, in several files where it is tall."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, top in enumerate(range(0, found["height"], _TALLEST)):
        height = min(_TALLEST, found["height"] - top)
        clip = {"x": 0, "y": top, "width": found["window"], "height": height, "scale": 1}
        shot = browser.call("Page.captureScreenshot", clip=clip, captureBeyondViewport=True)
        path = folder / f"{found['window']}_{found['scheme']}_{number}.png"
        path.write_bytes(base64.b64decode(shot["data"]))


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("page", type=cli.path, help="an HTML file")
    parser.add_argument("--chromium", default="chromium", help="the program")
    parser.add_argument("--screenshots", type=cli.path, help="folder for pictures of the page")
    options = parser.parse_args(argv)
    program = find_browser(options.chromium)
    if not options.page.is_file():
        raise InputError(f"no page {options.page}: evaluate a run first")
    wrong = 0
    with open_browser(program) as browser:
        for scheme in _SCHEMES:
            for size in _SIZES:
                found = look(browser, options.page, size, scheme)
                if options.screenshots:
                    save_screenshots(browser, found, options.screenshots)
                print(json.dumps({"benchmark": "report_page"} | found))
                lines = faults(found)
                wrong += len(lines)
                print(
                    f"{found['window']} pixels, {scheme}: {found['images']} pictures, "
                    f"{found['height']} pixels tall; {'; '.join(lines) or 'nothing wrong'}"
                )
        if options.screenshots:
            pdf = browser.call("Page.printToPDF", printBackground=True)
            (options.screenshots / "print.pdf").write_bytes(base64.b64decode(pdf["data"]))
    if wrong:
        sys.exit(1)


def _said(event: dict[str, Any]) -> str:
    """What an event says on the console, if it does."""
    said = event.get("params", {})
    if event.get("method") == "Runtime.consoleAPICalled":
        return " ".join(str(one.get("value", one.get("type"))) for one in said["args"])
    if event.get("method") == "Log.entryAdded":
        return said["entry"]["text"]
    if event.get("method") == "Runtime.exceptionThrown":
        return said["exceptionDetails"]["text"]
    return ""


if __name__ == "__main__":
    cli.run(main, process.prepare)
