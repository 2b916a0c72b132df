"""A convolution and the batch norm after it, whose statistics are constants (Sec. 3.4)."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models import lanes
from htt_jax.models.depthwise import depthwise
from htt_jax.models.parameters import Given
from htt_jax.models.processor import Padding, convolve, max_pool, pointwise

BATCH_NORM_EPSILON = 1e-5  # torchvision's


class ConvNorm(Given):
    """A convolution and the batch norm after it, whose statistics are constants.

    With constant statistics the norm is an affine map of each channel, so its factor goes into the
    convolution's kernel: no pass over the activations, forward or backward, that a bias would not
    need. Scale and bias are trained; mean and variance live in `batch_stats`.

    Attributes:
        features: channels out.
        size: of the square kernel.
        stride: of the convolution.
        calibrate: first set the statistics to those of the input at hand.
        dtype: of the computation; parameters are float32.
        columns: side by side in the result; None: nothing is, see `lanes`.
        pooled: the maxima over windows of 3x3 are taken of the result.
        depthwise: each channel by itself, as many as come in.
        same: padded as TensorFlow's SAME, at a stride more after the image than before it;
            otherwise by half the kernel's size on every side.
        epsilon: added to the variance.
    """

    features: int
    size: int
    stride: int
    calibrate: bool
    dtype: DTypeLike
    columns: int | None = None
    pooled: bool = False
    depthwise: bool = False
    same: bool = False
    epsilon: float = BATCH_NORM_EPSILON

    @nn.compact
    def __call__(
        self, x: Float[Array, "images height width channels"]
    ) -> Float[Array, "images height_out width_out channels_out"]:
        """Returns the normalised convolution at 1/`stride` of the input's resolution."""
        beside = 1 if self.columns is None else self.stride * self.columns  # in `x`
        channels = 1 if self.depthwise else x.shape[-1] // beside
        kernel = self.param(
            "kernel",
            # Of PyTorch's fan out, which knows of groups.
            nn.initializers.variance_scaling(
                2.0, "fan_in" if self.depthwise else "fan_out", "normal"
            ),
            (self.size, self.size, channels, self.features),
        )
        scale = self.param("scale", nn.initializers.ones, (self.features,))
        bias = self.param("bias", nn.initializers.zeros, (self.features,))
        mean = self.variable("batch_stats", "mean", jnp.zeros, (self.features,))
        var = self.variable("batch_stats", "var", jnp.ones, (self.features,))
        if self.calibrate:
            y = self._alone(x.astype(self.dtype), kernel.astype(self.dtype))
            y = y.astype(jnp.float32)  # as all statistics are, whatever the computation's type
            mean.value, var.value = y.mean(axis=(0, 1, 2)), y.var(axis=(0, 1, 2))
        factor = scale * jax.lax.rsqrt(var.value + self.epsilon)
        x, kernel = x.astype(self.dtype), (kernel * factor).astype(self.dtype)
        bias = (bias - mean.value * factor).astype(self.dtype)
        # Maxima before the bias, which changes none of them: a quarter is left to add it to.
        return self._convolve(x, kernel) + jnp.tile(bias, self.columns or 1)

    def _convolve(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        if self.columns is not None:
            return lanes.convolve(x, kernel, self.stride, columns=self.columns)
        y = self._alone(x, kernel)
        return max_pool(y) if self.pooled else y

    def _alone(self, x: jax.Array, kernel: jax.Array) -> jax.Array:
        """The convolution and nothing else, of columns that are not side by side."""
        if self.depthwise or self.same:
            height, width = x.shape[1:3]
            found = (
                padding(self.size, self.stride, length, self.same) for length in (height, width)
            )
            around: Padding = (next(found), next(found))
        if self.depthwise:
            return depthwise(x, kernel, self.stride, around)
        if self.size == self.stride == 1:
            return pointwise(x, kernel[0, 0])
        return convolve(x, kernel, self.stride, around if self.same else None)


def padding(size: int, stride: int, length: int, same: bool) -> tuple[int, int]:
    """Zeros before and after an axis of `length`, for a kernel of `size`; see `ConvNorm.same`."""
    if not same:
        return size // 2, size // 2
    missing = max((-(-length // stride) - 1) * stride + size - length, 0)
    return missing // 2, missing - missing // 2
