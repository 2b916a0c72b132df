"""The hand's pose in a depth crop: a residual network that ends in principal components."""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
from jax.typing import DTypeLike
from jaxtyping import Array, Float

from htt_jax.models.depth import deferred, film
from htt_jax.models.depth.residual import NormRelu, ResidualBlock, kernel_and_bias
from htt_jax.models.depth.stem import KERNEL_SIZE, convolve_and_pool
from htt_jax.models.linear import linear
from htt_jax.models.parameters import Given

_LARGEST = "hidden1"  # of its layers

# For numbers that are coordinates: see `models.htt`.
_PRECISE = {"dtype": jnp.float32, "precision": jax.lax.Precision.HIGHEST}


class PoseEstimate(NamedTuple):
    """What is said of each crop, in units of 100 mm relative to its centre."""

    codes: Float[Array, "frames components"]  # along the principal components, hand after hand
    joints: Float[Array, "frames joints 3"]  # of all hands


class Stem(Given):
    """A 5x5 convolution and a 2x2 max-pool, no norm, no ReLU."""

    features: int
    dtype: DTypeLike

    @nn.compact
    def __call__(
        self, x: Float[Array, "frames height width channels"]
    ) -> Float[Array, "frames height_out width_out channels_out"]:
        """Returns maps at half the resolution."""
        kernel, bias = kernel_and_bias(self, KERNEL_SIZE, x.shape[-1], self.features)
        x, kernel, bias = (a.astype(self.dtype) for a in (x, kernel, bias))
        return convolve_and_pool(x, kernel) + bias


class PrincipalComponents(Given):
    """Poses from their codes: an affine map, which starts from what was fitted to poses."""

    features: int

    @nn.compact
    def __call__(self, codes: Float[Array, "frames components"]) -> Float[Array, "frames features"]:
        """Returns the mean pose plus the components times their codes."""
        shape = (codes.shape[-1], self.features)
        components = self.param("components", nn.initializers.orthogonal(), shape)
        mean = self.param("mean", nn.initializers.zeros, (self.features,))
        return jnp.matmul(codes, components, precision=jax.lax.Precision.HIGHEST) + mean


class PoseNetwork(nn.Module):
    """Depth crop to pose; the defaults are the published network.

    All groups of residual blocks but the last halve the resolution.

    Attributes:
        joints: 21 a hand.
        components: principal components of poses.
        num_actions: classes whose probabilities modulate the features; None: it is told none.
        stem_width: channels of the first convolution.
        widths: channels of each group of residual blocks; multiples of 4.
        blocks: residual blocks of each group.
        hidden: units of both fully connected layers.
        dropout_rate: after each of them.
        dtype: of the computation; parameters, statistics, codes and joints are float32.
    """

    joints: int = 21
    components: int = 30
    num_actions: int | None = None
    stem_width: int = 32
    widths: tuple[int, ...] = (64, 128, 256, 256)
    blocks: int = 5
    hidden: int = 1024
    dropout_rate: float = 0.3
    dtype: DTypeLike = jnp.float32

    @nn.compact
    def __call__(
        self,
        crops: Float[Array, "frames height width hands"],
        action: Float[Array, "frames actions"] | None = None,
        *,
        batch_statistics: bool = False,
        dropout: bool = False,
        taps: deferred.Taps | None = None,
    ) -> PoseEstimate:
        """Estimates the pose in each crop.

        Args:
            crops: normalised depth; each hand, a channel, is seen by itself.
            action: probabilities, for each frame its own; only of a network with `num_actions`.
            batch_statistics: normalise by the statistics of these crops, and let the stored ones
                follow; apply with `mutable=["batch_stats"]`.
            dropout: apply with `rngs={"dropout": key}`.
            taps: of this step of a loop, see `taps`.

        Raises:
            ValueError: there is an `action` without `num_actions`, none with it, or one of other
                classes.
        """
        self._check(action)
        frames, height, width, hands = crops.shape
        crops = crops.transpose(0, 3, 1, 2).reshape(-1, height, width, 1)
        if action is not None:
            action = jnp.repeat(action, hands, axis=0)

        def modulation(channels: int, name: str) -> film.Modulation | None:
            if action is None:
                return None
            return film.generate(action, channels, dtype=self.dtype, name=name)

        x = Stem(self.stem_width, self.dtype, name="stem")(crops)
        for group, width in enumerate(self.widths, start=1):
            first = modulation(x.shape[-1], f"group{group}_film_first")
            others = modulation(width, f"group{group}_film_others") if self.blocks > 1 else None
            for block in range(self.blocks):
                x = ResidualBlock(
                    features=width,
                    stride=2 if block == 0 and group < len(self.widths) else 1,
                    affine=self.num_actions is None,
                    batch_statistics=batch_statistics,
                    dtype=self.dtype,
                    name=f"group{group}_{block}",
                )(x, others if block else first)
        x = NormRelu(True, batch_statistics, self.dtype, name="norm")(x)
        x = x.transpose(0, 3, 1, 2).reshape(x.shape[0], -1)  # published weights expect this order
        for name in (_LARGEST, "hidden2"):
            options = (
                {"dot_general": deferred.dot_general(taps)} if taps and name == _LARGEST else {}
            )
            x = linear(x.shape[-1], self.hidden, dtype=self.dtype, name=name, **options)(x)
            x = nn.relu(x)
            x = nn.Dropout(self.dropout_rate, deterministic=not dropout)(x)
            if (found := modulation(self.hidden, f"{name}_film")) is not None:
                x = found(x)
        codes = linear(self.hidden, self.components, **_PRECISE, name="codes")(x)
        joints = PrincipalComponents(3 * self.joints, name="principal_components")(codes)
        return PoseEstimate(codes.reshape(frames, -1), joints.reshape(frames, -1, 3))

    def taps(self, steps: int, frames: int) -> deferred.Taps | None:
        """For a loop of so many steps, each on so many frames: a gradient that can wait.

        It is that of nine tenths of all parameters.
        """
        if self.is_initializing():
            return None
        kernel = self.variables["params"][_LARGEST]["kernel"]
        return deferred.taps(kernel, (steps, frames), jnp.dtype(self.dtype))

    def _check(self, action: Float[Array, "frames actions"] | None) -> None:
        classes = None if action is None else action.shape[-1]
        if classes != self.num_actions:
            raise ValueError(
                f"the pose network has num_actions={self.num_actions}; it was given "
                f"{'no action' if classes is None else f'probabilities of {classes} actions'}"
            )
