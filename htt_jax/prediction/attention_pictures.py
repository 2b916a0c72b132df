"""Pictures of where a model looked in a video (Fig. 6, Fig. 7), for its most telling clip."""

import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from htt_jax.prediction.attention import Attention
from htt_jax.prediction.predictions import Predictions
from htt_jax.support.files import atomic_write
from htt_jax.visual import attention_figure as drawing
from htt_jax.visual.drawing import Canvas, resize
from htt_jax.visual.panels import readable
from htt_jax.visual.scene import FrameScene

ACTION_FILE = "attention_action.png"
POSE_FILE = "attention_pose.png"

_WINDOWS = 3  # shown
_WIDTH = 336  # pixels, of the frames kept for the pictures


class AttentionPictures:
    """Keeps the few frames that the pictures show as they pass by, and draws at the end.

    Shown is, of the longest clips, the one that says most clearly what the action of the video is,
    and of its windows those whose frames look least evenly at all others.
    """

    def __init__(self, predictions: Predictions, attention: Attention, action_names: Sequence[str]):
        """Chooses the clip, the windows and the frames."""
        of_video, of_clips = predictions.action_probabilities, predictions.clip_action_probabilities
        assert of_video is not None, "there is no attention without an action"
        assert of_clips is not None
        best = int(of_video.argmax())
        is_longest = predictions.clip_frames == predictions.clip_frames.max()
        sure = np.where(is_longest, of_clips[:, best], -1)
        clip = int(sure.argmax())
        probability = 100 * of_video[best]
        self._title = f"{readable(action_names[best])}, {probability:.0f} %"
        self._frames = np.flatnonzero(predictions.frame_clip == clip)
        self._weights = attention.action[clip, : len(self._frames)]
        self._windows = _most_telling(attention, self._frames)
        places = [self._frames[drawing.strip(self._weights)]]
        places += [w.frames[drawing.along_edge(len(w.frames))] for w in self._windows]
        self._wanted = {int(frame) for frame in np.concatenate(places)}
        self._images: dict[int, Canvas] = {}

    def add(self, scene: FrameScene) -> None:
        """Keeps the frame if it is to be shown."""
        if scene.frame in self._wanted:
            height = round(_WIDTH * scene.image.shape[0] / scene.image.shape[1])
            self._images[scene.frame] = resize(scene.image, (_WIDTH, height))

    def write(self, out: pathlib.Path) -> list[str]:
        """Writes the pictures into the folder `out`; returns their names."""
        pictures = {
            ACTION_FILE: drawing.draw_action(
                self._frames,
                self._weights,
                self._images,
                self._title,
                "What decides the action: attention from its token to the frames of a clip.\n"
                "Final layer of the action block, mean of its heads. Dashed: if all counted alike.",
            )
        }
        if self._windows:
            pictures[POSE_FILE] = drawing.draw_windows(
                self._windows,
                self._images,
                self._title,
                "What decides the poses: attention from each frame of a window (row) to each "
                "(column).\nFinal layer of the pose block, mean of its heads.",
            )
        for name, content in pictures.items():
            with atomic_write(out / name) as file:
                file.write(content)
        return list(pictures)


def _most_telling(
    attention: Attention, clip_frames: Int[np.ndarray, " frames"]
) -> list[drawing.Window]:
    """The windows of a clip that have most frames and the lowest entropies, in order."""
    if attention.pose is None:
        return []
    found = []
    for frames, weights in zip(attention.window_frames, attention.pose, strict=True):
        if frames[0] in clip_frames:
            real = int((frames >= 0).sum())
            found.append(drawing.Window(frames[:real], weights[:real, :real]))
    most = max(len(window.frames) for window in found)
    full = [window for window in found if len(window.frames) == most]
    best = sorted(full, key=lambda window: _entropy(window.weights))[:_WINDOWS]
    return sorted(best, key=lambda window: int(window.frames[0]))


def _entropy(weights: Float[np.ndarray, "places places"]) -> float:
    return float(-(weights * np.log(np.maximum(weights, 1e-30))).sum(axis=1).mean())
