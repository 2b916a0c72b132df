"""Where a model errs: by joint, finger, visibility, place in the window, action, video. NumPy.

Errors are millimetres; accuracies are 0 to 1; None stands where there is nothing to measure.
"""

from htt_jax.evaluation.analysis.actions import (
    action_table,
    noun_table,
    verb_table,
)
from htt_jax.evaluation.analysis.poses import (
    JointErrors,
    by_finger,
    by_joint,
    by_visibility,
    by_window_position,
    joint_errors,
    visible_joints,
)
from htt_jax.evaluation.analysis.table import Row, Table
from htt_jax.evaluation.analysis.videos import VideoScore, action_over_time, rank_videos, score

__all__ = [
    "JointErrors",
    "Row",
    "Table",
    "VideoScore",
    "action_over_time",
    "action_table",
    "by_finger",
    "by_joint",
    "by_visibility",
    "by_window_position",
    "joint_errors",
    "noun_table",
    "rank_videos",
    "score",
    "verb_table",
    "visible_joints",
]
