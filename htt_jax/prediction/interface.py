"""The Python interface: load what was trained, predict what a video shows."""

import dataclasses
import os
import warnings

from htt_jax.devices import sharding
from htt_jax.interop.runtimes import open_with
from htt_jax.prediction import input_camera
from htt_jax.prediction.cautions import cautions
from htt_jax.prediction.frames import frame_rate
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.prediction.predictions import Predictions
from htt_jax.prediction.sight import check_camera
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.prediction.sources import FrameSource, open_frames
from htt_jax.prediction.undistorted import as_pinhole
from htt_jax.prediction.video import predict_video
from htt_jax.runs.opening import TrainedRun


@dataclasses.dataclass(frozen=True)
class Predictor:
    """A trained model, ready for videos.

    Attributes:
        run: its `model`, `variables`, `config`, and what `dataset` it was trained on.
    """

    run: TrainedRun

    def predict(
        self,
        source: FrameSource,
        intrinsics: GivenCamera | None = None,
        pattern: str | None = None,
        smoothing: Smoothing | None = None,
        rate: float | None = None,
    ) -> Predictions:
        """Hand poses and the object of every frame, and the action, of one video of any length.

        What is to be known of the frames, such as that the file is cut short, is a warning.

        Args:
            source: a video file, a folder of frames, or uint8 RGB (frames, height, width, 3); for a
                model of depth maps, of such, or uint16 (frames, height, width), millimetres.
            intrinsics: fx, fy, cx, cy or the 3x3 camera matrix, in pixels of the video; or the
                path of a camera's file, see `intrinsics_file.read`; None for the camera of the
                dataset the model was trained on, scaled to the video's size, which is not known of
                a depth camera.
            pattern: of the names of a folder's files that are its frames, such as 'color_*'; None
                where all are of one series.
            smoothing: of the poses, such as `htt_jax.prediction.smoothing.Smoothing()`; None: they
                are what the model says.
            rate: frames a second of an array or a folder; None: what the times in a folder's names
                say, else 30. A video says itself.

        Returns:
            Named arrays, see `htt_jax.prediction.predictions.Predictions`.

        Raises:
            InputError: a frame cannot be read or is not of the kind the model takes, or the
                intrinsics cannot be a camera's, or the rate is none or is given for a video.
        """
        frames = open_frames(source, None if rate is None else frame_rate(rate, "rate"), pattern)
        check_camera(self.run, frames.camera)
        spec = self.run.dataset.spec
        camera = input_camera.resolve(intrinsics, spec, frames.size, frames.camera)
        seen = as_pinhole(frames, camera.lens)
        found = predict_video(self.run, seen, camera.matrix, smoothing)
        for note in (*camera.notes, *frames.notes, *cautions(self.run, found, frames)):
            warnings.warn(note, stacklevel=2)
        return found


def load(
    path: str | os.PathLike[str], step: int | None = None, runtime: str | None = None
) -> Predictor:
    """A model to predict with.

    Args:
        path: a run's directory, a PyTorch checkpoint (`.pth`, published or exported), a
            `.safetensors` file of the same names, or an exported `.stablehlo` or `.onnx`.
        step: of the run's checkpoint; None for the best one.
        runtime: what computes it, 'jax' or 'onnx' (ONNX Runtime); None: the latter for `.onnx`
            files, JAX for all else.

    Raises:
        InputError: there is no such thing, it cannot be read, or is no HTT.
    """
    return Predictor(open_with(path, step, sharding.single_device_mesh(), runtime))
