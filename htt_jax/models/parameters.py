"""Layers that take the parameters they are given as they are."""

from collections.abc import Sequence
from typing import Any, no_type_check

import flax.linen as nn


class Given(nn.Module):
    """A layer that has a parameter of the shape it asks for takes it, and nothing else is done.

    Flax would trace the parameter's initializer once more in every trace of the layer, to compare
    the shapes: a good part of what tracing a network takes.
    """

    @nn.nowrap
    def param(  # type: ignore[override]  # of Flax's arguments those that are in use
        self, name: str, init_fn: Any, shape: Sequence[int], *rest: Any, **options: Any
    ) -> Any:
        """Returns the parameter; where there is none, or of another shape, Flax's way."""
        found: Any = self.get_variable("params", name)
        if found is not None and found.shape == tuple(shape):
            return found
        return super().param(name, init_fn, shape, *rest, **options)


@no_type_check  # at runtime: Flax annotates a field with what cannot be checked there
class Dense(Given, nn.Dense):
    """A linear layer."""


class LayerNorm(Given, nn.LayerNorm):
    """A norm over the features."""
