"""How fast is preparing FPHA, measured against decoding and resizing its frames and nothing else?

Makes 1920x1080 JPEG frames in a temporary folder in FPHA's layout, then times on one core, in turn:
`decode + resize` of every frame, and a whole preparation (reading, decoding, resizing, encoding,
writing checksummed shards and metadata). Prints frames/s of both and their ratio.

    python -m benchmarks.prepare --frames 48 --repeats 3
"""

import pathlib
import statistics
import tempfile
import time
from collections.abc import Callable, Sequence

import cv2
import numpy as np

from benchmarks import measure
from data_prep import fpha, images, shards
from htt_jax.devices import process
from htt_jax.support import cli

_VIDEO = "Subject_1/put_salt/{}"


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--videos", type=int, default=4, help="videos to prepare")
    parser.add_argument("--frames", type=int, default=24, help="frames of each video")
    parser.add_argument("--repeats", type=int, default=3, help="measurements; the median counts")
    options = parser.parse_args(argv)
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "raw"
        paths = write_raw(raw, options.videos, options.frames)
        bare, whole = [], []
        for repeat in range(options.repeats):
            bare.append(len(paths) / _seconds(_decode_and_resize, paths))
            out = pathlib.Path(folder) / f"out{repeat}"
            whole.append(len(paths) / _seconds(_prepare, raw, out))
    result = measure.machine("opencv-python-headless", "pillow") | {
        "decode_resize_fps": round(statistics.median(bare), 1),
        "prepare_fps": round(statistics.median(whole), 1),
        "ratio": round(statistics.median(b / a for a, b in zip(bare, whole, strict=True)), 3),
        "frames": len(paths),
    }
    measure.report(
        "prepare",
        result,
        [
            f"one core: preparing {result['prepare_fps']} frames/s, decoding and resizing alone "
            f"{result['decode_resize_fps']} frames/s: {result['ratio']:.0%}"
        ],
    )


def _decode_and_resize(paths: Sequence[pathlib.Path]) -> None:
    for path in paths:
        images.resize_antialiased(images.decode(path.read_bytes()))


def _prepare(raw: pathlib.Path, out: pathlib.Path) -> None:
    encoder = images.FrameEncoder(fpha.NATIVE_SIZE, images.resize_antialiased)
    shards.prepare(fpha.find(raw), out, encoder, workers=1)


def _seconds(work: Callable[..., None], *arguments: object) -> float:
    start = time.perf_counter()
    work(*arguments)
    return time.perf_counter() - start


def write_raw(root: pathlib.Path, videos: int, frames: int) -> list[pathlib.Path]:
    """Textured frames of about the size of FPHA's files, with poses; the paths of the frames."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 255, (68, 120, 3), np.uint8)
    scene = cv2.resize(coarse, fpha.NATIVE_SIZE, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    paths = []
    for video in range(videos):
        color = root / "Video_files" / _VIDEO.format(video) / "color"
        poses = root / "Hand_pose_annotation_v1" / _VIDEO.format(video)
        color.mkdir(parents=True)
        poses.mkdir(parents=True)
        for frame in range(frames):
            noise = rng.integers(-6, 7, scene.shape, np.int16)
            image = np.clip(np.roll(scene, 8 * frame, axis=1) + noise, 0, 255).astype(np.uint8)
            paths.append(color / f"color_{frame:04d}.jpeg")
            cv2.imwrite(str(paths[-1]), image, [cv2.IMWRITE_JPEG_QUALITY, 90])
        pose_rows = enumerate(rng.normal(400, 50, (frames, 63)))
        lines = [f"{t} " + " ".join(f"{value:.4f}" for value in row) for t, row in pose_rows]
        (poses / "skeleton.txt").write_text("\n".join(lines))
    rows = [f"{_VIDEO.format(video)} 0" for video in range(videos)]
    split = "\n".join([f"Training {videos}", *rows, "Test 0"])
    (root / "data_split_action_recognition.txt").write_text(split)
    (root / "action_object_info.txt").write_text("id name object\n1 put_salt salt\n")
    return paths


if __name__ == "__main__":
    cli.run(main, process.prepare)
