"""What a model says about one video, put together from what it says of clips."""

import dataclasses

import jax
import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax import camera
from htt_jax.data.clips import ClipSpec, in_frame_order
from htt_jax.data.pace import Pace
from htt_jax.evaluation import action_scores
from htt_jax.prediction import ahead, attention, joint_attention
from htt_jax.prediction.ahead import Ahead
from htt_jax.prediction.attention import Attention
from htt_jax.prediction.decision import decided_frame
from htt_jax.prediction.found_hands import unless_trained
from htt_jax.prediction.joint_attention import JointAttention
from htt_jax.prediction.smoothing import Smoothing
from htt_jax.runs.opening import TrainedRun


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says about one video; pixels are those of the video's own frames.

    `action_over_time` is what can be said of the action at each raw frame: the mean over the clips
    begun so far, each as it stands after the window that holds the frame. Its last row is
    `action_probabilities`. `frame_clip` and `frame_place` tell where each raw frame was seen: in
    which clip, and as which of its frames. What the model says nothing about is None, `attention`,
    `joint_attention`, `ahead` and `hand_seen` too: whether each hand was found in the frame. Where
    it was not, its pose is a guess. `decided_frame` is the last frame that was seen when the action
    was first recognised that the video is judged by, and that no later frame changed; None also of
    programs, which tell the action of whole clips only. `smoothing` is that of the poses.
    `object_box_3d` has centre and eight corners of the box of the object in hand.
    """

    frame_names: list[str]
    seconds: Float[np.ndarray, " frames"]  # since the first frame
    joints_2d: Float[np.ndarray, "frames joints 2"]  # pixels
    depth: Float[np.ndarray, "frames joints"]  # metres
    joints_3d: Float[np.ndarray, "frames joints 3"]  # metres, camera space
    object_probabilities: Float[np.ndarray, "frames objects"] | None
    action_over_time: Float[np.ndarray, "frames actions"] | None
    frame_clip: Int[np.ndarray, " frames"]
    frame_place: Int[np.ndarray, " frames"]
    clip_start: Int[np.ndarray, " clips"]  # first raw frame
    clip_frames: Int[np.ndarray, " clips"]  # real frames
    clip_action_probabilities: Float[np.ndarray, "clips actions"] | None
    attention: Attention | None
    hand_seen: Bool[np.ndarray, "frames hands"] | None = None
    decided_frame: int | None = None
    ahead: Ahead | None = None
    joint_attention: JointAttention | None = None
    smoothing: Smoothing | None = None
    object_box_3d: Float[np.ndarray, "frames box_points 3"] | None = None  # metres, camera space

    @property
    def action_probabilities(self) -> Float[np.ndarray, " actions"] | None:
        """Of the video: the sum over its clips (Sec. 3.4), divided by their number."""
        if self.clip_action_probabilities is None:
            return None
        return self.clip_action_probabilities.mean(axis=0, dtype=np.float64)


@dataclasses.dataclass(frozen=True)
class Block:
    """Successive places whose clips are under way on the device."""

    names: list[str]
    seconds: list[float]
    indices: list[Int[np.ndarray, " _"]]  # of each clip's places in the block
    outputs: dict[str, jax.Array]  # of all clips
    hand_seen: list[Bool[np.ndarray, " hands"]]  # at each place, if the look tells


class Collected:
    """Puts the clips' results back into the order of the video's frames."""

    def __init__(
        self,
        run: TrainedRun,
        clips: ClipSpec,
        pace: Pace,
        pixel_factor: Float[np.ndarray, "2"],
        intrinsics: Float[np.ndarray, "3 3"],
    ):
        self._dataset = run.dataset.spec
        self._tells_objects = "object" in run.told
        self._clips = clips
        self._pace = pace
        self._pixel_factor = pixel_factor
        self._intrinsics = intrinsics
        self._names: list[str] = []  # of the frame at each place, as the others
        self._seconds: list[float] = []
        self._places: list[Int[np.ndarray, " _"]] = []  # of each clip
        self._outputs: list[dict[str, np.ndarray]] = []  # of each clip
        self._hand_seen: list[np.ndarray] = []
        self._joint_attention = joint_attention.Collected()

    def add(self, block: Block) -> None:
        """Waits for a block's results."""
        places = [len(self._names) + indices for indices in block.indices]
        self._places += places
        frames = [self._pace.frames(of_clip) for of_clip in places]
        outputs = jax.device_get(self._joint_attention.take(block.outputs, frames))
        for clip in range(len(block.indices)):
            self._outputs.append({name: array[clip] for name, array in outputs.items()})
        self._names += block.names
        self._seconds += block.seconds
        self._hand_seen += block.hand_seen

    def result(self) -> Predictions:
        """Everything, at the size of the video's own frames."""
        shows = self._pace.frames(np.arange(len(self._names)))  # the raw frame of each place
        # What a frame is, it is where it is first shown; what is known then, where it is last.
        first = np.flatnonzero(np.diff(shows, prepend=-1))
        last = np.append(first[1:], len(shows)) - 1
        joints_2d = self._by_place("joints_2d")[first] * self._pixel_factor
        depth = self._by_place("depth")[first]
        # A point in space is the same at every size of the image: its pixels scale with the camera.
        joints_3d = camera.unproject(joints_2d, depth, self._intrinsics)
        said, seen = self._outputs[0], unless_trained(self._dataset, len(first))
        if self._hand_seen:
            seen = np.stack(self._hand_seen)[first]
        counts = np.array([len(places) for places in self._places])
        frames = [self._pace.frames(places) for places in self._places]
        over_time = self._action_over_time() if "action_over_time" in said else None
        expected = ahead.collect(self._places, self._outputs, self._clips)
        return Predictions(
            frame_names=[self._names[place] for place in first],
            seconds=np.array(self._seconds)[first],
            joints_2d=joints_2d.astype(np.float32),
            depth=depth,
            joints_3d=joints_3d.astype(np.float32),
            object_probabilities=(
                self._by_place("object_probabilities")[first] if self._tells_objects else None
            ),
            action_over_time=over_time if over_time is None else over_time[last],
            frame_clip=self._in_order([np.full(n, clip) for clip, n in enumerate(counts)])[first],
            frame_place=self._in_order([np.arange(count) for count in counts])[first],
            clip_start=np.array([of_clip[0] for of_clip in frames]),
            clip_frames=counts,
            clip_action_probabilities=(
                np.stack([outputs["action_probabilities"] for outputs in self._outputs])
                if "action_probabilities" in said
                else None
            ),
            attention=attention.collect(frames, self._outputs),
            hand_seen=seen,
            decided_frame=(
                int(shows[decided_frame(over_time, self._clips.window_span)])
                if over_time is not None and self._tells_windows(counts)
                else None
            ),
            ahead=None if expected is None else expected.paced(self._pace),
            joint_attention=self._joint_attention.result(),
            object_box_3d=self._by_place("object_box_3d")[first]
            if "object_box_3d" in said
            else None,
        )

    def _tells_windows(self, counts: Int[np.ndarray, " clips"]) -> bool:
        """Whether the action is told after each window that has a frame, not of clips alone."""
        told = [len(outputs["action_over_time"]) for outputs in self._outputs]
        return bool((np.array(told) * self._clips.window >= counts).all())

    def _action_over_time(self) -> Float[np.ndarray, "places actions"]:
        return action_scores.over_frames(
            np.array([places[0] for places in self._places]),
            [outputs["action_over_time"] for outputs in self._outputs],
            frames=len(self._names),
            window_span=self._clips.window_span,
        ).astype(np.float32)

    def _by_place(self, name: str) -> np.ndarray:
        """An output at every place."""
        return self._in_order([outputs[name] for outputs in self._outputs])

    def _in_order(self, of_clips: list[np.ndarray]) -> np.ndarray:
        return in_frame_order(self._places, of_clips)
