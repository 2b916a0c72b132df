"""Predicts hand poses, objects and the action of a video file or a folder of frames."""

import argparse
import pathlib
import time
from collections.abc import Sequence

from absl import logging

from htt_jax import cli, input_camera, prediction, prediction_files, restore, sharding
from htt_jax.files import make_folder
from htt_jax.frames import open_frames
from htt_jax.prediction import Predictions
from htt_jax.prediction_files import Origin

_SHAPE_TOLERANCE = 0.02  # of the ratio of width to height, before a distortion is pointed out


def predict(
    path: str,
    *,
    workdir: str,
    intrinsics: Sequence[float] | None = None,
    step: int | None = None,
) -> tuple[Predictions, Origin]:
    """Predictions for one video, and where they come from.

    Args:
        path: a folder of frames or a video file.
        workdir: of the run.
        intrinsics: fx, fy, cx, cy in pixels of the input; None for the camera of the dataset
            the run was trained on, scaled to the input's size.
        step: of the checkpoint; None for the best one.

    Raises:
        InputError: no run or checkpoint, a frame cannot be read, or the intrinsics cannot be a
            camera's.
    """
    frames = open_frames(path)
    if intrinsics is not None:
        input_camera.check(intrinsics, frames.size)  # before the model is loaded
    run = restore.open_run(workdir, step, sharding.single_device_mesh())
    found_camera = input_camera.resolve(intrinsics, run.dataset.spec, frames.size)
    found = prediction.predict_video(run, frames, found_camera.matrix)
    origin = Origin(
        input=path,
        workdir=run.workdir,
        step=run.step,
        dataset=run.dataset,
        image_size=frames.size,
        intrinsics=found_camera.matrix,
        intrinsics_source=found_camera.source,
    )
    return found, origin


def _summary(found: Predictions, origin: Origin, seconds: float) -> str:
    width, height = origin.image_size
    matrix = origin.intrinsics
    frames, clips = len(found.frame_names), len(found.clip_start)
    lines = [
        f"{frames} frame{'s' * (frames > 1)} of {width}x{height} in {seconds:.1f} s, "
        f"{clips} clip{'s' * (clips > 1)}, checkpoint of step {origin.step}",
        f"camera: fx {matrix[0, 0]:.2f}, fy {matrix[1, 1]:.2f}, cx {matrix[0, 2]:.2f}, "
        f"cy {matrix[1, 2]:.2f} ({origin.intrinsics_source})",
    ]
    model_width, model_height = origin.dataset.image_size
    if abs(width / height * model_height / model_width - 1) > _SHAPE_TOLERANCE:
        lines.append(
            f"note: the model was trained on {model_width}x{model_height} frames; yours are of "
            "another shape, so it sees them distorted"
        )
    lines.append("actions:")
    for action in prediction_files.top_actions(found, origin.dataset.action_names):
        lines.append(f"  {action['probability']:.3f}  {action['name']}")
    objects = found.object_probabilities.mean(axis=0)
    best = int(objects.argmax())
    lines.append(
        f"object, mean over frames:\n  {objects[best]:.3f}  {origin.dataset.object_names[best]}"
    )
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m htt_jax.predict",
        description="Predicts hand poses, the object in hand and the action of one video of any\n"
        "length. Writes predictions.npz (arrays) and predictions.json (readable).",
        epilog="example:\n  python -m htt_jax.predict kitchen.mp4 --workdir runs/fpha --out found "
        "\\\n    --intrinsics 1395.7,1395.7,935.7,540.7",
        formatter_class=cli.HelpFormatter,
    )
    parser.add_argument(
        "input", metavar="INPUT", help="video file, or folder of .png or .jpg frames"
    )
    parser.add_argument("--workdir", required=True, help="of htt_jax.train")
    parser.add_argument("--out", required=True, type=pathlib.Path, help="folder to write to")
    parser.add_argument(
        "--intrinsics",
        metavar="fx,fy,cx,cy",
        help="of the camera, pixels of the input; if not given, the camera of the dataset the run "
        "was trained on, scaled to the input's size",
    )
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    return parser


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    logging.set_verbosity(logging.ERROR)
    intrinsics = None if options.intrinsics is None else input_camera.parse(options.intrinsics)
    make_folder(options.out)
    began = time.perf_counter()
    found, origin = predict(
        options.input, workdir=options.workdir, intrinsics=intrinsics, step=options.step
    )
    prediction_files.write(options.out, found, origin)
    print(_summary(found, origin, time.perf_counter() - began))
    names = f"{prediction_files.NPZ_FILE} and {prediction_files.JSON_FILE}"
    print(f"written: {names} in {options.out}")


if __name__ == "__main__":
    cli.run(main)
