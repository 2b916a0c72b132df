"""Runs a trained model over the frames of one video, however long, clip by clip.

The clips are those of evaluation: T * spacing raw frames make `spacing` clips of T frames each.
"""

import dataclasses
import functools
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, UInt8

from htt_jax import augment, camera
from htt_jax.data.clips import clip_frames, clip_table, in_frame_order
from htt_jax.data.decode import RGB
from htt_jax.evaluation import action_scores
from htt_jax.evaluation.finite import check_finite
from htt_jax.models.htt import HTT
from htt_jax.prediction import attention
from htt_jax.prediction.attention import Attention
from htt_jax.prediction.frames import Frame, Frames, Resizer
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.systems import System


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says about one video; pixels are those of the video's own frames.

    `action_over_time` is what can be said of the action at each raw frame: the mean over the clips
    begun so far, each as it stands after the window that holds the frame. Its last row is
    `action_probabilities`. `frame_clip` and `frame_place` tell where each raw frame was seen: in
    which clip, and as which of its frames. An exported program has no `attention`.
    """

    frame_names: list[str]
    seconds: Float[np.ndarray, " frames"]  # since the first frame
    joints_2d: Float[np.ndarray, "frames joints 2"]  # pixels
    depth: Float[np.ndarray, "frames joints"]  # metres
    joints_3d: Float[np.ndarray, "frames joints 3"]  # metres, camera space
    object_probabilities: Float[np.ndarray, "frames objects"]
    action_over_time: Float[np.ndarray, "frames actions"]
    frame_clip: Int[np.ndarray, " frames"]
    frame_place: Int[np.ndarray, " frames"]
    clip_start: Int[np.ndarray, " clips"]  # first raw frame
    clip_frames: Int[np.ndarray, " clips"]  # real frames
    clip_action_probabilities: Float[np.ndarray, "clips actions"]
    attention: Attention | None

    @property
    def action_probabilities(self) -> Float[np.ndarray, " actions"]:
        """Of the video: the sum over its clips (Sec. 3.4), divided by their number."""
        return self.clip_action_probabilities.mean(axis=0, dtype=np.float64)


def predict_video(
    run: TrainedRun, frames: Frames, intrinsics: Float[np.ndarray, "3 3"]
) -> Predictions:
    """Poses and objects of every frame, and the action, of one video.

    Only the frames of a few clips are in memory at a time; the next are read while the device
    works.

    Args:
        run: the model, opened for `sharding.single_device_mesh()`.
        frames: the video.
        intrinsics: of its camera, pixels at the size of its frames.

    Raises:
        InputError: the model takes other frames, one cannot be read, or the model gives values
            that are not finite.
    """
    if run.system.reader != RGB:
        raise InputError(f"{run.workdir} takes other frames than RGB images; evaluate it instead")
    size = run.dataset.image_size
    resizer = Resizer(run.dataset.spec, frames.size, size)
    at_model = camera.scale_intrinsics(intrinsics, frames.size, size).astype(np.float32)
    images = frames.read(resizer)
    collected = _Collected(run, np.array(frames.size) / size, intrinsics)
    running: _Block | None = None
    with progress.bar(total=frames.count, unit="frame", label="predicting") as bar:
        for block in _blocks(images, clip_spec(run.config).span):
            before, running = running, _start(run, block, at_model)
            if before:
                collected.add(before)
            bar.update(len(block))
    if running:
        collected.add(running)
    found = collected.result()
    check_finite(
        run,
        found.joints_2d,
        found.joints_3d,
        found.object_probabilities,
        found.action_over_time,
    )
    return found


@functools.partial(jax.jit, static_argnums=0)  # compiled once for all videos of a size
def _step(
    system: System,
    variables: Any,
    image: UInt8[Array, "slots height width 3"],
    slot: Int[Array, "clips frames"],
    valid: Bool[Array, "clips frames"],
    intrinsics: Float[Array, "3 3"],
) -> dict[str, jax.Array]:
    inputs = {
        "image": augment.to_pixel_range(image),
        "valid": valid,
        "intrinsics": jnp.broadcast_to(intrinsics, (*valid.shape, 3, 3)),
        "slot": slot,
    }
    model = system.model
    if not isinstance(model, HTT):  # an exported program takes clips only
        inputs["image"] = inputs["image"][slot]
    found = system.estimates(variables, inputs)
    del found["joints_3d"]  # made of the others, at the video's own size
    if isinstance(model, HTT):
        found |= attention.weights(model, variables, inputs)
    return found


@dataclasses.dataclass(frozen=True)
class _Block:
    """Successive frames whose clips are under way on the device."""

    names: list[str]
    seconds: list[float]
    indices: list[Int[np.ndarray, " _"]]  # of each clip's frames in the block
    outputs: dict[str, jax.Array]  # of all clips


def _blocks(frames: Iterator[Frame], length: int) -> Iterator[list[Frame]]:
    while block := list(itertools.islice(frames, length)):
        yield block


def _start(
    run: TrainedRun,
    block: list[Frame],
    intrinsics: Float[np.ndarray, "3 3"],
) -> _Block:
    """Sends the clips of a block to the device; does not wait for them."""
    clips = clip_spec(run.config)
    table = clip_table(np.array([len(block)]), clips, training=False)
    # Padding changes nothing, so that clips are only padded to whole windows.
    places = -(-int(table[:, 2].max()) // clips.window) * clips.window
    padded = dataclasses.replace(clips, frames=places)
    rows = [clip_frames(int(start), int(count), padded) for _, start, count in table]
    # As many slots as places, so that nearly all blocks share one compiled program.
    height, width = block[0].image.shape[:2]
    pixels = np.zeros((len(rows) * places, height, width, 3), np.uint8)
    np.stack([frame.image for frame in block], out=pixels[: len(block)])
    slot, valid = (np.stack(arrays) for arrays in zip(*rows, strict=True))
    outputs = _step(run.system, run.variables, pixels, slot.astype(np.int32), valid, intrinsics)
    return _Block(
        names=[frame.name for frame in block],
        seconds=[frame.seconds for frame in block],
        indices=[indices[real] for indices, real in rows],
        outputs=outputs,
    )


class _Collected:
    """Puts the clips' results back into the order of the video's frames."""

    def __init__(
        self,
        run: TrainedRun,
        pixel_factor: Float[np.ndarray, "2"],
        intrinsics: Float[np.ndarray, "3 3"],
    ):
        self._clips = clip_spec(run.config)
        self._pixel_factor = pixel_factor
        self._intrinsics = intrinsics
        self._names: list[str] = []
        self._seconds: list[float] = []
        self._frames: list[Int[np.ndarray, " _"]] = []  # raw frames of each clip
        self._outputs: list[dict[str, np.ndarray]] = []  # of each clip

    def add(self, block: _Block) -> None:
        """Waits for a block's results."""
        self._frames += [len(self._names) + indices for indices in block.indices]
        outputs = jax.device_get(block.outputs)
        for clip in range(len(block.indices)):
            self._outputs.append({name: array[clip] for name, array in outputs.items()})
        self._names += block.names
        self._seconds += block.seconds

    def result(self) -> Predictions:
        """Everything, at the size of the video's own frames."""
        joints_2d = self._by_frame("joints_2d") * self._pixel_factor
        depth = self._by_frame("depth")
        # A point in space is the same at every size of the image: its pixels scale with the camera.
        joints_3d = camera.unproject(joints_2d, depth, self._intrinsics)
        starts = np.array([frames[0] for frames in self._frames])
        counts = np.array([len(frames) for frames in self._frames])
        return Predictions(
            frame_names=self._names,
            seconds=np.array(self._seconds),
            joints_2d=joints_2d.astype(np.float32),
            depth=depth,
            joints_3d=joints_3d.astype(np.float32),
            object_probabilities=self._by_frame("object_probabilities"),
            action_over_time=action_scores.over_frames(
                starts,
                [outputs["action_over_time"] for outputs in self._outputs],
                frames=len(self._names),
                window_span=self._clips.window_span,
            ).astype(np.float32),
            frame_clip=in_frame_order(
                self._frames, [np.full(count, clip) for clip, count in enumerate(counts)]
            ),
            frame_place=in_frame_order(self._frames, [np.arange(count) for count in counts]),
            clip_start=starts,
            clip_frames=counts,
            clip_action_probabilities=np.stack(
                [outputs["action_probabilities"] for outputs in self._outputs]
            ),
            attention=attention.collect(self._frames, self._outputs),
        )

    def _by_frame(self, name: str) -> np.ndarray:
        """An output of every real frame."""
        return in_frame_order(self._frames, [outputs[name] for outputs in self._outputs])
