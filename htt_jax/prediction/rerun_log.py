"""Writes predictions as a recording for the rerun viewer (https://rerun.io).

The camera and its image, the hands and the object's box in the image and in camera space, and the
probabilities of actions and objects, on two timelines: `frame`, its number, and `time`, seconds.
Memory does not grow with the length of the video.
"""

import contextlib
import os
import pathlib
import threading
from collections.abc import Iterator, Sequence
from typing import IO, Any

import cv2
import numpy as np
from jaxtyping import Float

from htt_jax.prediction.drawn import Sink, leading_actions
from htt_jax.prediction.files import Origin
from htt_jax.prediction.predictions import Predictions
from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write
from htt_jax.visual import colours, object_box
from htt_jax.visual.panels import readable
from htt_jax.visual.scene import FrameScene

RERUN_FILE = "prediction.rrd"

_IMAGE = "camera/image"
_BOX = "object_box"  # not of "object", which scores are below
_JPEG_QUALITY = 85
_BLOCK = 1 << 20  # bytes
_OBJECTS = 5  # shown
_JOINT, _BONE = 0.004, 0.002  # radii in space, metres
_JOINT_2D, _BONE_2D = -3.5, -1.5  # radii on the image; negative: of the screen, at any zoom
_PLANE = 0.25  # metres from the camera to where its image is shown in space


def check_installed() -> None:
    """Checks that recordings can be written.

    Raises:
        InputError: the rerun SDK is missing.
    """
    _import_rerun()


@contextlib.contextmanager
def recorded(
    out: pathlib.Path, predictions: Predictions, origin: Origin
) -> Iterator[tuple[str, Sink]]:
    """The name of the file in the folder `out` and what takes its scenes.

    It is there when the block ends.

    Raises:
        InputError: the rerun SDK is missing, or the file cannot be written.
    """
    rr = _import_rerun()
    recording = rr.RecordingStream("htt_jax")
    with atomic_write(out / RERUN_FILE) as file, _piped(file, out / RERUN_FILE) as path:
        recording.save(path, default_blueprint=_blueprint())
        try:
            recording.send_recording_name(origin.input)
            _log_constants(rr, recording, origin)
            _log_all_scores(rr, recording, predictions, origin)
            box = _Box(rr, recording, predictions, origin)

            def take(scene: FrameScene) -> None:
                _log_frame(rr, recording, origin, scene)
                box.log(scene)

            yield RERUN_FILE, take
        finally:
            recording.disconnect()  # writes what is left


@contextlib.contextmanager
def _piped(file: IO[bytes], path: pathlib.Path) -> Iterator[str]:
    """Where to write what is to come into `file`.

    Between them lies a pipe, because the SDK never returns once a disk is full, and does not say
    so to its caller.

    Raises:
        InputError: at the end, the file could not be written.
    """
    reading, writing = os.pipe()
    errors: list[OSError] = []

    def copy() -> None:
        with (
            open(reading, "rb", buffering=0) as source,
            open(file.fileno(), "wb", buffering=0, closefd=False) as target,
        ):
            while block := source.read(_BLOCK):
                try:
                    while block and not errors:
                        block = block[target.write(block) :]
                except OSError as error:
                    errors.append(error)

    thread = threading.Thread(target=copy, daemon=True)
    thread.start()
    try:
        yield f"/dev/fd/{writing}"
    finally:
        os.close(writing)
        thread.join()
    if errors:
        raise InputError(
            f"cannot write {path}: {errors[0].strerror}; choose a folder that has room"
        )


def _import_rerun() -> Any:
    try:
        import rerun
    except ImportError:
        raise InputError(
            "--rerun needs the rerun SDK, which is not installed: pip install -e '.[rerun]'"
        ) from None
    return rerun


def _blueprint() -> Any:
    import rerun.blueprint as rrb

    return rrb.Blueprint(
        rrb.Horizontal(
            rrb.Spatial2DView(origin=_IMAGE, name="Image"),
            rrb.Vertical(
                rrb.Spatial3DView(origin="/", name="Camera space"),
                rrb.TimeSeriesView(origin="action", name="Action so far"),
                rrb.TimeSeriesView(origin="object", name="Object"),
            ),
            column_shares=[3, 2],
        ),
        rrb.TimePanel(timeline="time"),
        collapse_panels=True,
    )


def _log_constants(rr: Any, recording: Any, origin: Origin) -> None:
    """The camera, and how hands look."""
    recording.log("/", rr.ViewCoordinates.RDF, static=True)
    camera = rr.Pinhole(
        image_from_camera=origin.intrinsics,
        resolution=origin.image_size,
        camera_xyz=rr.ViewCoordinates.RDF,
        image_plane_distance=_PLANE,
    )
    recording.log("camera", camera, static=True)
    spec = origin.dataset.spec
    joint_colours = colours.finger_colours(spec.skeleton, 1)
    bone_colours = joint_colours[[child for _, child in spec.skeleton.bones]]
    for hand in spec.hands:
        labels = [f"{hand} {readable(joint)}" for joint in spec.skeleton.joints]
        look = {"colors": joint_colours, "labels": labels, "show_labels": False}
        for path, points, strips, joint, bone in (
            (f"{_IMAGE}/{hand}", rr.Points2D, rr.LineStrips2D, _JOINT_2D, _BONE_2D),
            (f"hands/{hand}", rr.Points3D, rr.LineStrips3D, _JOINT, _BONE),
        ):
            joints = points.from_fields(**look, radii=joint)
            recording.log(f"{path}/joints", joints, static=True)
            bones = strips.from_fields(colors=bone_colours, radii=bone)
            recording.log(f"{path}/bones", bones, static=True)


def _log_all_scores(rr: Any, recording: Any, predictions: Predictions, origin: Origin) -> None:
    dataset = origin.dataset
    actions, objects = predictions.action_over_time, predictions.object_probabilities
    groups: list[tuple[str, Sequence[str], np.ndarray, np.ndarray]] = []
    if actions is not None:
        groups.append(("action", dataset.action_names, actions, leading_actions(actions)))
    if objects is not None:
        most_frequent = np.argsort(-objects.mean(axis=0))[:_OBJECTS]
        groups.append(("object", dataset.object_names, objects, most_frequent))
    for group, names, scores, shown in groups:
        shown_names = [names[i] for i in shown]
        _log_scores(rr, recording, predictions.seconds, group, shown_names, scores[:, shown])


def _log_scores(
    rr: Any,
    recording: Any,
    seconds: Float[np.ndarray, " frames"],
    group: str,
    names: Sequence[str],
    probabilities: Float[np.ndarray, "frames names"],
) -> None:
    """Time series of classes, for the whole video at once."""
    times = (
        rr.TimeColumn("frame", sequence=np.arange(len(seconds))),
        rr.TimeColumn("time", duration=seconds),
    )
    tints = colours.assign({}, names)
    for name, series in zip(names, probabilities.T, strict=True):
        path = f"{group}/{rr.escape_entity_path_part(name)}"
        line = rr.SeriesLines(colors=tints[name], names=readable(name))
        recording.log(path, line, static=True)
        recording.send_columns(path, times, rr.Scalars.columns(scalars=series))


class _Box:
    """Logs the edges of the object's box, if there is one."""

    def __init__(self, rr: Any, recording: Any, predictions: Predictions, origin: Origin):
        self._rr, self._recording = rr, recording
        self._boxes, self._edges = predictions.object_box_3d, {}
        if self._boxes is None:
            return
        self._objects = np.zeros(len(self._boxes), int)
        if predictions.object_probabilities is not None:
            self._objects = predictions.object_probabilities.argmax(axis=1)
        for number in np.unique(self._objects):
            boxes = self._boxes[self._objects == number]
            self._edges[number] = object_box.lasting_edges(boxes)
        look = {"colors": colours.ESTIMATE}
        flat, solid = self._rr.LineStrips2D, self._rr.LineStrips3D
        recording.log(f"{_IMAGE}/{_BOX}", flat.from_fields(**look, radii=_BONE_2D), static=True)
        recording.log(_BOX, solid.from_fields(**look, radii=_BONE), static=True)

    def log(self, scene: FrameScene) -> None:
        """Of the frame whose time is set."""
        if self._boxes is None:
            return
        assert scene.object_box is not None
        edges = self._edges[self._objects[scene.frame]]
        name = [readable(scene.object_name)] if scene.object_name else []
        # What lies behind the camera has no place in its image.
        pixels = scene.object_box[edges]
        pixels = pixels[np.isfinite(pixels).all(axis=(1, 2))]
        box = self._rr.LineStrips2D.from_fields(strips=pixels, labels=name)
        self._recording.log(f"{_IMAGE}/{_BOX}", box)
        box = self._rr.LineStrips3D.from_fields(strips=self._boxes[scene.frame][edges], labels=name)
        self._recording.log(_BOX, box)


def _log_frame(rr: Any, recording: Any, origin: Origin, scene: FrameScene) -> None:
    assert scene.joints_2d is not None
    assert scene.joints_3d is not None
    recording.set_time("frame", sequence=scene.frame)
    recording.set_time("time", duration=scene.seconds)
    bgr = cv2.cvtColor(scene.image, cv2.COLOR_RGB2BGR)
    jpeg = cv2.imencode(".jpg", bgr, (cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY))[1].tobytes()
    recording.log(_IMAGE, rr.EncodedImage(contents=jpeg, media_type="image/jpeg"))
    spec = origin.dataset.spec
    bones = np.array(spec.skeleton.bones, np.int64).reshape(-1, 2)
    for hand in spec.hands:
        joints = spec.joints_of(hand)
        pixels, points = scene.joints_2d[joints], scene.joints_3d[joints]
        path = f"{_IMAGE}/{hand}"
        recording.log(f"{path}/joints", rr.Points2D.from_fields(positions=pixels))
        recording.log(f"{path}/bones", rr.LineStrips2D.from_fields(strips=pixels[bones]))
        path = f"hands/{hand}"
        recording.log(f"{path}/joints", rr.Points3D.from_fields(positions=points))
        recording.log(f"{path}/bones", rr.LineStrips3D.from_fields(strips=points[bones]))
