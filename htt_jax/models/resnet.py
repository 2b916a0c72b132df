"""ResNet-18 with frozen batch-norm statistics, in torchvision's layout (Sec. 3.4)."""

import flax.linen as nn
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models import lanes
from htt_jax.models.conv_norm import ConvNorm

STAGES = 4
BLOCKS_PER_STAGE = 2


class BasicBlock(nn.Module):
    """Two 3x3 convolutions around a shortcut; `stride` is the first one's and the shortcut's.

    `columns` lie side by side in its result, see `lanes`; None: nothing does.
    """

    features: int
    stride: int
    calibrate: bool
    dtype: DTypeLike
    columns: int | None = None

    @nn.compact
    def __call__(
        self, x: Float[Array, "images height width channels"]
    ) -> Float[Array, "images height_out width_out channels_out"]:
        """Returns the block's output at 1/`stride` of the input's resolution."""

        def conv(size: int, stride: int, name: str) -> ConvNorm:
            return ConvNorm(
                self.features, size, stride, self.calibrate, self.dtype, self.columns, name=name
            )

        y = nn.relu(conv(3, self.stride, "conv1")(x))
        y = conv(3, 1, "conv2")(y)
        if self.stride != 1 or x.shape[-1] != self.features * (self.columns or 1):
            x = conv(1, self.stride, "downsample")(x)
        return nn.relu(x + y)


class ResNet18(nn.Module):
    """Image to feature vector: the mean over the last feature map, 8 x `width` channels.

    Attributes:
        width: channels of the first stage; 64 in the paper.
        calibrate: set the batch-norm statistics, layer by layer, to those of the images given
            (apply with `mutable=["batch_stats"]`); for training without pretrained weights.
        dtype: of the computation; parameters are float32.
        side_by_side: keep columns of the first stage side by side (see `lanes`) where the image's
            width lets them.
    """

    width: int = 64
    calibrate: bool = False
    dtype: DTypeLike = jnp.float32
    side_by_side: bool = False

    @property
    def features(self) -> int:
        """Length of the feature vector."""
        return self.width * 2 ** (STAGES - 1)

    def __call__(
        self, image: Float[Array, "images height width channels"]
    ) -> Float[Array, "images channels_out"]:
        """Returns one float32 feature vector per image; pixels are `value / 255 - 0.5`."""
        return pooled(self.maps(image)[-1])

    @nn.compact
    def maps(
        self, image: Float[Array, "images height width channels"]
    ) -> tuple[Float[Array, "images ..."], ...]:
        """Returns the map behind each stage, (images, rows, columns, channels).

        The centre of the first cell is that of the first pixel; `cell_size` pixels on is the next.
        Columns of the first stage's may lie side by side, see `lanes`.
        """
        stem = ConvNorm(self.width, 7, 2, self.calibrate, self.dtype, pooled=True, name="conv1")
        x = stem(image)
        folded = self.side_by_side and x.shape[2] % lanes.COLUMNS == 0
        if folded:
            x = lanes.fold(x, lanes.COLUMNS)
        x = nn.relu(x)
        found = []
        for stage in range(STAGES):
            for block in range(BLOCKS_PER_STAGE):
                x = BasicBlock(
                    features=self.width * 2**stage,
                    stride=2 if stage > 0 and block == 0 else 1,
                    calibrate=self.calibrate,
                    dtype=self.dtype,
                    columns=_columns(stage, block) if folded else None,
                    name=f"layer{stage + 1}_{block}",
                )(x)
            found.append(x)
        return tuple(found)

    def first_cell(self, stage: int, size: tuple[int, int]) -> tuple[int, int]:
        """Row and column of the pixel at the centre of the first cell of a stage's map."""
        return 0, 0


def pooled(
    last: Float[Array, "images rows columns channels"],
) -> Float[Array, "images channels"]:
    """The feature vector, of the map behind the last stage."""
    return last.mean(axis=(1, 2), dtype=jnp.float32)


def cell_size(stage: int) -> int:
    """Pixels between the centres of two cells of the map behind a stage, the first being 1."""
    return int(2 ** (stage + 1))


def _columns(stage: int, block: int) -> int | None:
    """Side by side in what a block returns; None: neither there nor in what it takes."""
    if stage == 0:
        return lanes.COLUMNS
    return 1 if (stage, block) == (1, 0) else None
