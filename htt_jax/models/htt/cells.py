"""The backbone's maps as cells that queries can look at: where each is, and what is there."""

from typing import TypeAlias

import flax.linen as nn
import jax.numpy as jnp
import numpy as np
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.backbones import Backbone
from htt_jax.models.linear import linear
from htt_jax.models.parameters import LayerNorm
from htt_jax.models.resnet import cell_size

STAGES = (3, 4)
"""Of the backbone, whose maps are looked at: finer ones cost more than all that is made of them."""

PIXELS = cell_size(STAGES[0])
"""From the centre of a cell of the finest map to that of the next."""

FirstCells: TypeAlias = tuple[tuple[int, int], ...]
"""Row and column of the pixel at the centre of the first cell, of each of `STAGES`."""
AT_FIRST_PIXEL: FirstCells = ((0, 0),) * len(STAGES)

_WAVES = np.geomspace(0.5, 16, 16)  # an image's width apart; the finest cells are 1/30 of it


def grid(stage: int, size: tuple[int, int]) -> tuple[int, int]:
    """(rows, columns) of the map behind a stage, of an image of `size` (height, width)."""
    height, width = size
    return -(-height // cell_size(stage)), -(-width // cell_size(stage))


def first_of(backbone: Backbone, size: tuple[int, int]) -> FirstCells:
    """Where the maps of a backbone begin, of an image of `size` (height, width)."""
    return tuple(backbone.first_cell(stage, size) for stage in STAGES)


def places(
    stage: int, size: tuple[int, int], first: tuple[int, int] = (0, 0)
) -> Float[np.ndarray, "rows columns features"]:
    """Sines and cosines of where each cell's centre is, at several wavelengths.

    Places are counted as raw poses are, from the image's middle and in its width, so that they are
    the same in an image of every size.
    """
    middle = np.array(size) / 2
    axes = (
        start + cell_size(stage) * np.arange(cells)
        for start, cells in zip(first, grid(stage, size), strict=True)
    )
    centres = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    turns = (centres - middle)[..., None] / size[1] * _WAVES
    angles = 2 * np.pi * turns.reshape(*turns.shape[:2], -1)
    return np.concatenate([np.sin(angles), np.cos(angles)], axis=-1).astype(np.float32)


class Cells(nn.Module):
    """Keys and values of all cells, the same for all layers.

    Attributes:
        width: of keys and values.
        dtype: of the computation; parameters are float32.
    """

    width: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self,
        maps: tuple[Float[Array, "frames ..."], ...],
        size: tuple[int, int],
        first: FirstCells,
    ) -> tuple[Float[Array, "frames cells features"], Float[Array, "frames cells features"]]:
        """Returns keys and values.

        Args:
            maps: behind each of `STAGES`.
            size: (height, width) of the image.
            first: where each map begins.
        """
        found = []
        for stage, x, start in zip(STAGES, maps, first, strict=True):
            frames, rows, columns, channels = x.shape
            x = LayerNorm(dtype=self.dtype, name=f"norm{stage}")(x)
            x = linear(channels, 2 * self.width, dtype=self.dtype, name=f"seen{stage}")(x)
            place = jnp.asarray(places(stage, size, start), self.dtype)
            x += linear(
                place.shape[-1], 2 * self.width, use_bias=False, dtype=self.dtype,
                name=f"place{stage}",
            )(place)  # fmt: skip
            found.append(x.reshape(frames, rows * columns, 2 * self.width))
        key, value = jnp.split(jnp.concatenate(found, axis=1), 2, axis=-1)
        return key, value


def as_picture(
    weights: Float[Array, "*frames tokens cells"],
    size: tuple[int, int],
    first: FirstCells = AT_FIRST_PIXEL,
) -> Float[Array, "*frames tokens rows columns"]:
    """Weights of all cells as those of the finest map, into which the coarser ones are spread.

    That map begins at the first pixel, wherever the backbone's own do (`first`).
    """
    rows, columns = grid(STAGES[0], size)
    total = jnp.zeros((*weights.shape[:-1], rows, columns))
    start = 0
    for stage, origin in zip(STAGES, first, strict=True):
        cells = grid(stage, size)
        of_stage = weights[..., start : start + cells[0] * cells[1]]
        start += cells[0] * cells[1]
        of_stage = of_stage.reshape(*weights.shape[:-1], *cells)
        times = cell_size(stage) // cell_size(STAGES[0])
        down, across = (
            _spread(fine, coarse, times, at / cell_size(STAGES[0]))
            for fine, coarse, at in zip((rows, columns), cells, origin, strict=True)
        )
        total += jnp.einsum("...rc,yr,xc->...yx", of_stage, down, across)
    return total


def _spread(fine: int, coarse: int, times: int, first: float) -> Float[np.ndarray, "fine coarse"]:
    """Each coarse cell into the fine ones around its centre, fading out towards its neighbours.

    A centre beyond the last fine cell is taken to be there.
    """
    centre = np.minimum(first + times * np.arange(coarse), fine - 1)
    distance = np.abs(np.arange(fine)[:, None] - centre)
    share = np.maximum(1 - distance / times, 0)
    return (share / share.sum(axis=0)).astype(np.float32)
