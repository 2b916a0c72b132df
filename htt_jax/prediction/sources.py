"""Opens what frames may come from: a folder of images, one image, a video file or an array."""

import os
import pathlib
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np

from htt_jax.data import image_decoding
from htt_jax.prediction.depth_frames import PIXEL_FORMATS, DepthFiles, DepthVideo
from htt_jax.prediction.folder import frame_files
from htt_jax.prediction.frames import DEFAULT_RATE, FrameArray, Frames
from htt_jax.prediction.image_files import ImageFiles, read_file
from htt_jax.prediction.numbering import in_order
from htt_jax.prediction.video_file import VideoFile
from htt_jax.support.errors import InputError

FrameSource: TypeAlias = str | os.PathLike[str] | np.ndarray


def open_frames(
    source: FrameSource | Any, rate: Fraction | None = None, pattern: str | None = None
) -> Frames:
    """The frames of a folder of images in natural order, of one image, a video file or an array.

    Where they are of one channel of 16 bits, they are depth maps in millimetres.

    Args:
        source: of the frames; an array is RGB, or of depth maps.
        rate: frames a second of a folder or an array; None for what the times in a folder's names
            say, else for `DEFAULT_RATE`. A video says itself.
        pattern: of the names of a folder's files that are its frames, such as 'color_*'; None
            where all are of one series.

    Raises:
        InputError: no such file or folder, no frame in it, several series in it, not a video, or
            the array is not uint8 (frames, height, width, 3) or uint16 (frames, height, width); or
            a rate is given for a video, or a pattern for anything but a folder.
    """
    if isinstance(source, np.ndarray):
        return FrameArray(source, rate or DEFAULT_RATE)
    if not isinstance(source, str | os.PathLike):
        raise InputError(
            f"{type(source).__name__} is no source of frames; give the path of a video file or of "
            "a folder of frames, or a NumPy array, uint8 (frames, height, width, 3)"
        )
    path = pathlib.Path(source)
    if path.is_dir():
        return _files(frame_files(path, pattern), rate)
    if not path.exists():
        raise InputError(f"no such file or folder: {path}; give a folder of frames or a video file")
    if pattern is not None:
        raise InputError(f"--frames={pattern} is for folders and {path} is none; leave it away")
    if path.suffix.lower() in image_decoding.SUFFIXES:
        return _files([path], rate)
    video = VideoFile(path)
    if video.pixel_format in PIXEL_FORMATS:
        video = DepthVideo(path)
    if rate is not None:
        raise InputError(
            f"{path} says itself how many frames a second it has, {float(video.rate):g}; leave "
            "--fps away"
        )
    return video


def _files(files: list[pathlib.Path], rate: Fraction | None) -> Frames:
    ordered = in_order(files, rate)
    is_depth = read_file(ordered.files[0], image_decoding.is_depth_map)
    return DepthFiles(ordered) if is_depth else ImageFiles(ordered)
