"""How fast are pictures composed and encoded into a video? Milliseconds per frame on one core.

Draws a textured scene that moves, with made-up hands and scores, at the size of the frames given.

    python -m benchmarks.draw --width 1280 --height 720 --hands 2
"""

import os
import pathlib
import tempfile
import time
from collections.abc import Sequence
from fractions import Fraction

import cv2
import numpy as np

from benchmarks import measure
from htt_jax.datasets.spec import H2O
from htt_jax.devices import process
from htt_jax.support import cli
from htt_jax.visual.scene import FrameScene, Renderer
from htt_jax.visual.timeline import History
from htt_jax.visual.video import VideoWriter

_RATE = Fraction(30)
_ACTIONS = H2O.action_names[:5]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    parser = cli.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=1280, help="of the frames drawn upon")
    parser.add_argument("--height", type=int, default=720, help="of the frames drawn upon")
    parser.add_argument("--hands", type=int, choices=(1, 2), default=2)
    parser.add_argument("--frames", type=int, default=150)
    options = parser.parse_args(argv)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    cv2.setNumThreads(1)
    size = (options.width, options.height)
    scenes = _scenes(size, options.hands, options.frames)
    renderer = Renderer(size, H2O.hands[-options.hands :], H2O.skeleton)
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "video.mp4"
        drawing, encoding = _seconds(renderer, scenes, path)
        megabytes = path.stat().st_size / 1e6
    result = measure.machine("opencv-python-headless", "numpy") | {
        "draw_ms_per_frame": round(1000 * drawing / options.frames, 2),
        "encode_ms_per_frame": round(1000 * encoding / options.frames, 2),
        "frames_per_second": round(options.frames / (drawing + encoding), 1),
        "megabytes_per_minute": round(megabytes / options.frames * float(60 * _RATE), 1),
        "frame_size": size,
        "picture_size": renderer.size,
        "hands": options.hands,
        "frames": options.frames,
    }
    measure.report(
        "draw",
        result,
        [
            f"one core, {size[0]}x{size[1]} frames: drawing {result['draw_ms_per_frame']} ms, "
            f"encoding {result['encode_ms_per_frame']} ms, "
            f"together {result['frames_per_second']} frames/s"
        ],
    )


def _seconds(
    renderer: Renderer, scenes: Sequence[FrameScene], path: pathlib.Path
) -> tuple[float, float]:
    """Spent on drawing and on encoding."""
    renderer.render(scenes[0])  # loads the fonts
    drawing = 0.0
    start = time.perf_counter()
    with VideoWriter(path, renderer.size, _RATE) as video:
        for scene in scenes:
            before = time.perf_counter()
            picture = renderer.render(scene)
            drawing += time.perf_counter() - before
            video.write(picture)
    return drawing, time.perf_counter() - start - drawing


def _scenes(size: tuple[int, int], hands: int, frames: int) -> list[FrameScene]:
    rng = np.random.default_rng(0)
    images = _images(rng, size)
    scores = rng.dirichlet(np.ones(len(_ACTIONS)), frames)
    history = History(np.arange(frames) / float(_RATE), _ACTIONS, scores)
    hand = np.array([0, 0, 0.45]) + rng.normal(0, 0.06, (hands * len(H2O.skeleton.joints), 3))
    scenes = []
    for frame in range(frames):
        joints = hand + 0.05 * np.sin(frame / 10)
        scenes.append(
            FrameScene(
                image=images[frame % len(images)],
                frame=frame,
                frames=frames,
                seconds=frame / float(_RATE),
                joints_2d=joints[:, :2] / joints[:, 2:] * size[0] / 2 + np.array(size) / 2,
                depth=joints[:, 2],
                joints_3d=joints,
                object_name="milk",
                object_probability=0.9,
                action_names=_ACTIONS,
                action_probabilities=scores[frame],
                history=history,
                clip=(frame // 2 % 128, 128),
                window=(frame // 2 % 16, 16),
            )
        )
    return scenes


def _images(rng: np.random.Generator, size: tuple[int, int]) -> list[np.ndarray]:
    """Texture that moves to and fro, with a little noise."""
    coarse = rng.integers(0, 255, (34, 60, 3), np.uint8)
    scene = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC).astype(np.int16)
    images = []
    for step in range(16):
        noise = rng.integers(-3, 4, scene.shape, np.int16)
        moved = np.roll(scene, 4 * abs(step - 8), axis=1)
        images.append(np.clip(moved + noise, 0, 255).astype(np.uint8))
    return images


if __name__ == "__main__":
    cli.run(main, process.prepare)
