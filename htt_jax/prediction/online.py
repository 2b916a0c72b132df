"""Predicts a video while it is being taken: frames go in one at a time, memory does not grow.

    online = OnlinePredictor(model.run, (1280, 720), intrinsics)
    for frame in camera:
        for result in online.push(frame):
            ...  # of this frame, and of the others of its group

The clips are those of `htt_jax.data.clips` at test time: `spacing` of them are under way at once,
each taking every `spacing`-th frame, and after T frames new ones begin; at other frame rates as
`data.pace.clips_at` has it. A frame is looked at when
it comes, frames that a system sees together, a window, are run as soon as they are there, and what
a clip needs of the windows before is kept (`System.stepwise`), so that the results are those of the
whole clip. What comes when, and what cannot be the same: docs/online.md.
"""

import math
import warnings

import numpy as np
from jaxtyping import Float

from htt_jax.data.clips import in_frame_order
from htt_jax.data.pace import clips_at
from htt_jax.prediction import input_camera
from htt_jax.prediction.ahead import Ahead
from htt_jax.prediction.ahead import collect as collect_ahead
from htt_jax.prediction.clips_under_way import ClipsUnderWay
from htt_jax.prediction.frame_result import FrameResult, FrameResults
from htt_jax.prediction.frames import Size, frame_rate
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.prediction.running_action import RunningAction
from htt_jax.prediction.sight import Sight, sight
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError

_KINDS: dict[str, tuple[type[np.generic], tuple[int, ...], str]] = {
    "color": (np.uint8, (3,), "RGB frames (height, width, 3)"),
    "depth": (np.uint16, (), "depth maps (height, width), millimetres,"),
}
"""Of frames: their values, the axes behind height and width, what they are called."""


class OnlinePredictor:
    """Poses within a window's delay, and the action so far, of frames as they come.

    Attributes:
        delay: in frames, window * spacing. The frames 0 to `delay - 1` are a group, and so on: one
            window of every clip under way. The results of a group come all at once, when its last
            frame is pushed. At rates that are no multiple of the model's, groups differ by a frame.
        intrinsics: of the camera, 3x3, pixels of the frames, undistorted.
        lens: that bends the frames' lines; None: they are straight. Results are in pixels of the
            frames undistorted, `lens.undistorted(frame)`; `lens.distorted_points` brings them back.
        forecasts: whether the run tells where hands will go, see `ahead`.
        tells_newest: whether each frame's pose is told at once, see `newest`.
        smoothing: of the poses; None: they are what the model says.
    """

    def __init__(
        self,
        run: TrainedRun,
        image_size: Size,
        intrinsics: GivenCamera | None = None,
        *,
        newest: bool = False,
        smoothing: Smoothing | None = None,
        rate: float | None = None,
    ):
        """Compiles all programs; this takes seconds.

        What is to be known of how the model sees a camera's frames is a warning.

        Args:
            run: the model, opened for `sharding.single_device_mesh()`.
            image_size: (width, height) of the frames.
            intrinsics: fx, fy, cx, cy or the 3x3 matrix of the camera, pixels at that size; or the
                path of a file, see `intrinsics_file.read`; None for the camera of the dataset the
                model was trained on, in colour.
            newest: also tell the pose of the newest frame after each `push`, see `newest`.
            smoothing: of all poses; None: they are what the model says.
            rate: frames a second that will be pushed; None: as many as the model is used to,
                `config.data.frame_rate`.

        Raises:
            InputError: the model takes whole clips only, or other frames than a camera's, or has
                no use for `newest`; or the intrinsics cannot be a camera's, or the rate is none.
        """
        wanted = run.config.data.frame_rate
        self._rate = wanted if rate is None else float(frame_rate(rate, "rate"))
        self._run = run
        self._image_size = image_size
        self._dtype, channels, self._called = _KINDS[run.config.data.camera]
        self._shape = (*reversed(image_size), *channels)
        self.intrinsics, _, self.lens = input_camera.resolve(
            intrinsics, run.dataset.spec, image_size, run.config.data.camera
        )
        self._clips, self._pace = clips_at(clip_spec(run.config), self._rate, wanted)
        self._told = run.told
        self._actions = len(run.dataset.action_names)
        self.delay = int(self._pace.frames(np.array(self._clips.window_span - 1))) + 1
        self.forecasts = bool(run.config.model.get("forecast"))
        self.tells_newest, self.smoothing = newest, smoothing
        self._sight = self._look()
        seen = self._seen(np.zeros(self._shape, self._dtype))
        seen.pop("hand_seen", None)
        if run.system.reader.caution:
            warnings.warn(run.system.reader.caution, stacklevel=2)
        self._under_way = ClipsUnderWay(
            run, seen, self._clips, self._sight.intrinsics, newest=newest
        )
        self.reset()

    def _look(self) -> Sight:
        return sight(self._run, self._image_size, self.intrinsics)

    def _seen(self, frame: np.ndarray) -> dict[str, np.ndarray]:
        resizer = self._sight.resizer
        if self.lens is not None:
            frame = self.lens.undistorted(frame)
        return self._sight.look(resizer(frame) if resizer else frame)

    def reset(self) -> None:
        """Begins a new video of the same camera; what is not out yet of the last one is lost."""
        self._sight = self._look()
        self._under_way.reset()
        self._pushed = 0
        self._places = 0  # that show what was pushed
        self._finished = False
        self._seconds: list[float] = []  # of the frames of this group, and so the next
        self._hand_seen: list[np.ndarray | None] = []
        self._now = 0.0
        self._newest: FrameResult | None = None
        self._final = self._make_results(is_final=True)
        self._provisional = self._make_results(is_final=False)
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

    @property
    def newest(self) -> FrameResult | None:
        """What is said of the frame pushed last, now, from it and those before it; waits for it.

        As of the last frame of a window that ends with it. It comes without delay, and is not
        final: what the whole video gives comes with its group. None before the first frame.

        Raises:
            ValueError: it was not asked for when this was made.
        """
        if not self.tells_newest:
            raise ValueError("OnlinePredictor was made without newest=True")
        if self._newest is None and self._pushed:
            found = self._under_way.newest()
            assert found is not None
            of_one = {name: x[None] for name, x in found.items()}
            (self._newest,) = self._provisional(
                [self._pushed - 1], [self._now], of_one, [self._last_seen]
            )
        return self._newest

    def push(self, frame: np.ndarray, seconds: float | None = None) -> list[FrameResult]:
        """Takes the next frame, copied: RGB, or of a model of depth maps one of them.

        Args:
            frame: of the size announced.
            seconds: when it was taken, on whatever clock, for smoothing; None: a step of the rate
                after the one before.

        Returns:
            Where `frame` is the last of its group, the results of all frames of the group, in
            order; the device is waited for. Otherwise nothing, and at most the frame before is.

        Raises:
            InputError: it is not uint8 (height, width, 3), or uint16 (height, width), of the size
                announced, or was taken before the last one.
            ValueError: the video is finished.
        """
        if self._finished:
            raise ValueError("the video is finished; reset() begins the next one")
        self._check(frame)
        if self.tells_newest and self.smoothing:
            _ = self.newest  # what smooths it must see every frame
        self._now = self._time(seconds)
        seen = self._seen(np.ascontiguousarray(frame))
        self._last_seen = seen.pop("hand_seen", None)
        self._seconds.append(self._now)
        self._hand_seen.append(self._last_seen)
        self._newest = None
        self._pushed += 1
        results = []
        for _ in range(self._pace.times(self._pushed - 1)):
            self._under_way.push(seen)
            self._places += 1
            if self._places % self._clips.window_span == 0:
                results += self._collect(self._places - self._clips.window_span)
        return results

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
        places = self._places % self._clips.window_span
        if not places:
            return []
        self._under_way.end()
        return self._collect(self._places - places)

    def place_of(self, frame: int) -> int:
        """The place of a frame in its clip, counted on from clip to clip."""
        return int(self._pace.first_places(np.array(frame))) // self._clips.spacing

    def _check(self, frame: np.ndarray) -> None:
        if frame.dtype != self._dtype or frame.shape != self._shape:
            raise InputError(
                f"frame {self._pushed} is {frame.dtype} {frame.shape}, not "
                f"{np.dtype(self._dtype)} {self._shape}; push {self._called} of the image_size "
                "given"
            )

    def _time(self, seconds: float | None) -> float:
        """Of the next frame."""
        if seconds is None:
            return self._now + 1 / self._rate
        if not math.isfinite(seconds) or (self._pushed and seconds < self._now):
            raise InputError(
                f"frame {self._pushed} was taken at {seconds:g} s, the one before at "
                f"{self._now:g} s; push frames in their order, with times of one clock"
            )
        return seconds

    def _make_results(self, *, is_final: bool) -> FrameResults:
        factor, smoothing = self._sight.pixel_factor, self.smoothing
        return FrameResults(self._run, factor, self.intrinsics, smoothing, is_final=is_final)

    def _collect(self, start: int) -> list[FrameResult]:
        """Waits for a group's windows, from place `start` on, and puts their frames in order."""
        outputs = self._under_way.outputs()
        places = self._places - start
        shows = self._pace.frames(np.arange(start - 1, self._places))
        first = np.flatnonzero(np.diff(shows))  # where a frame is shown first
        hand_seen, self._hand_seen = self._hand_seen, []
        seconds, self._seconds = self._seconds, []
        if "action" in self._told:
            said = np.stack([output["action_probabilities"] for output in outputs])
            begins = start % self._clips.span == 0
            self._action.note(said, begins=begins, last=int(shows[-1]))
        # The clips took turns.
        of_clips = [np.arange(clip, places, self._clips.spacing) for clip in range(len(outputs))]
        expected = collect_ahead([start + own for own in of_clips], outputs, self._clips)
        if expected is not None and len(expected.last):
            expected = expected.paced(self._pace)
            self._ahead = expected if self._ahead is None else self._ahead.then(expected)
        of_frames: dict[str, np.ndarray] = {
            name: in_frame_order(of_clips, [output[name] for output in outputs])[first]
            for name in ("joints_2d", "depth", "object_probabilities", "object_box_3d")
            if name in outputs[0]
        }
        return self._final(shows[1:][first].tolist(), seconds, of_frames, hand_seen)
