"""A recording's parts, which become the records of a dataset."""

import dataclasses
import hashlib
import math
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float

from data_prep.own import footage, joints
from data_prep.own.description import Description, read_camera
from data_prep.own.fitting import depths
from data_prep.own.footage import Footage
from data_prep.own.labels import FILE, Label
from data_prep.raw import EncodeFrame, Note
from htt_jax import camera
from htt_jax.data.records import Video
from htt_jax.datasets.spec import NO_JOINTS, STORED_SIZE, DatasetSpec
from htt_jax.prediction.frames import DEFAULT_RATE, Resizer, Size
from htt_jax.prediction.input_camera import (
    GivenCamera,
    InputCamera,
    Intrinsics,
    at_size,
)
from htt_jax.support.errors import InputError

CAMERAS = ("camera.json", "camera.txt", "camera.yaml", "camera.yml", "cam_intrinsics.txt")
"""What a recording's own camera may be called."""

_UNKNOWN_FRAMES = 90  # for the progress bar
_JPEG = (".jpg", ".jpeg")


@dataclasses.dataclass(frozen=True)
class Recording:
    """Where the parts of a recording are.

    Attributes:
        name: of its folder, as labels.csv has it.
        folder: of the recording.
        frames: a video file or a folder.
        joints: a file or folder; None: it has none.
        camera: a file; None: the dataset's camera took it.
        stamp: tells the files' state: whether one was put right since.
    """

    name: str
    folder: pathlib.Path
    frames: pathlib.Path
    joints: pathlib.Path | None
    camera: pathlib.Path | None
    stamp: str


def _rate(seconds: Sequence[float], said: float) -> float:
    """Frames a second of a part, by their times; as is `said` of the whole where there is one."""
    passed = seconds[-1] - seconds[0]
    return round((len(seconds) - 1) / passed, 3) if passed > 0 else said


def find_recording(root: pathlib.Path, name: str) -> Recording:
    """The recording in the folder `name` of `root`.

    Raises:
        InputError: it has no frames, or something twice.
    """
    folder = root / name
    cameras = [folder / file for file in CAMERAS if (folder / file).is_file()]
    if len(cameras) > 1:
        raise InputError(f"{folder} holds {cameras[0].name} and {cameras[1].name}; keep one")
    camera_file = cameras[0] if cameras else None
    parts = (footage.find(folder), joints.find(folder), camera_file)
    return Recording(name, folder, *parts, _stamp(*(part for part in parts if part)))


def _stamp(*paths: pathlib.Path) -> str:
    """Changes with the name, size or time of a file, or of one in a folder."""
    found = hashlib.sha256()
    for path in paths:
        files = sorted(path.iterdir()) if path.is_dir() else [path]
        for file in files:
            if file.is_file() and not file.name.startswith("."):
                state = file.stat()
                found.update(f"{file} {state.st_size} {state.st_mtime_ns}\n".encode())
    return found.hexdigest()


def camera_of(recording: Recording, description: Description, size: Size) -> InputCamera | None:
    """The recording's camera for its frames of (width, height) `size`; None: nothing is said.

    Raises:
        InputError: it cannot be a camera's, or is for images of another shape.
    """
    given: GivenCamera | None = description.camera
    if recording.camera is not None:
        given = read_camera(recording.camera)
    if given is None:
        return None
    if isinstance(given, Intrinsics) and given.size and not camera.same_shape(given.size, size):
        width, height = given.size
        is_own = recording.camera is not None
        remedy = "put its size right" if is_own else "give that recording a camera.txt of its own"
        raise InputError(
            f"{given.given} is for images of {width}x{height}, but {recording.frames} is "
            f"{size[0]}x{size[1]}, of another shape; {remedy}"
        )
    return at_size(given, size)


@dataclasses.dataclass(frozen=True)
class Segment:
    """What a row of labels.csv labels, not read yet."""

    recording: Recording
    label: Label
    action: int
    object: int  # -1 = unknown
    description: Description
    spec: DatasetSpec

    @property
    def video_id(self) -> str:
        """Recording and part."""
        return f"{self.recording.name}/{self.label.span}"

    @property
    def expected_frames(self) -> int:
        """As its label says; in seconds, of as many frames as dataset.toml says, else 30."""
        span = self.label.span
        if math.isinf(span.end):
            return _UNKNOWN_FRAMES
        length = span.end - span.start
        rate = float(self.description.rate or DEFAULT_RATE)
        return max(1, round(length * rate)) if span.is_seconds else int(length) + 1

    @property
    def poses(self) -> pathlib.Path:
        """What its joints come from."""
        return self.recording.joints or self.recording.folder

    def read(self, encode_frame: EncodeFrame) -> tuple[Video, list[Note]]:
        """Reads frames and joints; hands without joints are marked as not annotated.

        Raises:
            InputError: a bad file, or no frame lies where the label says.
        """
        source = Footage(self.recording.frames, self.description.rate)
        size = source.frames.size
        seen_by = self._camera(size)
        source.look_through(seen_by.lens)
        resizer = Resizer(self.spec, size, STORED_SIZE)
        encoded, numbers, seconds = [], [], []
        for number, frame in source.part(self.label.span, resizer):
            file = self.recording.frames / frame.name
            is_jpeg = size == STORED_SIZE and file.suffix.lower() in _JPEG and file.is_file()
            is_stored = is_jpeg and seen_by.lens is None
            encoded.append(encode_frame(file if is_stored else frame.image))
            numbers.append(number)
            seconds.append(frame.seconds)
        notes = self._length_notes(source, numbers)
        poses, known, more = self._poses(numbers, source, seen_by)
        of_hands = known[..., 1].reshape(len(numbers), len(self.spec.hands), -1)
        video = Video(
            video_id=self.video_id,
            segment_id=self.label.line,
            subject=self.label.subject,
            action=self.action,
            object=self.object,
            frames=encoded,
            frame_numbers=np.array(numbers, np.int64),
            joints_3d=poses,
            hand_annotated=np.asarray(of_hands.all(axis=2)),
            joints_known=known if self.spec.joint_by_joint else None,
            intrinsics=camera.scale_intrinsics(seen_by.matrix, size, STORED_SIZE).astype(
                np.float32
            ),
            frame_rate=_rate(seconds, float(source.frames.rate)),
        )
        path = str(self.recording.frames)
        about = [Note("recording", path, what) for what in (*source.notes, *source.frames.notes)]
        if self.recording.camera or self.description.camera:
            about.append(Note("camera", path, str(seen_by)))
        return video, [*about, *notes, *more]

    def _camera(self, size: Size) -> InputCamera:
        """The recording's, else that of the dataset's first, for frames of `size`."""
        found = camera_of(self.recording, self.description, size)
        if found is not None:
            return found
        matrix = camera.scale_intrinsics(self.spec.intrinsics, self.spec.native_size, size)
        return InputCamera(matrix, f"from {self.spec.title}")

    def _length_notes(self, source: Footage, numbers: list[int]) -> list[Note]:
        """What of the part is not there.

        Raises:
            InputError: all.
        """
        span, (last, seconds) = self.label.span, source.end
        ends = f"{self.recording.frames} ends with frame {last}, at {seconds:.4g} s"
        if span.is_after(last, seconds):  # which was come upon behind the part
            ends = f"the next frame of {self.recording.frames} is {last}, at {seconds:.4g} s"
        where = f"{FILE}, line {self.label.line}"
        if not numbers:
            unit = "seconds" if span.is_seconds else "frames"
            raise InputError(
                f"{where}: no frame of {self.recording.name} lies in {span} ({unit}); {ends}; "
                "put the label right, `times` in dataset.toml, or leave it out with --skip-bad"
            )
        step = 1 / float(source.frames.rate)
        if math.isinf(span.end) or span.is_after(last, seconds):
            return []
        beyond = span.end > seconds + 2 * step if span.is_seconds else span.end > last
        what = f"the label ends at {span.end:g}, but {ends}; what there is was taken"
        return [Note("beyond the end", where, what)] if beyond else []

    def _poses(
        self, numbers: list[int], source: Footage, seen_by: InputCamera
    ) -> tuple[
        Float[np.ndarray, "frames joints 3"], Bool[np.ndarray, "frames joints 2"], list[Note]
    ]:
        """Joints, what of each is known, and how many hands and joints are not."""
        spec = self.spec
        if self.recording.joints is None:
            shape = (len(numbers), spec.num_joints)
            what = "no joints: frames kept, hands marked as not annotated"
            notes = [Note("not annotated", str(self.recording.folder), what)]
            if spec.joints == NO_JOINTS:  # of which one note tells
                notes = []
            return np.zeros((*shape, 3), np.float32), np.zeros((*shape, 2), bool), notes
        found = joints.read(self.recording.joints, self.description, self.recording.frames)
        if self.description.fit is not None and found.in_images:
            question = depths.Question(
                self.recording.joints,
                self.description.fit,
                spec.hands,
                float(source.frames.rate),
            )
            found = depths.with_fit(found, question, seen_by, source.frames.size)
        poses, known = found.of(numbers, seen_by)
        notes = list(found.notes)
        for hand in spec.hands:
            of_hand = known[:, spec.joints_of(hand), 0]
            there = of_hand.any(axis=1)
            absent, missing = int((~there).sum()), int((~of_hand[there]).sum())
            of_segment = f"of {len(numbers)} frames of {self.video_id}"
            if absent:
                what = f"no {hand} hand in {absent} {of_segment}"
                notes.append(Note("not annotated", str(self.recording.joints), what))
            if missing:
                what = f"{missing} of {of_hand[there].size} joints of the {hand} hand, in "
                what += f"{int(there.sum())} {of_segment}"
                notes.append(Note("not annotated", str(self.recording.joints), what))
        return poses, known, notes
