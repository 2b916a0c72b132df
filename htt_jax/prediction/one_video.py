"""Predicts one video with a run, and draws what was found."""

import contextlib
import pathlib

from htt_jax.devices import sharding
from htt_jax.interop.runtimes import open_with
from htt_jax.prediction import input_camera, rerun_log
from htt_jax.prediction.attention_pictures import AttentionPictures
from htt_jax.prediction.cautions import cautions
from htt_jax.prediction.drawn import drawn, scenes
from htt_jax.prediction.files import Origin
from htt_jax.prediction.frames import Frames
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.prediction.joint_picture import JointPicture
from htt_jax.prediction.predictions import Predictions
from htt_jax.prediction.sight import check_camera
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.prediction.undistorted import as_pinhole
from htt_jax.prediction.video import predict_video
from htt_jax.support import progress


def predict(
    frames: Frames,
    *,
    name: str,
    workdir: str,
    camera: GivenCamera | None = None,
    step: int | None = None,
    smoothing: Smoothing | None = None,
    runtime: str | None = None,
) -> tuple[Predictions, Origin]:
    """Predictions for one video, and where they come from.

    Args:
        frames: the video.
        name: of it.
        workdir: of the run, or a file that was exported from one.
        camera: that took it; None for that of the dataset the run was trained on.
        step: of the checkpoint; None for the best one.
        smoothing: of the poses; None: they stay as they are.
        runtime: what computes it, see `runtimes.open_with`.

    Raises:
        InputError: no run or checkpoint, a frame cannot be read, or the camera cannot be one.
    """
    # Refused before the model is loaded, which takes longer.
    given = None if camera is None else input_camera.at_size(camera, frames.size)
    run = open_with(workdir, step, sharding.single_device_mesh(), runtime)
    check_camera(run, frames.camera)
    found_camera = given or input_camera.assumed(run.dataset.spec, frames.size, frames.camera)
    seen = as_pinhole(frames, found_camera.lens)
    found = predict_video(run, seen, found_camera.matrix, smoothing)
    notes = list(found_camera.notes)
    if found_camera.lens is not None:
        notes.append("joints_2d_input has the same joints in pixels of your frames as they are")
    smoothed = [f"the poses are smoothed: {smoothing}"] if smoothing else []
    origin = Origin(
        input=name,
        workdir=run.workdir,
        step=run.step,
        dataset=run.dataset,
        image_size=frames.size,
        intrinsics=found_camera.matrix,
        intrinsics_source=found_camera.source,
        window=run.config.model.window,
        whole_frames=run.system.reader.size is None,
        notes=(*notes, *frames.notes, *cautions(run, found, frames), *smoothed),
        lens=found_camera.lens,
    )
    return found, origin


def draw(
    out: pathlib.Path, frames: Frames, found: Predictions, origin: Origin, *, rerun: bool = False
) -> list[str]:
    """Draws predictions of `frames`, which are read once more; returns the names of the files.

    Args:
        out: existing folder to write to.
        frames: the video.
        found: its predictions.
        origin: of these.
        rerun: also write a recording for the rerun viewer.

    Raises:
        InputError: a frame cannot be read, or a file not be written.
    """
    count = len(found.frame_names)
    pictures: list[AttentionPictures | JointPicture] = []
    if found.attention and found.clip_frames.max() > 1:
        pictures.append(AttentionPictures(found, found.attention, origin.dataset.action_names))
    if found.joint_attention:
        pictures.append(JointPicture(found.joint_attention, origin))
    with contextlib.ExitStack() as stack:
        bar = stack.enter_context(progress.bar(total=count, unit="frame", label="drawing"))
        outputs = [stack.enter_context(drawn(out, found, origin, frames.rate))]
        if rerun:
            outputs.append(stack.enter_context(rerun_log.recorded(out, found, origin)))
        for scene in scenes(found, origin, as_pinhole(frames, origin.lens).read()):
            for _, take in outputs:
                take(scene)
            for picture in pictures:
                picture.add(scene)
            bar.update()
    written = [name for picture in pictures for name in picture.write(out)]
    return [name for name, _ in outputs] + written
