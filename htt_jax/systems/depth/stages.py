"""The published stages: how each network is trained alone, and how they are trained together.

What the published training chose on the test set is chosen here on training videos held out.
"""

from typing import Any, TypeAlias

Options: TypeAlias = dict[str, Any]

_ALL: Options = {
    "data.camera": "depth",
    "data.spacing": 1,
    "data.held_out": 60,
    "eval.split": "held_out",
    "model.window": 1,
    "optimizer.decay_factor": 1.0,
}

_POSE: Options = {
    "model.form": "pose",
    "data.frames": 1,
    "data.cache": "host",  # every frame is a clip: without, a video is read for each
    "batch_size": 128,
    "epochs": 100,
    "optimizer.learning_rate": 1e-3,
    "adam.amsgrad": False,
    "adam.weight_decay": 0.0,
    "training.batch_statistics": True,
    "training.dropout": 0.3,
    "checkpoint.best_metric": "mepe",
    "eval.batch_size": 128,
    "eval.every_epochs": 1,
}

_VIDEOS: Options = {"data.frames": 120, "data.first_frames": 120}

_ACTION: Options = _VIDEOS | {
    "model.form": "action",
    "batch_size": 20,
    "epochs": 500,
    "optimizer.learning_rate": 3e-3,
    "adam.weight_decay": 0.0,
    "eval.batch_size": 20,
}

_JOINT: Options = _VIDEOS | {
    "batch_size": 4,
    "epochs": 30,
    "optimizer.learning_rate": 3e-5,
    "checkpoint.best_metric": "mepe",
    "eval.every_epochs": 1,
}

_ATTENTION: Options = {"model.attention": True}

STAGES: dict[str, Options] = {
    "pose": _ALL | _POSE,
    "pose_film": _ALL | _POSE | {"model.conditioned": True},
    "action": _ALL | _ACTION,
    "action_attention": _ALL | _ACTION | _ATTENTION | {"epochs": 300},
    "untrained": _ALL | _JOINT | {"model.form": "chain", "epochs": 0},
    "direct": _ALL | _JOINT | {"model.form": "chain"},
    "feedback": _ALL | _JOINT | {"model.form": "feedback"},
    "ensemble": _ALL | _JOINT | {"model.form": "ensemble"},
    "ensemble_attention": _ALL | _JOINT | _ATTENTION | {"model.form": "ensemble", "batch_size": 2},
}
"""Each stage's options where they are not the defaults of the depth systems."""
