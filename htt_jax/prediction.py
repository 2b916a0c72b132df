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

from htt_jax import camera, progress, train_step
from htt_jax.data.clips import clip_frames, clip_table
from htt_jax.frames import Frames, Resizer
from htt_jax.restore import TrainedRun


@dataclasses.dataclass(frozen=True)
class Predictions:
    """What a model says about one video; pixels are those of the video's own frames."""

    frame_names: list[str]
    joints_2d: Float[np.ndarray, "frames joints 2"]  # pixels
    depth: Float[np.ndarray, "frames joints"]  # metres
    joints_3d: Float[np.ndarray, "frames joints 3"]  # metres, camera space
    object_probabilities: Float[np.ndarray, "frames objects"]
    clip_start: Int[np.ndarray, " clips"]  # first raw frame
    clip_frames: Int[np.ndarray, " clips"]  # real frames
    clip_action_probabilities: Float[np.ndarray, "clips actions"]

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
        InputError: a frame cannot be read.
    """
    size = run.dataset.image_size
    resizer = Resizer(run.dataset.spec, frames.size, size)
    at_model = camera.scale_intrinsics(intrinsics, frames.size, size).astype(np.float32)
    images = frames.read(resizer)
    collected = _Collected(np.array(frames.size) / size, intrinsics)
    running: _Block | None = None
    with progress.bar(total=frames.count, unit="frame", label="predicting") as bar:
        for block in _blocks(images, run.config.data.frames * run.config.data.spacing):
            before, running = running, _start(run, block, at_model)
            if before:
                collected.add(before)
            bar.update(len(block))
    if running:
        collected.add(running)
    return collected.result()


@functools.partial(jax.jit, static_argnums=0)  # compiled once for all videos of a size
def _step(
    model: train_step.Applicable,
    variables: Any,
    image: UInt8[Array, "clips frames height width 3"],
    valid: Bool[Array, "clips frames"],
    intrinsics: Float[Array, "clips frames 3 3"],
) -> dict[str, jax.Array]:
    inputs = {
        "image": image.astype(jnp.float32) / 255 - 0.5,  # as `augment.to_inputs`
        "valid": valid,
        "intrinsics": intrinsics,
    }
    return train_step.predict(model, variables, inputs)


@dataclasses.dataclass(frozen=True)
class _Block:
    """Successive frames whose clips are under way on the device."""

    names: list[str]
    starts: list[int]
    indices: list[Int[np.ndarray, " real"]]  # of each clip's frames in the block
    outputs: list[dict[str, jax.Array]]


def _blocks(
    images: Iterator[tuple[str, np.ndarray]], length: int
) -> Iterator[list[tuple[str, np.ndarray]]]:
    while block := list(itertools.islice(images, length)):
        yield block


def _start(
    run: TrainedRun,
    block: list[tuple[str, np.ndarray]],
    intrinsics: Float[np.ndarray, "3 3"],
) -> _Block:
    """Sends the clips of a block to the device; does not wait for them."""
    window = run.config.model.window
    table = clip_table(
        np.array([len(block)]),
        window=window,
        frames=run.config.data.frames,
        spacing=run.config.data.spacing,
        training=False,
    )
    # Padding changes nothing, so that a clip is only padded to whole windows; to as many as its
    # neighbours, so that they share one compiled program.
    places = -(-int(table[:, 2].max()) // window) * window
    pixels = np.stack([image for _, image in block])
    started = _Block([name for name, _ in block], [], [], [])
    for _, start, count in table:
        indices, valid = clip_frames(
            int(start), int(count), frames=places, spacing=run.config.data.spacing
        )
        started.starts.append(int(start))
        started.indices.append(indices[valid])
        started.outputs.append(
            _step(
                run.model,
                run.variables,
                pixels[indices][None],
                valid[None],
                np.broadcast_to(intrinsics, (1, places, 3, 3)),
            )
        )
    return started


class _Collected:
    """Puts the clips' results back into the order of the video's frames."""

    def __init__(self, pixel_factor: Float[np.ndarray, "2"], intrinsics: Float[np.ndarray, "3 3"]):
        self._pixel_factor = pixel_factor
        self._intrinsics = intrinsics
        self._names: list[str] = []
        self._frames: dict[str, list[np.ndarray]] = {
            name: [] for name in ("joints_2d", "depth", "object_probabilities")
        }
        self._clips: list[tuple[int, int, np.ndarray]] = []

    def add(self, block: _Block) -> None:
        """Waits for a block's results."""
        outputs = jax.device_get(block.outputs)
        for name, parts in self._frames.items():
            ordered = np.empty((len(block.names), *outputs[0][name].shape[2:]), np.float32)
            for indices, output in zip(block.indices, outputs, strict=True):
                ordered[indices] = output[name][0, : len(indices)]
            parts.append(ordered)
        for start, indices, output in zip(block.starts, block.indices, outputs, strict=True):
            probabilities = output["action_probabilities"][0]
            self._clips.append((len(self._names) + start, len(indices), probabilities))
        self._names += block.names

    def result(self) -> Predictions:
        """Everything, at the size of the video's own frames."""
        frames = {name: np.concatenate(parts) for name, parts in self._frames.items()}
        joints_2d = frames["joints_2d"] * self._pixel_factor
        starts, counts, probabilities = zip(*self._clips, strict=True)
        # A point in space is the same at every size of the image: its pixels scale with the camera.
        joints_3d = camera.unproject(joints_2d, frames["depth"], self._intrinsics)
        return Predictions(
            frame_names=self._names,
            joints_2d=joints_2d.astype(np.float32),
            depth=frames["depth"],
            joints_3d=joints_3d.astype(np.float32),
            object_probabilities=frames["object_probabilities"],
            clip_start=np.array(starts),
            clip_frames=np.array(counts),
            clip_action_probabilities=np.stack(probabilities),
        )
