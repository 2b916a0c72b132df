"""Which library decodes JPEG frames fastest? Milliseconds a frame on one core.

Frames as those of a prepared FPHA (`benchmarks.dataset`: 480x270, quality 95, 46 kB) to RGB:

    ours         OpenCV to BGR, then the colours' order, into a given array: htt_jax.data.decode
    opencv_rgb   OpenCV with IMREAD_COLOR_RGB
    pillow       Image.open and np.asarray
    simplejpeg   libjpeg-turbo, if it is installed; its default settings
    imagecodecs  libjpeg-turbo, if it is installed: jpeg8_decode

Decoders take turns in --repeats runs over all frames, of which the median counts; a first run warms
up. Also the largest difference of any pixel to ours, in grey levels.

    python -m benchmarks.decoders
"""

import importlib.metadata
import importlib.util
import io
import pathlib
import statistics
import tempfile
from collections.abc import Callable, Sequence
from typing import Any

import cv2
import numpy as np
from jaxtyping import UInt8
from PIL import Image

from benchmarks import dataset, measure
from htt_jax.data.decode import decode_frame
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import STORED_SIZE
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.support.errors import InputError

Decoder = Callable[[bytes], UInt8[np.ndarray, "height width 3"]]

OURS = "ours"
_OPTIONAL = ("simplejpeg", "imagecodecs")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--frames", type=int, default=64, help="to decode in a run")
    parser.add_argument("--repeats", type=int, default=7, help="runs; the median counts")
    options = parser.parse_args(argv)
    for name, value in vars(options).items():
        if value < 1:
            raise InputError(f"--{name} is {value}; it must be at least 1")
    encoded = _frames(options.frames)
    decoders, absent = _decoders()
    milliseconds = _milliseconds(decoders, encoded, options.repeats)
    difference = {name: _difference(decode, encoded) for name, decode in decoders.items()}
    result = {
        "ms_per_frame": milliseconds,
        "largest_difference": difference,
        "absent": absent,
        "kb_per_frame": float(np.mean([len(data) for data in encoded])) / 1000,
        "options": vars(options),
        "device": "one core",
        **measure.machine("opencv-python-headless", "pillow", *_installed()),
    }
    lines = [
        f"{name:<12}{one:7.3f} ms a frame, {milliseconds[OURS] / one:5.2f} x as fast as ours, "
        f"differs by at most {difference[name]} grey levels"
        for name, one in milliseconds.items()
    ]
    lines += [f"{name:<12}not installed" for name in absent]
    lines.append(
        f"{len(encoded)} frames of {STORED_SIZE[0]}x{STORED_SIZE[1]}, "
        f"{result['kb_per_frame']:.1f} kB each; one core of {result['cpu']}"
    )
    measure.report("decoders", result, lines)


def _frames(count: int) -> list[bytes]:
    """Encoded frames of a small dataset's videos, from the first on, and again if there are few."""
    with tempfile.TemporaryDirectory() as folder:
        dataset.write(pathlib.Path(folder) / "data", videos=1, dataset="fpha", published=None)
        frames = RecordSource(pathlib.Path(folder) / "data", "train")[0].frames
    return [frames[number % len(frames)] for number in range(count)]


def _decoders() -> tuple[dict[str, Decoder], list[str]]:
    """All that are installed, and the names of the others."""
    width, height = STORED_SIZE
    out = np.empty((height, width, 3), np.uint8)  # of a batch, in training; written every time

    def ours(encoded: bytes) -> np.ndarray:
        decode_frame(encoded, STORED_SIZE, out)
        return out

    def opencv_rgb(encoded: bytes) -> np.ndarray:
        image = cv2.imdecode(np.frombuffer(encoded, np.uint8), cv2.IMREAD_COLOR_RGB)
        assert image is not None
        return image

    def pillow(encoded: bytes) -> np.ndarray:
        return np.asarray(Image.open(io.BytesIO(encoded)))

    decoders: dict[str, Decoder] = {OURS: ours, "opencv_rgb": opencv_rgb, "pillow": pillow}
    installed = _installed()
    if "simplejpeg" in installed:
        import simplejpeg

        decoders["simplejpeg"] = simplejpeg.decode_jpeg
    if "imagecodecs" in installed:
        import imagecodecs

        decoders["imagecodecs"] = imagecodecs.jpeg8_decode
    return decoders, [name for name in _OPTIONAL if name not in installed]


def _installed() -> list[str]:
    return [name for name in _OPTIONAL if importlib.util.find_spec(name)]


def _milliseconds(
    decoders: dict[str, Decoder], encoded: Sequence[bytes], repeats: int
) -> dict[str, float]:
    seconds: dict[str, list[float]] = {name: [] for name in decoders}
    for repeat in range(repeats + 1):
        for name, decode in decoders.items():
            found = measure.seconds(lambda decode=decode: _decode_all(decode, encoded))  # type: ignore[misc]
            if repeat:
                seconds[name].append(found)
    return {name: 1000 * statistics.median(x) / len(encoded) for name, x in seconds.items()}


def _decode_all(decode: Decoder, encoded: Sequence[bytes]) -> None:
    for data in encoded:
        decode(data)


def _difference(decode: Decoder, encoded: Sequence[bytes]) -> int:
    """Of any pixel to ours, grey levels."""
    ours = np.empty((STORED_SIZE[1], STORED_SIZE[0], 3), np.uint8)
    largest = 0
    for data in encoded:
        decode_frame(data, STORED_SIZE, ours)
        found: Any = decode(data).astype(np.int16) - ours
        largest = max(largest, int(np.abs(found).max()))
    return largest


if __name__ == "__main__":
    cli.run(main, process.prepare)
