"""What a network's program takes and returns, for those who run it without this package."""

import dataclasses
from collections.abc import Callable

import numpy as np

from htt_jax.models.outputs import Output


@dataclasses.dataclass(frozen=True)
class Input:
    """One array that a program takes.

    Attributes:
        name: its key among the inputs.
        axes: what each stands for, clips and frames first; short ones are named number by number.
        sizes: of the axes behind clips and frames.
        unit: 'millimetres', 'pixels', or how its values are made.
        meaning: for those who read an exported file.
        drawn: plausible values of a shape, to run the program with; tells their type too.
    """

    name: str
    axes: tuple[str, ...]
    sizes: tuple[int, ...]
    unit: str | None
    meaning: str
    drawn: Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]

    @property
    def dtype(self) -> np.dtype:
        """Of its values."""
        return self.drawn(np.random.default_rng(0), (0, 0, *self.sizes)).dtype


VALID = Input(
    "valid",
    ("clips", "frames"),
    (),
    None,
    "true where a frame is real, false where it is padding",
    lambda random, shape: np.ones(shape, bool),
)


@dataclasses.dataclass(frozen=True)
class Signature:
    """A program's inputs and outputs, and what is to be said of them to people.

    Attributes:
        name: of the system, short.
        full_name: of the system.
        window: frames of a window; a clip is whole ones.
        inputs: in their order.
        outputs: of the program.
        source: what it looks at, behind 'from'.
        frames: one more sentence's beginning, of what a frame is.
        besides: the same sentence's end, of the other inputs.
        statistics: what the weights are that are not trained.
        preprocessing: how inputs are made, step after step.
        postprocessing: how outputs are read.
        example: lines of Python that make inputs of noise, by their names; NumPy is `np`.
    """

    name: str
    full_name: str
    window: int
    inputs: tuple[Input, ...]
    outputs: tuple[Output, ...]
    source: str
    frames: str
    besides: str
    statistics: str
    preprocessing: tuple[str, ...] = ()
    postprocessing: tuple[str, ...] = ()
    example: tuple[str, ...] = ()
