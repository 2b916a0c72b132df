"""What to know of predictions before they are believed."""

from htt_jax.data.pace import clips_at
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.prediction.frames import DEFAULT_RATE, Frames
from htt_jax.prediction.predictions import Predictions
from htt_jax.runs.config import clip_spec
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.words import counted


def cautions(run: TrainedRun, found: Predictions, frames: Frames) -> list[str]:
    """What to know of predictions, a line each, besides what the frames note themselves.

    Args:
        run: that made them.
        found: of a video.
        frames: of the video.
    """
    notes = [run.system.reader.caution] if run.system.reader.caution else []
    notes += _of_rate(run, found, frames) if len(found.frame_names) > 1 else []
    joints = run.dataset.spec.joints
    if joints == NO_JOINTS:
        return [
            *notes,
            "the run was trained without joints and tells no hands (hand_seen is false)",
        ]
    if joints == IN_IMAGES:
        notes.append(
            "the run was trained on places in images alone: its depth, and joints in space, say "
            "nothing"
        )
    if run.dataset.spec.fitted_joints:
        notes.append(
            "the run was trained on joints in space that were fitted to labels in images, not "
            "measured"
        )
    if found.hand_seen is None:
        return notes
    count, unseen = len(found.hand_seen), int((~found.hand_seen).any(axis=1).sum())
    if unseen == count:
        notes.append(
            "no hand was found in any frame, so that all poses are guesses; depth maps must be in "
            "millimetres, with an arm within reach that comes in from the border"
        )
    elif unseen:
        notes.append(
            f"in {unseen} of {counted(count, 'frame')} no hand was found: their poses are guesses "
            "(hand_seen is false), around where it was before"
        )
    return notes


def _of_rate(run: TrainedRun, found: Predictions, frames: Frames) -> list[str]:
    """That the rate is assumed, where it matters; how clips are cut where not as in training."""
    trained, wanted, rate = clip_spec(run.config), run.config.data.frame_rate, frames.rate
    notes = []
    if not frames.says_rate and (trained.frames > 1 or found.smoothing):
        notes.append(
            f"nothing says how many frames a second these are: {DEFAULT_RATE} are assumed, by "
            "which clips are cut and times are told; say it with --fps (in Python, `rate`)"
        )
    clips, pace = clips_at(trained, rate, wanted)
    step = clips.spacing * pace.advance  # frames of the video
    if clips.frames > 1 and step != trained.spacing:
        again = ", of which some are shown again" if step < 1 else ""
        notes.append(
            f"the video has {float(rate):.4g} frames a second, the model is used to {wanted:.4g}: "
            f"a clip goes on by {float(step):.3g} frames at a time{again}, "
            f"{float(step / rate):.3g} s, where it was {trained.spacing / wanted:.3g} s in training"
        )
    return notes
