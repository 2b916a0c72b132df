"""The depth systems at the published sizes, and batches of random crops, for benchmarks."""

import dataclasses

import numpy as np
from ml_collections import ConfigDict

from benchmarks import ours
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.runs.options import get_config
from htt_jax.systems.depth.stages import STAGES

SYSTEMS = ("pose", "direct", "feedback", "ensemble")
"""Stages: the pose network alone, and methods 1, 2 and 3."""
IMAGE_SIZE = (640, 480)
_NO_READING = 1 / 3  # of the pixels
_CENTRE = np.array([0, 0, 0.4], np.float32)


def config(stage: str, size: int, dtype: str = "float32") -> ConfigDict:
    """The published options of a stage, for crops of `size` pixels."""
    found = get_config("depth")
    found.update_from_flattened_dict(
        {**STAGES[stage], "crops.size": size, "model.dtype": dtype, "data.cache": "none"}
    )
    return found


def dataset() -> DatasetFacts:
    """FPHA with depth maps."""
    return ours.dataset_facts(dataclasses.replace(FPHA, depth=True), IMAGE_SIZE)


def batch(places: tuple[int, int], size: int) -> dict[str, np.ndarray]:
    """So many full clips of so many frames, as `htt_jax.data.loader` makes them."""
    random = np.random.default_rng(0)
    clips, frames = places
    slots = clips * frames
    millimetres = random.integers(300, 500, (slots, size, size, 1), np.uint16)
    millimetres[random.random(millimetres.shape) < _NO_READING] = 0
    joints = _CENTRE + 0.05 * random.standard_normal((*places, FPHA.num_joints, 3), np.float32)
    order = np.arange(slots, dtype=np.int32)
    return {
        "image": millimetres,
        "slot": order.reshape(places),
        "slot_clip": order // frames,
        "slot_frame": order % frames,
        "valid": np.ones(places, bool),
        "intrinsics": np.broadcast_to(FPHA.intrinsics.astype(np.float32), (*places, 3, 3)),
        "joints_3d": joints,
        "centre": joints[:, :, FPHA.skeleton.palm, None],
        "hand_annotated": np.ones((*places, 1), bool),
        "action": random.integers(0, len(FPHA.action_names), clips, np.int32),
        "object": np.zeros(clips, np.int32),
        "video": np.arange(clips, dtype=np.int32),
        "start": np.zeros(clips, np.int32),
    }
