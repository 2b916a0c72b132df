"""Predicts a video while it is being taken: frames go in one at a time, memory does not grow.

    online = OnlinePredictor(model.run, (1280, 720), intrinsics)
    for frame in camera:
        for result in online.push(frame):
            ...  # of this frame, and of the others of its group

The clips are those of `htt_jax.data.clips` at test time: `spacing` of them are under way at once,
each taking every `spacing`-th frame, and after T frames new ones begin. Frames that a system sees
together, a window, are sent as soon as they are there, and what a clip needs of the windows before
is kept (`System.stepwise`), so that the results are those of the whole clip. What comes when, and
what cannot be the same: docs/online.md.
"""

import dataclasses
import warnings
from typing import Any

import jax
import numpy as np
from jaxtyping import Bool, Float

from htt_jax import camera
from htt_jax.data.clips import in_frame_order
from htt_jax.prediction import input_camera
from htt_jax.prediction.ahead import Ahead
from htt_jax.prediction.ahead import collect as collect_ahead
from htt_jax.prediction.compiled_step import compiled
from htt_jax.prediction.frames import Size
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.prediction.running_action import RunningAction
from htt_jax.prediction.sight import Sight, sight
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import told

_KINDS: dict[str, tuple[type[np.generic], tuple[int, ...], str]] = {
    "color": (np.uint8, (3,), "RGB frames (height, width, 3)"),
    "depth": (np.uint16, (), "depth maps (height, width), millimetres,"),
}
"""Of frames: their values, the axes behind height and width, what they are called."""


@dataclasses.dataclass(frozen=True)
class FrameResult:
    """What a model says about one frame; pixels are those of the frame as it was pushed.

    Attributes:
        frame: its number, from 0.
        joints_2d: pixels.
        depth: metres.
        joints_3d: metres, camera space.
        object_probabilities: by class; None: the model says nothing of objects.
        hand_seen: whether each hand was found in the frame, where that is looked for; a pose of one
            that was not is a guess.
    """

    frame: int
    joints_2d: Float[np.ndarray, "joints 2"]
    depth: Float[np.ndarray, " joints"]
    joints_3d: Float[np.ndarray, "joints 3"]
    object_probabilities: Float[np.ndarray, " objects"] | None
    hand_seen: Bool[np.ndarray, " hands"] | None = None


class OnlinePredictor:
    """Poses within a window's delay, and the action so far, of frames as they come.

    Attributes:
        delay: in frames, window * spacing. The frames 0 to `delay - 1` are a group, and so on: one
            window of every clip under way. The results of a group come all at once, when its last
            frame is pushed.
        intrinsics: of the camera, 3x3, pixels of the frames.
        forecasts: whether the run tells where hands will go, see `ahead`.
    """

    def __init__(self, run: TrainedRun, image_size: Size, intrinsics: GivenCamera | None = None):
        """Compiles the one program that everything takes; this takes seconds.

        What is to be known of how the model sees a camera's frames is a warning.

        Args:
            run: the model, opened for `sharding.single_device_mesh()`.
            image_size: (width, height) of the frames.
            intrinsics: fx, fy, cx, cy or the 3x3 matrix of the camera, pixels at that size; None
                for the camera of the dataset the model was trained on, in colour.

        Raises:
            InputError: the model takes whole clips only, or other frames than a camera's; or the
                intrinsics cannot be a camera's.
        """
        self._run = run
        self._image_size = image_size
        self._dtype, channels, self._called = _KINDS[run.config.data.camera]
        self._shape = (*reversed(image_size), *channels)
        self.intrinsics = input_camera.resolve(
            intrinsics, run.dataset.spec, image_size, run.config.data.camera
        ).matrix
        self._clips = clip_spec(run.config)
        self._told = told(run.system.outputs)
        self._actions = len(run.dataset.action_names)
        self.delay = self._clips.window_span
        self.forecasts = bool(run.config.model.get("forecast"))
        self._sight = self._look()
        seen = self._seen(np.zeros(self._shape, self._dtype))
        seen.pop("hand_seen", None)
        batch = {
            name: np.zeros((self._clips.window, *x.shape), x.dtype) for name, x in seen.items()
        }
        batch["valid"] = np.zeros(self._clips.window, bool)
        batch["intrinsics"] = self._sight.intrinsics
        if run.system.reader.caution:
            warnings.warn(run.system.reader.caution, stacklevel=2)
        self._step, state = compiled(run, batch)
        # What a clip before left in it means nothing to the next, so that it is never cleared.
        self._states = [state] * self._clips.spacing
        self.reset()

    def _look(self) -> Sight:
        return sight(self._run, self._image_size, self.intrinsics)

    def _seen(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        resizer = self._sight.resizer
        return self._sight.look(resizer(frame) if resizer else frame)

    def reset(self) -> None:
        """Begins a new video of the same camera; what is not out yet of the last one is lost."""
        self._sight = self._look()
        self._pushed = 0
        self._finished = False
        self._filling: dict[int, dict[str, np.ndarray]] = {}
        self._running: list[dict[str, jax.Array]] = []  # windows of this group, by clip
        self._hand_seen: list[np.ndarray] = []  # of the frames of this group
        self._action = RunningAction(self._actions)
        self._ahead: Ahead | None = None

    @property
    def action_probabilities(self) -> Float[np.ndarray, " actions"] | None:
        """The action so far, by class; None before the first results, or if nothing is said of it.

        The mean over all clips that have begun, each as it stands after its last whole window.
        After `finish` it is that of the video.
        """
        return self._action.probabilities if self._action.is_known else None

    @property
    def decided_frame(self) -> int | None:
        """The last frame that was seen when the most probable action became what it has been since.

        None as `action_probabilities`. After `finish` it is that of the video.
        """
        return self._action.answer.since

    @property
    def present_action_probabilities(self) -> Float[np.ndarray, " actions"] | None:
        """The same over the clips under way alone, at most T * spacing frames back.

        For cameras that see one action after another and never stop.
        """
        return self._action.present if self._action.is_known else None

    @property
    def present_decided_frame(self) -> int | None:
        """As `decided_frame`, of `present_action_probabilities`."""
        return self._action.present_answer.since

    @property
    def ahead(self) -> Ahead | None:
        """Where hands are expected to go after each frame of the last results, and from there on.

        None before the first full window.

        Raises:
            InputError: the run makes no forecasts.
        """
        if not self.forecasts:
            raise InputError(
                f"{self._run.workdir} makes no forecasts, so that nothing is known ahead; take a "
                "run that was trained with --config.model.forecast=16"
            )
        return self._ahead

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        """Takes the next frame, copied: RGB, or of a model of depth maps one of them.

        Returns:
            Where `frame` is the last of its group, the results of all frames of the group, in
            order; the device is waited for. Otherwise nothing, and it is not.

        Raises:
            InputError: it is not uint8 (height, width, 3), or uint16 (height, width), of the size
                announced.
            ValueError: the video is finished.
        """
        if self._finished:
            raise ValueError("the video is finished; reset() begins the next one")
        self._check(frame)
        number = self._pushed
        place, clip = divmod(number, self._clips.spacing)
        in_window = place % self._clips.window
        seen = self._seen(np.ascontiguousarray(frame))
        if "hand_seen" in seen:
            self._hand_seen.append(seen.pop("hand_seen"))
        if in_window == 0:
            # New arrays for each window, since the device may still read from the last ones.
            self._filling[clip] = {
                name: np.zeros((self._clips.window, *x.shape), x.dtype) for name, x in seen.items()
            }
        for name, array in seen.items():
            self._filling[clip][name][in_window] = array
        self._pushed += 1
        if in_window == self._clips.window - 1:
            self._run_window(clip, place - in_window, self._clips.window)
        if self._pushed % self.delay == 0:
            return self._collect(self._pushed - self.delay, self.delay)
        return []

    def finish(self) -> list[FrameResult]:
        """Ends the video; afterwards only `reset` makes sense.

        Returns:
            The results of all frames that are not out yet.

        Raises:
            ValueError: it is finished already.
        """
        if self._finished:
            raise ValueError("the video is finished already")
        self._finished = True
        frames = self._pushed % self.delay
        if not frames:
            return []
        start = self._pushed - frames
        for clip in sorted(self._filling):
            count = len(range(clip, frames, self._clips.spacing))
            self._run_window(clip, start // self._clips.spacing, count)
        return self._collect(start, frames)

    def _check(self, frame: np.ndarray) -> None:
        if frame.dtype != self._dtype or frame.shape != self._shape:
            raise InputError(
                f"frame {self._pushed} is {frame.dtype} {frame.shape}, not "
                f"{np.dtype(self._dtype)} {self._shape}; push {self._called} of the image_size "
                "given"
            )

    def _run_window(self, clip: int, place: int, count: int) -> None:
        """Sends a window to the device; does not wait for it.

        Args:
            clip: of those under way.
            place: of the window's first frame, counted on from clip to clip.
            count: of real frames.
        """
        batch = self._filling.pop(clip)
        batch["valid"] = np.arange(self._clips.window) < count
        batch["intrinsics"] = self._sight.intrinsics
        self._states[clip], outputs = self._step(
            self._run.variables,
            self._states[clip],
            np.int32(place % self._clips.frames),
            batch,
        )
        for output in outputs.values():
            output.copy_to_host_async()
        self._running.append(outputs)

    def _collect(self, start: int, frames: int) -> list[FrameResult]:
        """Waits for a group's windows and puts their frames in order."""
        outputs = jax.device_get(self._running)
        self._running = []
        hand_seen, self._hand_seen = self._hand_seen, []
        nothing: list[Any] = [None] * frames
        if "action" in self._told:
            said = np.stack([output["action_probabilities"] for output in outputs])
            begins = start % self._clips.span == 0
            self._action.note(said, begins=begins, last=start + frames - 1)
        # The clips took turns.
        of_clips = [np.arange(clip, frames, self._clips.spacing) for clip in range(len(outputs))]
        expected = collect_ahead([start + own for own in of_clips], outputs, self._clips)
        if expected is not None and len(expected.last):
            self._ahead = expected if self._ahead is None else self._ahead.then(expected)

        def in_order(name: str) -> np.ndarray:
            return in_frame_order(of_clips, [output[name] for output in outputs])

        joints_2d, depth = in_order("joints_2d") * self._sight.pixel_factor, in_order("depth")
        joints_3d = camera.unproject(joints_2d, depth, self.intrinsics)
        rows = zip(
            range(start, start + frames),
            joints_2d.astype(np.float32),
            depth,
            joints_3d.astype(np.float32),
            in_order("object_probabilities") if "object" in self._told else nothing,
            hand_seen or nothing,
            strict=True,
        )
        return [FrameResult(*row) for row in rows]
