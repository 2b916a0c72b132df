"""Residual blocks whose norm and ReLU stand before each convolution."""

import functools

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.depth.film import Modulation
from htt_jax.models.linear import uniform
from htt_jax.models.parameters import Given
from htt_jax.models.processor import convolve, pointwise

NORM_EPSILON = 1e-4
MOMENTUM = 0.1  # the share of the batch at hand in the stored statistics

# Compiled, so that Flax, which asks every layer for its shapes again and again, has it traced once.
_he_normal = jax.jit(
    nn.initializers.variance_scaling(2.0, "fan_out", "normal"), static_argnums=(1, 2)
)


class NormRelu(Given):
    """Batch norm, then ReLU.

    Attributes:
        affine: whether scale and bias are there; otherwise they stay 1 and 0.
        batch_statistics: normalise by the statistics of the input at hand, and let the stored ones
            follow; otherwise by the stored ones.
        dtype: of the result; statistics, scale and bias are float32.
    """

    affine: bool
    batch_statistics: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames height width channels"]
    ) -> Float[Array, "frames height width channels"]:
        """Returns the normalised input, negative values set to zero."""
        size = x.shape[-1:]
        mean = self.variable("batch_stats", "mean", jnp.zeros, size)
        var = self.variable("batch_stats", "var", jnp.ones, size)
        x = x.astype(jnp.promote_types(x.dtype, jnp.float32))
        if self.batch_statistics:
            places = x.reshape(-1, *size)
            used_mean = places.mean(axis=0)
            # The gradient through this mean is zero, which only we know.
            used_var = jnp.square(places - jax.lax.stop_gradient(used_mean)).mean(axis=0)
            unbiased = used_var * (len(places) / max(len(places) - 1, 1))
            mean.value += MOMENTUM * (used_mean - mean.value)
            var.value += MOMENTUM * (unbiased - var.value)
        else:
            used_mean, used_var = mean.value, var.value
        factor = jax.lax.rsqrt(used_var + NORM_EPSILON)
        if self.affine:
            factor *= self.param("scale", nn.initializers.ones, size)
        shift = -used_mean * factor
        if self.affine:
            shift += self.param("bias", nn.initializers.zeros, size)
        return nn.relu(x * factor + shift).astype(self.dtype)


class Convolution(Given):
    """A square convolution with a bias, padded by half its size on every side."""

    features: int
    size: int
    stride: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames height width channels"]
    ) -> Float[Array, "frames height_out width_out channels_out"]:
        """Returns maps at 1/`stride` of the input's resolution."""
        kernel, bias = kernel_and_bias(self, self.size, x.shape[-1], self.features)
        x, kernel, bias = (a.astype(self.dtype) for a in (x, kernel, bias))
        if self.size == 1:  # a matrix product is faster on processors, and the same elsewhere
            x = x[:, :: self.stride, :: self.stride]
            return pointwise(x, kernel[0, 0]) + bias
        return convolve(x, kernel, self.stride) + bias


def kernel_and_bias(
    module: nn.Module, size: int, channels: int, features: int
) -> tuple[Float[Array, "size size channels channels_out"], Float[Array, " channels_out"]]:
    """Parameters of a convolution: a He-normal kernel, and a bias as PyTorch's."""
    start = functools.partial(uniform, (size * size * channels) ** -0.5)
    kernel = module.param("kernel", _he_normal, (size, size, channels, features))
    return kernel, module.param("bias", start, (features,))


class ResidualBlock(nn.Module):
    """A bottleneck of 1x1, 3x3 and 1x1 convolutions around a skip connection.

    Attributes:
        features: channels out; a quarter of them in the bottleneck.
        stride: of the 3x3 convolution and of the skip.
        affine: whether the branch's norms have scale and bias; the skip's always has.
        batch_statistics: see `NormRelu`.
        dtype: of the computation; parameters are float32.
    """

    features: int
    stride: int
    affine: bool
    batch_statistics: bool
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames height width channels"], modulation: Modulation | None
    ) -> Float[Array, "frames height_out width_out channels_out"]:
        """Returns the block's output at 1/`stride` of the input's resolution.

        Args:
            x: the input.
            modulation: of the input, before branch and skip.
        """
        norm = functools.partial(NormRelu, batch_statistics=self.batch_statistics, dtype=self.dtype)
        conv = functools.partial(Convolution, dtype=self.dtype)
        if modulation is not None:
            x = modulation(x)
        bottleneck = self.features // 4
        y = conv(bottleneck, 1, 1, name="conv1")(norm(self.affine, name="norm1")(x))
        y = conv(bottleneck, 3, self.stride, name="conv2")(norm(self.affine, name="norm2")(y))
        y = conv(self.features, 1, 1, name="conv3")(norm(self.affine, name="norm3")(y))
        if self.stride != 1 or x.shape[-1] != self.features:
            x = conv(self.features, 1, self.stride, name="skip_conv")(
                norm(True, name="skip_norm")(x)
            )
        return x + y
