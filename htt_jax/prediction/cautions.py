"""What to know of predictions before they are believed."""

from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.prediction.video import Predictions
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.words import counted


def cautions(run: TrainedRun, found: Predictions) -> list[str]:
    """What to know of predictions, a line each, besides what is to be known of the frames."""
    notes = [run.system.reader.caution] if run.system.reader.caution else []
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
    if found.hand_seen is None:
        return notes
    frames, unseen = len(found.hand_seen), int((~found.hand_seen).any(axis=1).sum())
    if unseen == frames:
        notes.append(
            "no hand was found in any frame, so that all poses are guesses; depth maps must be in "
            "millimetres, with an arm within reach that comes in from the border"
        )
    elif unseen:
        notes.append(
            f"in {unseen} of {counted(frames, 'frame')} no hand was found: their poses are guesses "
            "(hand_seen is false), around where it was before"
        )
    return notes
