"""Predicts hand poses, objects and the action of a video, and draws them.

Everything is read twice: the model sees the frames once, and they are drawn once all is known. What
a camera sees is drawn while it sees it, see `htt_jax.prediction.live`.
"""

import argparse
import functools
import pathlib
import time
from collections.abc import Sequence

from absl import logging

from htt_jax import camera
from htt_jax.devices import process, sharding
from htt_jax.interop.runtimes import RUNTIMES, open_with
from htt_jax.prediction import input_camera, live, rerun_log, smoothing, written
from htt_jax.prediction.files import Origin, top_actions, write
from htt_jax.prediction.frames import frame_rate
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.prediction.one_video import draw, predict
from htt_jax.prediction.predictions import Predictions
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.prediction.sources import open_frames
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.files import check_writable


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
    same_shape = camera.same_shape(origin.image_size, origin.dataset.image_size)
    if origin.whole_frames and not same_shape:
        lines.append(
            f"note: the model was trained on {model_width}x{model_height} frames; yours are of "
            "another shape, so it sees them distorted"
        )
    lines += [f"note: {note}" for note in origin.notes]
    if origin.window == 1 and found.attention is not None:
        lines.append("note: the model has no pose block (t = 1), so there is no attention_pose.png")
    if found.action_probabilities is not None:
        lines.append("actions:")
        for action in top_actions(found, origin.dataset.action_names):
            lines.append(f"  {action['probability']:.3f}  {action['name']}")
    if found.decided_frame is not None:
        seconds = found.seconds[found.decided_frame]
        lines.append(f"  the first since frame {found.decided_frame} ({seconds:.2f} s) was seen")
    if found.object_probabilities is not None:
        objects = found.object_probabilities.mean(axis=0)
        best = int(objects.argmax())
        name = origin.dataset.object_names[best]
        lines.append(f"object, mean over frames:\n  {objects[best]:.3f}  {name}")
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(
        prog="python -m htt_jax.predict",
        description="Predicts hand poses, the object in hand and the action of one video of any\n"
        "length. Writes predictions.npz (arrays), predictions.json (readable), prediction.mp4\n"
        "(drawn; of a single image prediction.png), and where the model looked: attention.npz,\n"
        "attention_action.png, attention_pose.png and, with model.spatial=queries,\n"
        "attention_joints.png.",
        epilog="examples:\n"
        "  python -m htt_jax.predict kitchen.mp4 --workdir runs/fpha --out found \\\n"
        "    --intrinsics 1395.7,1395.7,935.7,540.7\n"
        "  python -m htt_jax.predict frames --workdir runs/fpha --out found --hfov 90 --rerun\n"
        "  python -m htt_jax.predict --camera 0 --workdir runs/fpha",
    )
    parser.add_argument(
        "input",
        nargs="?",
        metavar="INPUT",
        type=cli.location,
        help="video file, or folder of .png, .jpg or .webp frames",
    )
    parser.add_argument(
        "--camera",
        metavar="N",
        help="instead of INPUT: a webcam, live, 0 for the first; or a network camera's address",
    )
    parser.add_argument(
        "--workdir",
        required=True,
        type=cli.location,
        help="of htt_jax.train; or a file of htt_jax.export",
    )
    parser.add_argument(
        "--out",
        type=cli.path,
        help="folder to write to; of a camera only its video, and nothing if not given",
    )
    parser.add_argument("--step", type=int, help="of the checkpoint; if not given, the best")
    parser.add_argument(
        "--runtime",
        choices=RUNTIMES,
        help="what computes the model; if not given, onnx for .onnx files and jax for all else",
    )
    parser.add_argument(
        "--frames",
        metavar="PATTERN",
        help="which files of a folder are its frames, such as 'color_*', where it holds others too",
    )
    parser.add_argument(
        "--fps",
        help="frames a second of a folder of frames; if not given, what the times in their names "
        "say, else 30; a video says itself, a camera's are measured",
    )
    parser.add_argument(
        "--rerun",
        action="store_true",
        help="also write prediction.rrd for the rerun viewer; needs pip install -e '.[rerun]'",
    )
    parser.add_argument(
        "--newest",
        action="store_true",
        help="with --camera: show each frame at once, with the pose that is known by then, not the "
        "final one that comes with its group",
    )
    _add_smoothing(parser)
    _add_camera(parser)
    return parser


def _add_smoothing(parser: argparse.ArgumentParser) -> None:
    """How steady poses are to be."""
    pixels, depth = Smoothing().joints_2d, Smoothing().depth
    group = parser.add_argument_group(
        "steadiness",
        "A One-Euro filter of pixels and depth, of which positions in space are made. Each has a\n"
        "cutoff at rest, Hz: less is steadier; and a slope, by which the cutoff rises, Hz for\n"
        "each metre per second: more is less late.",
    )
    group.add_argument("--smooth", action="store_true", help="smooth the poses")
    group.add_argument(
        "--smooth_2d",
        metavar="HZ,SLOPE",
        help=f"of pixels (default: {pixels.cutoff:g},{pixels.slope:g})",
    )
    group.add_argument(
        "--smooth_depth",
        metavar="HZ,SLOPE",
        help=f"of depth (default: {depth.cutoff:g},{depth.slope:g})",
    )


def _add_camera(parser: argparse.ArgumentParser) -> None:
    """What took the frames."""
    camera = parser.add_argument_group(
        "camera's intrinsics",
        "The camera that took the frames; if not given, that of the dataset the run was trained "
        "on, scaled\nto the size of the frames. Depth and position in space depend on it.",
    )
    camera.add_argument(
        "--intrinsics",
        metavar="fx,fy,cx,cy|FILE",
        type=cli.location,
        help="in pixels of the input; or a text file 'fx fy cx cy [width height]', or a JSON or "
        "YAML of these names or with a 3x3 'camera_matrix', as OpenCV and ROS write it, also with "
        "a lens's distortion, which is then taken out",
    )
    camera.add_argument(
        "--intrinsics_size",
        metavar="WxH",
        help="of the images that the intrinsics are for, if other than the input and if the file "
        "does not say so",
    )
    camera.add_argument(
        "--hfov",
        metavar="DEGREES",
        help="instead: horizontal field of view; the centre is taken to be in the middle",
    )


def _check(options: argparse.Namespace) -> None:
    """Checks that the options fit each other."""
    if (options.input is None) == (options.camera is None):
        both = "neither INPUT nor" if options.input is None else "both INPUT and"
        raise InputError(f"{both} --camera given; give a video, a folder of frames or --camera=N")
    if options.input is not None and options.out is None:
        raise InputError("no --out given; name the folder to write to")
    if options.camera is None:
        if options.newest:
            raise InputError("--newest is for --camera; what a video shows is all final")
        return
    for name in ("fps", "frames", "rerun"):
        if getattr(options, name):
            raise InputError(f"--{name} is for videos and frames; leave it away with --camera")
    if pathlib.Path(options.camera).is_file() or pathlib.Path(options.camera).is_dir():
        raise InputError(
            f"--camera={options.camera} is no camera; give what it is without --camera"
        )


def _check_not_overwritten(source: pathlib.Path, out: pathlib.Path) -> None:
    if source.resolve() in {out.resolve(), *((out / name).resolve() for name in written.FILES)}:
        raise InputError(f"--out={out} would write over or into the input {source}; give another")


def _predict_live(
    options: argparse.Namespace, camera: GivenCamera | None, smooth: Smoothing | None
) -> None:
    """What a camera sees, until it or the user stops."""
    mesh = sharding.single_device_mesh()
    run = open_with(options.workdir, options.step, mesh, options.runtime)
    intrinsics = functools.partial(input_camera.resolve, camera, run.dataset.spec)
    number = options.camera
    live.run(
        run,
        int(number) if number.isdecimal() else number,
        intrinsics,
        options.out,
        newest=options.newest,
        smoothing=smooth,
    )


def _predict_file(
    options: argparse.Namespace, camera: GivenCamera | None, smooth: Smoothing | None
) -> None:
    """What is in a file or folder."""
    if options.rerun:
        rerun_log.check_installed()
    rate = None if options.fps is None else frame_rate(options.fps, "--fps")
    frames = open_frames(options.input, rate, options.frames)
    _check_not_overwritten(pathlib.Path(options.input), options.out)
    began = time.perf_counter()
    found, origin = predict(
        frames,
        name=options.input,
        workdir=options.workdir,
        camera=camera,
        step=options.step,
        smoothing=smooth,
        runtime=options.runtime,
    )
    written.make_room(options.out)
    names = write(options.out, found, origin)
    print(_summary(found, origin, time.perf_counter() - began), flush=True)
    names += draw(options.out, frames, found, origin, rerun=options.rerun)
    print(f"written: {', '.join(names)} in {options.out}")


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    _check(options)
    logging.set_verbosity(logging.ERROR)
    camera = input_camera.from_options(options.intrinsics, options.intrinsics_size, options.hfov)
    smooth = smoothing.from_options(options.smooth, options.smooth_2d, options.smooth_depth)
    if options.out is not None:
        check_writable(options.out)
    (_predict_file if options.camera is None else _predict_live)(options, camera, smooth)


if __name__ == "__main__":
    cli.run(main, process.prepare)
