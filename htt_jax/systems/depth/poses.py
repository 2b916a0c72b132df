"""Poses as the depth networks say them: in units of 100 mm, relative to the centre of the crop."""

from concurrent.futures import ThreadPoolExecutor

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int

from htt_jax.data.decode import FrameReader
from htt_jax.data.depth_crops import CUBE_MM
from htt_jax.data.records import RecordSource
from htt_jax.models.depth import principal_components
from htt_jax.models.depth.principal_components import PrincipalComponents
from htt_jax.support import progress
from htt_jax.support.errors import InputError
from htt_jax.support.machine import usable_cores

UNIT = 0.1
"""Metres."""
BACKGROUND_MM = 100
"""Published: how far behind the centre what has no reading is taken to be."""

_DRAWN = 200_000


def relative(
    joints: Float[Array, "*batch joints 3"], centre: Float[Array, "*batch 3"]
) -> Float[Array, "*batch joints 3"]:
    """Joints in metres, camera space, as the networks say them."""
    return (joints - centre[..., None, :]) / UNIT


def absolute(
    joints: Float[Array, "*batch joints 3"], centre: Float[Array, "*batch 3"]
) -> Float[Array, "*batch joints 3"]:
    """What the networks say, in metres, camera space."""
    return centre[..., None, :] + UNIT * joints


def normalised(
    crops: Float[Array, "slots height width"], depth: Float[Array, " slots"], protocol: str
) -> Float[Array, "slots height width"]:
    """Crops in millimetres, 0 where nothing is, as the networks see them.

    Args:
        crops: millimetres.
        depth: of each one's centre, metres; 0 where there is none.
        protocol: 'published': relative to half of the centre's depth; 'honest': to half a cube's
            edge, and within it.
    """
    middle = jnp.where(depth > 0, 1000 * depth, 1)[:, None, None]
    if protocol == "honest":
        inside = jnp.clip((crops - middle) / (CUBE_MM / 2), -1, 1)
        return jnp.where(crops > 0, inside, 1)
    return (jnp.where(crops > 0, crops, middle + BACKGROUND_MM) - middle) / (middle / 2)


def in_cube(
    palms: Float[Array, "*batch 3"] | Float[np.ndarray, "*batch 3"],
) -> Bool[Array, "*batch"] | Bool[np.ndarray, "*batch"]:
    """Whether palms, as the networks say them, are within a cube's edges of their centres.

    A crop around something else shows nothing of the hand. Published ones are around palms.
    """
    return (palms**2).max(axis=-1) < (CUBE_MM / 2000 / UNIT) ** 2


def fit_components(
    source: RecordSource,
    reader: FrameReader,
    components: int,
    seed: int,
    signs: Float[np.ndarray, "hands 1 3"],
) -> PrincipalComponents:
    """Principal components of poses drawn, with replacement, from all annotated ones of a split.

    Args:
        source: the split.
        reader: of crops; says their centres.
        components: how many.
        seed: of what is drawn.
        signs: of the coordinates, negative where a hand is mirrored.

    Raises:
        ValueError: they are more than a pose has numbers.
        InputError: a record is damaged, or no hand is annotated in it that crops show.
    """
    hands, palm = source.spec.hands, source.spec.skeleton.palm

    def read(index: int) -> Float[np.ndarray, "hands joints 3"]:
        video = source[index]
        centre = reader.labels(source, video, np.arange(len(video.joints_3d)))["centre"]
        joints = video.joints_3d.reshape(len(video.joints_3d), len(hands), -1, 3)
        found = signs * (joints - centre[:, :, None]) / UNIT
        return found[video.hand_annotated & in_cube(found[:, :, palm])]

    # Where hands are tracked, all maps of the split are decoded.
    with (
        ThreadPoolExecutor(usable_cores()) as pool,
        progress.bar(total=len(source), unit="video", label="poses") as bar,
    ):
        found = []
        for of_video in pool.map(read, range(len(source))):
            found.append(of_video)
            bar.update()
    poses = np.concatenate(found).reshape(-1, 3 * len(source.spec.skeleton.joints))
    if not len(poses):
        raise InputError(f"no crop of split {source.split} of {source.directory} shows a hand")
    random = np.random.Generator(np.random.PCG64(seed))
    drawn: Int[np.ndarray, " drawn"] = random.integers(len(poses), size=_DRAWN)
    return principal_components.fit(poses[drawn], components)
