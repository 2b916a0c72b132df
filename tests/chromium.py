"""A headless Chromium that a test tells what to do, by the pipe of its DevTools protocol."""

import contextlib
import json
import os
import shutil
import subprocess
import tempfile
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


def find():
    """The path in the variable CHROMIUM, else of one on PATH; None: there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)


@contextlib.contextmanager
def opened(url, *flags):
    """A page of its own, in a browser that ends with the block."""
    with contextlib.ExitStack() as stack:
        profile = stack.enter_context(tempfile.TemporaryDirectory(ignore_cleanup_errors=True))
        (to_read, to_write), (from_read, from_write) = os.pipe(), os.pipe()
        command = [
            find(),
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={profile}",
        ]
        # The browser reads what it is told from 3 and answers to 4.
        shell = f'exec "$@" 3<&{to_read} 4>&{from_write}'
        browser = subprocess.Popen(
            ["bash", "-c", shell, "-", *command, "--remote-debugging-pipe", *flags],
            pass_fds=(to_read, from_write),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        stack.callback(browser.wait)
        stack.callback(browser.kill)
        os.close(to_read)
        os.close(from_write)
        told = stack.enter_context(open(to_write, "wb", buffering=0))
        answers = stack.enter_context(open(from_read, "rb"))
        yield Page(told, answers, url)


class Page:
    """One page; `call` is any method of the protocol, `evaluate` an expression of JavaScript."""

    def __init__(self, told, answers, url):
        self._told, self._answers, self._number, self._session = told, answers, 0, None
        self.errors: list[str] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        self.call("Runtime.enable")
        self.call("Page.enable")
        self.call("Page.navigate", url=url)

    def call(self, method, **params) -> dict[str, Any]:
        self._number += 1
        message = {"id": self._number, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._told.write(json.dumps(message).encode() + b"\0")
        while True:
            answer = self._next()
            if answer.get("id") == self._number:
                assert "error" not in answer, answer["error"]
                return answer["result"]

    def evaluate(self, expression):
        """Its value, waited for if it is a promise."""
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def choose_file(self, selector, path):
        """What a user does with a file input."""
        root = self.call("DOM.getDocument")["root"]["nodeId"]
        node = self.call("DOM.querySelector", nodeId=root, selector=selector)["nodeId"]
        self.call("DOM.setFileInputFiles", nodeId=node, files=[str(path)])

    def _next(self):
        text = bytearray()
        while not text.endswith(b"\0"):
            byte = self._answers.read(1)
            assert byte, "the browser ended"
            text += byte
        answer = json.loads(text[:-1])
        if answer.get("method") == "Runtime.exceptionThrown":
            self.errors.append(str(answer["params"]["exceptionDetails"]))
        return answer
