"""The picture of where the queries of joints and object looked in a video."""

import pathlib

import cv2

from htt_jax.models.htt import cells
from htt_jax.prediction.files import Origin
from htt_jax.prediction.joint_attention import JointAttention
from htt_jax.support.files import atomic_write
from htt_jax.visual import joint_attention
from htt_jax.visual.drawing import Canvas
from htt_jax.visual.scene import FrameScene

FILE = "attention_joints.png"


class JointPicture:
    """Draws the frames that are shown as they pass by."""

    def __init__(self, attention: JointAttention, origin: Origin):
        """Of a video."""
        self._maps = dict(zip(attention.frames.tolist(), attention.maps, strict=True))
        self._origin = origin
        self._pictures: list[tuple[str, Canvas]] = []

    def add(self, scene: FrameScene) -> None:
        """Draws the frame if it is to be shown."""
        if scene.frame not in self._maps or scene.joints_2d is None:
            return
        seen, spec = self._origin.dataset.image_size, self._origin.dataset.spec
        height, width, _ = scene.image.shape
        pitch = (cells.PIXELS * width / seen[0], cells.PIXELS * height / seen[1])
        maps = self._maps[scene.frame]
        picture = joint_attention.draw(
            scene.image, maps, scene.joints_2d, spec.skeleton, spec.hands, pitch
        )
        self._pictures.append((f"frame {scene.frame}", picture))

    def write(self, out: pathlib.Path) -> list[str]:
        """Writes the picture into the folder `out`; returns its name."""
        drawn = joint_attention.page("Where the joints' queries look", self._pictures)
        with atomic_write(out / FILE) as file:
            file.write(cv2.imencode(".png", drawn[..., ::-1])[1].tobytes())
        return [FILE]
