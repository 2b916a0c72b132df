"""What a config can train. Loop, checkpoints, metrics, reports and exports know a system by this.

`config.system` names a module of this package. It has OPTIONS, the options that it adds to those of
every system, `check` of a config, and `make`, which gives the system for a config and a dataset;
where a config asks something of the videos that are trained on, also `check_source`; and where
training must know something of them, `for_training`, which gives the system that does.
Another system is one more module here, one config and one test.
"""

import abc
import importlib
import pkgutil
from collections.abc import Callable, Collection, Mapping
from typing import Any, NamedTuple, Protocol, TypeAlias, runtime_checkable

import jax
import optax
from jaxtyping import Array, Float, PRNGKeyArray
from ml_collections import ConfigDict

from htt_jax.data.clips import ClipSpec
from htt_jax.data.decode import FrameReader
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.models.outputs import Output
from htt_jax.models.signature import Signature
from htt_jax.support.errors import InputError

Batch: TypeAlias = Mapping[str, jax.Array]
"""On the devices, as `htt_jax.data.loader` describes it; or the inputs made of it."""
Variables: TypeAlias = Mapping[str, Any]
"""`params`, which are trained, and `batch_stats`, which are not."""
Estimates: TypeAlias = dict[str, jax.Array]
Window: TypeAlias = Mapping[str, Any]
"""Frames of a clip that are seen together, see `Stepwise`."""

_TOLD_BY = {"pose": "joints_3d", "object": "object_logits", "action": "action_logits"}


class Losses(NamedTuple):
    """What a training step has of one batch.

    Attributes:
        total: what is minimised.
        terms: before weighting, by name.
        batch_stats: the next step's; those given unless they are measured in training.
    """

    total: Float[Array, ""]
    terms: dict[str, Float[Array, ""]]
    batch_stats: Mapping[str, Any]


class Part(NamedTuple):
    """What of a network starts from a run of its own.

    Attributes:
        place: in `params`.
        source: its place in those of that run.
    """

    place: str
    source: str


class Stepwise(NamedTuple):
    """A network that takes the frames of a clip as they come.

    A window is what it sees together: `looked`, what `look` makes of its frames, one behind the
    other, `valid` (window,) and `intrinsics` (3, 3).

    Attributes:
        look: what is needed of a frame until its window is full, of the variables and what the
            reader makes of the frame. What takes long belongs here, as frames come one by one.
        state: what is kept of a clip, of the variables and a window; its shapes alone count.
        step: the state after a window, and the window's estimates without its clip's axis, of the
            variables, the state before, the place of its first frame in the clip, and the window.
            At place 0 the state before may hold anything.
        present: of the variables and a window, what `step` tells of its frames; None: a window is
            one frame, whose own step tells it.
    """

    look: Callable[[Any, Batch], Any]
    state: Callable[[Any, Window], Any]
    step: Callable[[Any, Any, jax.Array, Window], tuple[Any, Estimates]]
    present: Callable[[Any, Window], Estimates] | None


@runtime_checkable
class Applicable(Protocol):
    """A network, or an exported program in its place."""

    def apply(self, variables: Any, /, *arrays: Any) -> Any:
        """The outputs for the inputs of the system's signature, which are whole clips."""


class HostProgram(abc.ABC):
    """An exported program in a network's place that runs on the host: JAX cannot trace it."""

    @abc.abstractmethod
    def apply(self, variables: Any, /, *arrays: Any, method: str | None = None) -> Any:
        """See `Applicable`; or, of one that has it, what the network's method returns."""


@runtime_checkable
class System(Protocol):
    """A network and what it takes to train it. Hashable, so that `jax.jit` can take it as static.

    Attributes:
        model: the network; an exported program cannot be trained.
        reader: makes arrays of the frames in a record, on the host.
        outputs: what the network returns.
        parts: what of the network starts from runs of its own, which the options `init.NAME` name.
    """

    def __hash__(self) -> int: ...

    @property
    def model(self) -> Applicable: ...  # noqa: D102

    @property
    def reader(self) -> FrameReader: ...  # noqa: D102

    @property
    def outputs(self) -> tuple[Output, ...]: ...  # noqa: D102

    @property
    def parts(self) -> Mapping[str, Part]: ...  # noqa: D102

    def signature(self, dataset: DatasetFacts) -> Signature:
        """What the network takes and returns for the frames and hands of a dataset."""

    def with_model(self, model: Applicable) -> "System":
        """The same with another form of its network."""

    def random_variables(self, key: PRNGKeyArray) -> dict[str, Any]:
        """Where training starts if nothing is pretrained."""

    def measured(self, source: RecordSource) -> dict[str, Any]:
        """The variables that do not start random but follow from the training split's labels."""

    def fitted(self, variables: Variables, batch: Batch) -> dict[str, Any]:
        """`variables` that start random, after a look at the first batch."""

    def optimizer(self, schedule: optax.Schedule) -> optax.GradientTransformation:
        """What makes steps of gradients, at the learning rate that `schedule` has for each."""

    def inputs(self, batch: Batch) -> Batch:
        """What the network and the loss take of a batch."""

    def unlabelled(self, batch: Batch) -> Batch:
        """What the network takes of a batch that has no labels but those of the reader."""

    def training_inputs(self, key: PRNGKeyArray, batch: Batch) -> Batch:
        """The same in training: with random augmentation, a pure function of key and batch."""

    def loss(self, variables: Variables, inputs: Batch) -> Losses:
        """The training loss of one batch of inputs."""

    def estimates(self, variables: Variables, inputs: Batch) -> Estimates:
        """What is said of one batch of inputs, in the field's terms.

        Returns:
            joints_2d (clips, frames, joints, 2), pixels; depth (clips, frames, joints), metres;
            joints_3d (clips, frames, joints, 3), metres, camera space; object_probabilities
            (clips, frames, objects); action_probabilities (clips, actions); action_over_time
            (clips, windows, actions), the action's as they stand after each window. Of poses,
            objects and actions, what the system says nothing about (see `told`) is never looked at.
        """

    def attention(self, variables: Variables, inputs: Batch) -> Mapping[str, jax.Array]:
        """Where the network looks in one batch of inputs; nothing if it does not tell.

        Returns:
            action_attention (clips, frames), pose_attention (clips, windows, frames, frames),
            joint_attention (clips, frames, tokens, rows, columns).
        """

    def stepwise(self, frames: int, size: tuple[int, int]) -> Stepwise:
        """The network for clips of so many frames that come one by one.

        Args:
            frames: T.
            size: (height, width) of what the reader makes of a frame.

        Raises:
            InputError: it needs the whole clip; says why, to stand after the run's name.
        """


def is_traceable(system: System) -> bool:
    """Whether JAX can compile what runs the system's model; otherwise it is called as it is."""
    return not isinstance(system.model, HostProgram)


def told(outputs: Collection[Output]) -> tuple[str, ...]:
    """What is said by a network that returns `outputs`: of 'pose', 'object' and 'action'."""
    names = {output.name for output in outputs}
    return tuple(kind for kind, name in _TOLD_BY.items() if name in names)


def make(config: ConfigDict, dataset: DatasetFacts) -> System:
    """The system of `config` for the joints and classes of `dataset`.

    Raises:
        InputError: there is no such system.
    """
    return module(config.system).make(config, dataset)


def check_source(config: ConfigDict, source: RecordSource) -> None:
    """Checks that a training split has what a system's config asks of its videos.

    Raises:
        InputError: it has not.
    """
    own = getattr(module(config.system), "check_source", None)
    if own is not None:
        own(config, source)


def for_training(
    config: ConfigDict, dataset: DatasetFacts, source: RecordSource, clips: ClipSpec
) -> System:
    """The system of `config` that is trained on a split.

    Args:
        config: of the run.
        dataset: whose classes it tells.
        source: the split, with labels.
        clips: how it is cut.

    Raises:
        InputError: the split has not what is asked of it.
    """
    system = make(config, dataset)
    own = getattr(module(config.system), "for_training", None)
    return system if own is None else own(config, system, source, clips)


def frozen_parts(system: System) -> tuple[str, ...]:
    """The parts of `params` that a system leaves as they start, where its config names some."""
    return tuple(getattr(system, "frozen", ()))


def module(name: str) -> Any:
    """The module of a system: its OPTIONS, `check` of a config, and `make`.

    Raises:
        InputError: there is no such system.
    """
    # Of those in this folder only: a run's description must not decide what else is imported.
    names = sorted(found.name for found in pkgutil.iter_modules(__path__))
    if name not in names:
        raise InputError(f"config.system={name!r} must be one of {', '.join(names)}")
    return importlib.import_module(f"{__name__}.{name}")
