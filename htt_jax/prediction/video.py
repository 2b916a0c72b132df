"""Runs a trained model over the frames of one video, however long, clip by clip.

The clips are those of evaluation: T * spacing raw frames make `spacing` clips of T frames each. A
video of another frame rate is cut by time (`data.pace`), and every frame of it is met.
"""

import dataclasses
import itertools
from collections.abc import Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float, Int

from htt_jax.data.clips import ClipSpec, clip_frames, clip_table
from htt_jax.data.pace import Pace, clips_at
from htt_jax.evaluation.finite import check_finite
from htt_jax.prediction.frames import Frame, Frames
from htt_jax.prediction.predictions import Block, Collected, Predictions
from htt_jax.prediction.sight import Look, check_camera, sight
from htt_jax.prediction.smoothing import Smoothing, smooth_video
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support import progress
from htt_jax.systems import Batch, System, is_traceable, told

_TOGETHER = 64  # frames for the device at a time, where each is a clip by itself


def predict_video(
    run: TrainedRun,
    frames: Frames,
    intrinsics: Float[np.ndarray, "3 3"],
    smoothing: Smoothing | None = None,
) -> Predictions:
    """Poses and objects of every frame, and the action, of one video.

    Only the frames of a few clips are in memory at a time; the next are read while the device
    works.

    Args:
        run: the model, opened for `sharding.single_device_mesh()`.
        frames: the video.
        intrinsics: of its camera, pixels at the size of its frames.
        smoothing: of the poses; None: they stay as they are.

    Raises:
        InputError: the model takes other frames, one cannot be read, or the model gives values
            that are not finite.
    """
    seen = sight(run, frames.size, intrinsics)
    check_camera(run, frames.camera)
    clips, pace = clips_at(clip_spec(run.config), frames.rate, run.config.data.frame_rate)
    images = _paced(frames.read(seen.resizer), pace)
    collected = Collected(run, clips, pace, seen.pixel_factor, intrinsics)
    running: Block | None = None
    with progress.bar(total=frames.count, unit="frame", label="predicting") as bar:
        for block in _blocks(images, _block_length(clips)):
            before, running = running, _start(run, clips, block, seen.look, seen.intrinsics)
            if before:
                collected.add(before)
            bar.update(round(len(block) * pace.advance))
    if running:
        collected.add(running)
    found = collected.result()
    expected = found.ahead.joints_3d if found.ahead else None
    told_of = (found.object_probabilities, found.action_over_time)
    said = (found.joints_2d, found.joints_3d, found.object_box_3d, expected, *told_of)
    check_finite(run, *(array for array in said if array is not None))
    if smoothing:
        named = (found.seconds, found.joints_2d, found.depth, found.hand_seen)
        poses = smooth_video(smoothing, run.dataset.spec, intrinsics, *named)
        found = dataclasses.replace(found, **poses._asdict(), smoothing=smoothing)
    return found


_KIND = {
    "object_probabilities": "object",
    "action_probabilities": "action",
    "action_over_time": "action",
}


def _said_of_clips(system: System, variables: Any, batch: Batch) -> dict[str, jax.Array]:
    """What is said of one batch of a video's clips, with the 3x3 matrix of its one camera."""
    everywhere = jnp.broadcast_to(batch["intrinsics"], (*batch["valid"].shape, 3, 3))
    inputs = system.unlabelled({**batch, "intrinsics": everywhere})
    found = system.estimates(variables, inputs)
    del found["joints_3d"]  # made of the others, at the video's own size
    found.pop("forecast_action_probabilities", None)  # nothing shows it
    said = told(system.outputs)
    kept = {name: x for name, x in found.items() if _KIND.get(name, "pose") in said}
    return kept | dict(system.attention(variables, inputs))


predict_clips = jax.jit(_said_of_clips, static_argnums=0)
"""The same, compiled once for all videos of a size."""


def _of_clips(run: TrainedRun, batch: dict[str, np.ndarray]) -> dict[str, jax.Array]:
    if is_traceable(run.system):
        return predict_clips(run.system, run.variables, batch)
    return _said_of_clips(run.system, run.variables, jax.device_put(batch))


def _paced(images: Iterator[Frame], pace: Pace) -> Iterator[Frame]:
    """The frame of each place."""
    for number, frame in enumerate(images):
        yield from itertools.repeat(frame, pace.times(number))


def _block_length(clips: ClipSpec) -> int:
    return clips.span if clips.frames > 1 else _TOGETHER * clips.spacing


def _blocks(frames: Iterator[Frame], length: int) -> Iterator[list[Frame]]:
    while block := list(itertools.islice(frames, length)):
        yield block


def _start(
    run: TrainedRun,
    clips: ClipSpec,
    block: list[Frame],
    look: Look,
    intrinsics: Float[np.ndarray, "3 3"],
) -> Block:
    """Sends the clips of a block to the device; does not wait for them."""
    table = clip_table(np.array([len(block)]), clips, training=False)
    # Padding changes nothing, so that clips are only padded to whole windows.
    places = -(-int(table[:, 2].max()) // clips.window) * clips.window
    padded = dataclasses.replace(clips, frames=places)
    rows = [clip_frames(int(start), int(count), padded) for _, start, count in table]
    indices, valid = (np.stack(arrays) for arrays in zip(*rows, strict=True))
    looks = [look(frame.image) for frame in block]
    hand_seen = [found.pop("hand_seen") for found in looks if "hand_seen" in found]
    batch = _packed(looks, indices, valid) | {"intrinsics": intrinsics}
    return Block(
        names=[frame.name for frame in block],
        seconds=[frame.seconds for frame in block],
        indices=[frames[real] for frames, real in rows],
        outputs=_of_clips(run, batch),
        hand_seen=hand_seen,
    )


def _packed(
    looks: list[dict[str, np.ndarray]],
    indices: Int[np.ndarray, "clips places"],
    valid: Bool[np.ndarray, "clips places"],
) -> dict[str, np.ndarray]:
    """A batch as the loader makes it, of frames in their order, without labels."""
    # As many slots as places, so that nearly all blocks share one compiled program.
    first = looks[0]["image"]
    image = np.zeros((indices.size, *first.shape), first.dtype)
    np.stack([found["image"] for found in looks], out=image[: len(looks)])
    clip, place = np.zeros((2, indices.size), np.int32)
    clip[indices[valid]], place[indices[valid]] = np.nonzero(valid)
    others = [name for name in looks[0] if name != "image"]
    return {
        "image": image,
        "slot": indices.astype(np.int32),
        "slot_clip": clip,
        "slot_frame": place,
        "valid": valid,
        **{name: np.stack([found[name] for found in looks])[indices] for name in others},
    }
