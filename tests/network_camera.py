"""A camera that programs open like any other: motion JPEG over HTTP, on this machine."""

import contextlib
import http.server
import itertools
import threading
import time

import cv2


class NetworkCamera(http.server.ThreadingHTTPServer):
    """Sends frames, so many a second: over and over until it is stopped, or once."""

    daemon_threads = True

    def __init__(self, frames, rate, *, once=False):
        super().__init__(("127.0.0.1", 0), _Handler)
        self.encoded = [cv2.imencode(".jpg", frame[..., ::-1])[1].tobytes() for frame in frames]
        self.rate = rate
        self.once = once
        self.stopped = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_port}/camera.mjpg"

    def __enter__(self):
        threading.Thread(target=self.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.stopped.set()
        self.shutdown()
        self.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header("Content-Type", "multipart/x-mixed-replace; boundary=frame")
        self.end_headers()
        start = time.monotonic()
        with contextlib.suppress(OSError):  # the other side has seen enough
            images = self.server.encoded
            for number, image in enumerate(
                images if self.server.once else itertools.cycle(images), 1
            ):
                head = (
                    f"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: {len(image)}\r\n\r\n"
                )
                self.wfile.write(head.encode() + image + b"\r\n")
                wait = start + number / self.server.rate - time.monotonic()
                if self.server.stopped.wait(max(wait, 0)):
                    return

    def log_message(self, *_):
        pass
