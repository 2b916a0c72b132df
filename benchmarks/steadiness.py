"""How steady and how late are smoothed poses, and what does the pose of a frame at once cost?

Pushes the videos of a prepared split through a trained run as a camera would, and compares with the
truth: the final poses, those of each frame at once (`OnlinePredictor.newest`), and both smoothed at
several cutoffs and slopes of the One-Euro filter, the same of pixels and depth.

    python -m benchmarks.steadiness --workdir RUN --data DATA
    python -m benchmarks.steadiness --workdir RUN --data DATA --split train --cutoffs 0.5 1 2 \\
        --slopes 5 10 20

Jitter is the mean length of the joints' acceleration, error the mean end-point error, and lag how
many frames later the truth must be for poses to fit it best, beyond those that are not smoothed.
"""

import argparse
import itertools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float

from benchmarks import measure
from htt_jax import camera
from htt_jax.data.decode import decode_frames
from htt_jax.data.records import RecordSource
from htt_jax.data.video import Video
from htt_jax.devices import process, sharding
from htt_jax.metrics import METRES_TO_MM
from htt_jax.prediction.online import OnlinePredictor
from htt_jax.prediction.smoothing import OneEuro, Smoothing, smooth_video
from htt_jax.runs.config import open_source
from htt_jax.runs.opening import TrainedRun, open_run
from htt_jax.support import cli
from htt_jax.support.errors import InputError

_RATE = 30  # frames a second that the videos are taken for
_SHIFTS = np.arange(-1, 6, 0.05)  # frames


class Found(NamedTuple):
    """Of one video, (frames, joints, 3), metres."""

    true: Float[np.ndarray, "frames joints 3"]
    final: Float[np.ndarray, "frames joints 3"]
    newest: Float[np.ndarray, "frames joints 3"]
    intrinsics: Float[np.ndarray, "3 3"]


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    if bool(options.cutoffs) != bool(options.slopes):
        raise InputError("--cutoffs and --slopes are tried together; give both or neither")
    run = open_run(options.workdir, None, sharding.single_device_mesh())
    source = open_source(run.config, options.split, options.data)
    videos = list(_found(run, source))
    usual = Smoothing()
    settings = [
        Smoothing(OneEuro(*pair), OneEuro(*pair))
        for pair in itertools.product(options.cutoffs, options.slopes)
    ] or [usual]
    rows: dict[str, dict[str, float]] = {"truth": _measured(videos, "true", None, run)}
    for kind, how in itertools.product(("final", "newest"), (None, *settings)):
        rows[f"{kind}, {how or 'as it is'}"] = _measured(videos, kind, how, run)
    frames = sum(len(video.true) for video in videos)
    result = measure.machine("jax") | {"videos": len(videos), "frames": frames, "poses": rows}
    measure.report(
        "steadiness",
        result,
        [
            f"jitter {row['jitter_mm']:6.2f} mm/frame^2  error {row['error_mm']:6.2f} mm, "
            f"root-aligned {row['error_ra_mm']:6.2f}  lag {row['lag_frames']:5.2f} frames  {name}"
            for name, row in rows.items()
        ],
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(prog="python -m benchmarks.steadiness", description=__doc__)
    parser.add_argument("--workdir", required=True, type=cli.path, help="of a run in colour")
    parser.add_argument("--data", required=True, help="prepared dataset")
    parser.add_argument("--split", default="test")
    parser.add_argument("--cutoffs", type=float, nargs="+", default=[], help="Hz")
    parser.add_argument("--slopes", type=float, nargs="+", default=[], help="Hz per metre a second")
    return parser


def _found(run: TrainedRun, source: RecordSource) -> Iterator[Found]:
    """Each video, pushed frame by frame at the size that the model sees."""
    width, height = size = run.dataset.image_size
    online: OnlinePredictor | None = None
    for number in range(len(source)):
        video = source[number]
        matrix = camera.scale_intrinsics(video.intrinsics, source.image_size, size)
        if online is None or not np.array_equal(online.intrinsics, matrix):
            online = OnlinePredictor(run, size, matrix, newest=True)
        online.reset()
        count = len(video.frames)
        images = np.empty((count, height, width, 3), np.uint8)
        decode_frames(source, video, np.arange(count), images)
        final, newest = [], []
        for image in images:
            final += online.push(image)
            assert online.newest is not None
            newest.append(online.newest.joints_3d)
        final += online.finish()
        of_groups = np.stack([result.joints_3d for result in final])
        _check_annotated(video)
        true = video.joints_3d.astype(np.float64)
        yield Found(true, of_groups, np.stack(newest), online.intrinsics)


def _check_annotated(video: Video) -> None:
    if video.hand_annotated.shape[-1] != 1 or not video.hand_annotated.all():
        raise InputError(
            f"{video.video_id}: motion is measured of one hand that is annotated in every frame; "
            "give a dataset that has no other videos"
        )


def _measured(
    videos: Sequence[Found], kind: str, how: Smoothing | None, run: TrainedRun
) -> dict[str, Any]:
    """Means over all joints of all frames; the lag over all videos together."""
    poses = [_smoothed(video, getattr(video, kind), how, run) for video in videos]
    raw = [getattr(video, kind) for video in videos]
    true = [video.true for video in videos]
    off = [a - b for a, b in zip(poses, true, strict=True)]
    return {
        "jitter_mm": _mean([np.diff(x, 2, axis=0) for x in poses]),
        "error_mm": _mean(off),
        "error_ra_mm": _mean([x - x[:, [run.dataset.spec.skeleton.root]] for x in off]),
        "lag_frames": _lag(poses, true) - _lag(raw, true),
    }


def _smoothed(
    video: Found,
    joints: Float[np.ndarray, "frames joints 3"],
    how: Smoothing | None,
    run: TrainedRun,
) -> Float[np.ndarray, "frames joints 3"]:
    if how is None:
        return joints
    joints_2d, depth = camera.project(joints, video.intrinsics)
    seconds = np.arange(len(joints)) / _RATE
    poses = smooth_video(how, run.dataset.spec, video.intrinsics, seconds, joints_2d, depth, None)
    return poses.joints_3d


def _mean(vectors: Sequence[Float[np.ndarray, "frames joints 3"]]) -> float:
    return float(np.linalg.norm(METRES_TO_MM * np.concatenate(vectors), axis=-1).mean())


def _lag(
    poses: Sequence[Float[np.ndarray, "frames joints 3"]],
    true: Sequence[Float[np.ndarray, "frames joints 3"]],
) -> float:
    """Frames by which the truth is to be late for the smallest squared error of all poses."""
    errors = np.zeros(len(_SHIFTS))
    for found, right in zip(poses, true, strict=True):
        for i, shift in enumerate(_SHIFTS):
            # Inner frames alone, so that every shift is measured on the same ones.
            frame = np.arange(6, len(found) - 2) - shift
            before = np.floor(frame).astype(int)
            part = (frame - before)[:, None, None]
            shifted = (1 - part) * right[before] + part * right[before + 1]
            errors[i] += np.square(found[6 : len(found) - 2] - shifted).sum()
    return float(_SHIFTS[errors.argmin()])


if __name__ == "__main__":
    cli.run(main, process.prepare)
