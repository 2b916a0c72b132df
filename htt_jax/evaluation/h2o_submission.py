"""Writes the two files of the H2O challenge from a trained run."""

import contextlib
import itertools
import pathlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from etils import epath
from jaxtyping import Float, Int

from htt_jax.data.clips import clip_frames, in_frame_order
from htt_jax.evaluation import h2o_challenge
from htt_jax.evaluation.h2o_challenge import Counts, Prediction, Segments
from htt_jax.evaluation.split import SplitInference, open_split
from htt_jax.runs.config import clip_spec
from htt_jax.runs.directory import read
from htt_jax.support.files import make_folder, move, temporary_folder
from htt_jax.support.paths import place

OFFICIAL_SPLIT = "test"


def submit(
    workdir: str,
    out: epath.PathLike,
    *,
    split: str = OFFICIAL_SPLIT,
    data: str | None = None,
    step: int | None = None,
    batch_size: int | None = None,
) -> Counts:
    """Runs a model over every segment of a prepared H2O split; writes both files and checks them.

    They replace those of earlier times only when they have passed.

    Args:
        workdir: of the run.
        out: folder for `action_labels.zip` and `hand_poses.zip`.
        split: of the prepared dataset.
        data: the prepared dataset; None for the one the run was trained on.
        step: of the checkpoint; None for the best one.
        batch_size: clips at a time, over all devices; None for the run's evaluation batch size.

    Returns:
        What the files hold, read back from them.

    Raises:
        InputError: no run, checkpoint or split there, they are not of H2O, or what the model
            predicts cannot be submitted.
    """
    h2o_challenge.check_is_h2o(read(workdir).dataset.spec, f"the run in {workdir}")
    opened = open_split(
        workdir, split=split, data=data, step=step, batch_size=batch_size, label="predicting"
    )
    expected = h2o_challenge.segments(opened.source)
    with _checked_before_it_is_there(out) as temporary:
        h2o_challenge.write(temporary, _predictions(opened, expected))
        return h2o_challenge.check(temporary, expected)


@contextlib.contextmanager
def _checked_before_it_is_there(folder: epath.PathLike) -> Iterator[pathlib.Path]:
    """A folder whose two files take their places in another if the block does not fail."""
    out = place(folder)
    make_folder(out)
    with temporary_folder(out, ".submission") as temporary:
        yield temporary
        for name in (h2o_challenge.LABELS, h2o_challenge.POSES):
            move(temporary / f"{name}.zip", out / f"{name}.zip")


class _Clip(NamedTuple):
    video: int  # index in the split
    frames: Int[np.ndarray, " real"]  # of the video
    joints_3d: Float[np.ndarray, "real 42 3"]
    action_probabilities: Float[np.ndarray, " actions"]


def _predictions(opened: SplitInference, expected: Segments) -> Iterator[Prediction]:
    """The segments in the order of the split, each when its last clip is through."""
    segments = list(expected.items())
    for index, clips in itertools.groupby(_clips(opened), key=lambda clip: clip.video):
        segment_id, frame_numbers = segments[index]
        yield _put_together(segment_id, frame_numbers, clips)


def _put_together(
    segment_id: int, frame_numbers: Int[np.ndarray, " frames"], clips: Iterable[_Clip]
) -> Prediction:
    """A segment from its clips; its action is the most probable one, summed over them."""
    clips = list(clips)
    joints_3d = in_frame_order([clip.frames for clip in clips], [clip.joints_3d for clip in clips])
    probabilities = np.sum([clip.action_probabilities for clip in clips], axis=0, dtype=np.float64)
    return Prediction(segment_id, int(np.argmax(probabilities)), frame_numbers, joints_3d)


def _clips(opened: SplitInference) -> Iterator[_Clip]:
    spec = clip_spec(opened.run.config)
    for found, batch in opened.outputs():
        for clip, (video, start) in enumerate(zip(batch.video, batch.start, strict=True)):
            count = int(found["valid"][clip].sum())
            if not count:  # a padding clip
                continue
            frames, valid = clip_frames(int(start), count, spec)
            yield _Clip(
                video=int(video),
                frames=frames[valid],
                joints_3d=found["estimated_joints_3d"][clip, :count],
                action_probabilities=found["action_probabilities"][clip],
            )
