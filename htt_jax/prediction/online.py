"""Predicts a video while it is being taken: frames go in one at a time, memory does not grow.

    online = OnlinePredictor(model.run, (1280, 720), intrinsics)
    for frame in camera:
        for result in online.push(frame):
            ...  # of this frame, and of the others of its group

The clips are those of `htt_jax.data.clips` at test time: `spacing` of them are under way at once,
each taking every `spacing`-th frame, and after T frames new ones begin. A window of the pose block
runs as soon as its frames are there, so that the results are those of the whole clip. What comes
when, and what cannot be the same: docs/online.md.
"""

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from htt_jax import augment, camera
from htt_jax.data.clips import in_frame_order
from htt_jax.devices import sharding
from htt_jax.models.htt import HTT, Outputs
from htt_jax.prediction import input_camera
from htt_jax.prediction.frames import Resizer, Size
from htt_jax.prediction.input_camera import GivenCamera
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError


@dataclasses.dataclass(frozen=True)
class FrameResult:
    """What a model says about one frame; pixels are those of the frame as it was pushed.

    Attributes:
        frame: its number, from 0.
        joints_2d: pixels.
        depth: metres.
        joints_3d: metres, camera space.
        object_probabilities: by class.
    """

    frame: int
    joints_2d: Float[np.ndarray, "joints 2"]
    depth: Float[np.ndarray, " joints"]
    joints_3d: Float[np.ndarray, "joints 3"]
    object_probabilities: Float[np.ndarray, " objects"]


class OnlinePredictor:
    """Poses within a window's delay, and the action so far, of frames as they come.

    Attributes:
        delay: in frames, window * spacing. The frames 0 to `delay - 1` are a group, and so on: one
            window of every clip under way. The results of a group come all at once, when its last
            frame is pushed.
    """

    def __init__(self, run: TrainedRun, image_size: Size, intrinsics: GivenCamera | None = None):
        """Compiles the one program that everything takes; this takes seconds.

        Args:
            run: the model, opened for `sharding.single_device_mesh()`.
            image_size: (width, height) of the frames.
            intrinsics: fx, fy, cx, cy or the 3x3 matrix of the camera, pixels at that size; None
                for the camera of the dataset the model was trained on.

        Raises:
            InputError: the model is an exported program, which only takes whole clips, or the
                intrinsics cannot be a camera's.
        """
        if not isinstance(run.model, HTT):
            raise InputError(
                f"{run.workdir} is a program for whole clips and cannot take frames one at a time; "
                "give the run it was exported from, or a .pth or .safetensors file"
            )
        size = run.dataset.image_size
        self._image_size = image_size
        self._intrinsics = input_camera.resolve(intrinsics, run.dataset.spec, image_size).matrix
        self._resizer = Resizer(run.dataset.spec, image_size, size)
        self._pixel_factor = np.array(image_size) / size
        self._at_model = camera.scale_intrinsics(self._intrinsics, image_size, size).astype(
            np.float32
        )
        self._clips = clip_spec(run.config)
        self._actions = len(run.dataset.action_names)
        self.delay = self._clips.window_span
        self._variables = run.variables
        self._step, tokens = _compile(
            run.model, run.variables, self._clips.frames, self._clips.window, size
        )
        # What a clip before left in them stays unseen, so that they are never cleared.
        self._tokens = [tokens] * self._clips.spacing
        self.reset()

    def reset(self) -> None:
        """Begins a new video of the same camera; what is not out yet of the last one is lost."""
        self._pushed = 0
        self._finished = False
        self._filling: dict[int, UInt8[np.ndarray, "window height width 3"]] = {}
        self._running: list[Outputs] = []  # windows of this group, by clip
        self._present = np.zeros((0, self._actions), np.float32)  # of the clips under way
        self._past = np.zeros(self._actions)  # sum over `_past_clips`
        self._past_clips = 0

    @property
    def action_probabilities(self) -> Float[np.ndarray, " actions"] | None:
        """The action so far, by class; None before the first results.

        The mean over all clips that have begun, each as it stands after its last whole window.
        After `finish` it is that of the video.
        """
        if not len(self._present):
            return None
        total = self._past + self._present.sum(axis=0, dtype=np.float64)
        return total / (self._past_clips + len(self._present))

    @property
    def present_action_probabilities(self) -> Float[np.ndarray, " actions"] | None:
        """The same over the clips under way alone, at most T * spacing frames back.

        For cameras that see one action after another and never stop.
        """
        if not len(self._present):
            return None
        return self._present.mean(axis=0, dtype=np.float64)

    def push(self, frame: np.ndarray) -> list[FrameResult]:
        """Takes the next frame: RGB, copied.

        Returns:
            Where `frame` is the last of its group, the results of all frames of the group, in
            order; the device is waited for. Otherwise nothing, and it is not.

        Raises:
            InputError: it is not uint8 (height, width, 3) of the size announced.
            ValueError: the video is finished.
        """
        if self._finished:
            raise ValueError("the video is finished; reset() begins the next one")
        self._check(frame)
        number = self._pushed
        place, clip = divmod(number, self._clips.spacing)
        in_window = place % self._clips.window
        if in_window == 0:
            width, height = self._resizer.to_size
            # A new array for each window, since the device may still read from the last one.
            self._filling[clip] = np.zeros((self._clips.window, height, width, 3), np.uint8)
        self._filling[clip][in_window] = self._resizer(np.ascontiguousarray(frame))
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
        expected = (*reversed(self._image_size), 3)
        if frame.dtype != np.uint8 or frame.shape != expected:
            raise InputError(
                f"frame {self._pushed} is {frame.dtype} {frame.shape}, not uint8 {expected}; push "
                "RGB frames (height, width, 3) of the image_size given"
            )

    def _run_window(self, clip: int, place: int, count: int) -> None:
        """Sends a window to the device; does not wait for it.

        Args:
            clip: of those under way.
            place: of the window's first frame, counted on from clip to clip.
            count: of real frames.
        """
        self._tokens[clip], outputs = self._step(
            self._variables,
            self._tokens[clip],
            np.int32(place % self._clips.frames),
            self._filling.pop(clip),
            np.arange(self._clips.window) < count,
            self._at_model,
        )
        for output in outputs.values():
            output.copy_to_host_async()
        self._running.append(outputs)

    def _collect(self, start: int, frames: int) -> list[FrameResult]:
        """Waits for a group's windows and puts their frames in order."""
        outputs = jax.device_get(self._running)
        self._running = []
        if start % self._clips.span == 0:  # new clips have begun
            self._past += self._present.sum(axis=0, dtype=np.float64)
            self._past_clips += len(self._present)
            self._present = np.empty((len(outputs), self._actions), np.float32)
        for clip, output in enumerate(outputs):
            self._present[clip] = output["action_probabilities"]

        # The clips took turns.
        of_clips = [np.arange(clip, frames, self._clips.spacing) for clip in range(len(outputs))]

        def in_order(name: str) -> np.ndarray:
            return in_frame_order(of_clips, [output[name] for output in outputs])

        joints_2d, depth = in_order("joints_2d") * self._pixel_factor, in_order("depth")
        joints_3d = camera.unproject(joints_2d, depth, self._intrinsics)
        rows = zip(
            range(start, start + frames),
            joints_2d.astype(np.float32),
            depth,
            joints_3d.astype(np.float32),
            in_order("object_probabilities"),
            strict=True,
        )
        return [FrameResult(*row) for row in rows]


def _compile(
    model: HTT, variables: Any, frames: int, window: int, size: Size
) -> tuple[jax.stages.Compiled, Float[Array, "frames features"]]:
    """The program that takes a window of a clip, and a clip's tokens before the first.

    Compiled ahead, it takes only these shapes: nothing can be compiled again later.
    """

    def step(
        variables: Any,
        tokens: Float[Array, "frames features"],
        place: Int[Array, ""],
        image: UInt8[Array, "window height width 3"],
        valid: Bool[Array, " window"],
        intrinsics: Float[Array, "3 3"],
    ) -> tuple[Float[Array, "frames features"], Outputs]:
        pixels = augment.to_pixel_range(image)
        everywhere = jnp.broadcast_to(intrinsics, (1, window, 3, 3))
        out = per_frame(variables, pixels[None], valid[None], everywhere)
        tokens = jax.lax.dynamic_update_slice(tokens, out["frame_tokens"][0], (place, 0))
        seen = jnp.arange(frames) < place + valid.sum()
        logits = model.apply(variables, tokens[None], seen[None], method="per_clip")
        return tokens, {
            "joints_2d": out["joints_2d"][0],
            "depth": out["depth"][0],
            "object_probabilities": jax.nn.softmax(out["object_logits"][0]),
            "action_probabilities": jax.nn.softmax(logits[0]),
        }

    def per_frame(*arguments: Any) -> Outputs:
        return model.apply(*arguments, method="per_frame")  # type: ignore[return-value]

    inputs = (
        jax.ShapeDtypeStruct((1, window, size[1], size[0], 3), jnp.float32),
        jax.ShapeDtypeStruct((1, window), bool),
        jax.ShapeDtypeStruct((1, window, 3, 3), jnp.float32),
    )
    one = jax.eval_shape(per_frame, variables, *inputs)["frame_tokens"]
    mesh = jax.tree.leaves(variables)[0].sharding.mesh
    # On the device as the program returns them, and takes them the next time.
    placed = sharding.replicated(mesh)
    tokens = jax.device_put(np.zeros((frames, one.shape[-1]), one.dtype), placed)
    program = jax.jit(step, out_shardings=placed).lower(
        variables,
        tokens,
        jax.ShapeDtypeStruct((), jnp.int32),
        jax.ShapeDtypeStruct((window, size[1], size[0], 3), jnp.uint8),
        jax.ShapeDtypeStruct((window,), bool),
        jax.ShapeDtypeStruct((3, 3), jnp.float32),
    )
    return program.compile(), tokens
