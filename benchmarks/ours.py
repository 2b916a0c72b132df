"""Our model, training step and evaluation step with random weights, for benchmarks."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jax
import numpy as np
from ml_collections import ConfigDict

from benchmarks import measure
from htt_jax import systems
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import DatasetSpec
from htt_jax.devices import sharding
from htt_jax.evaluation.results import make_evaluation_step
from htt_jax.optimizer import adam, step_decay
from htt_jax.runs.options import get_config
from htt_jax.runs.state import abstract_state, random_state
from htt_jax.training import loop
from htt_jax.training.input import with_slots


def make_config(*, clips: int, frames: int, dtype: str | None) -> ConfigDict:
    """The paper's settings, augmentation included, for so many clips of so many frames.

    `dtype` None: bfloat16 on a GPU or TPU, float32 elsewhere.
    """
    config = get_config()
    config.batch_size = config.eval.batch_size = clips
    config.data.frames = frames
    on_processor = jax.default_backend() == "cpu"
    config.model.dtype = dtype or ("float32" if on_processor else "bfloat16")
    config.init.backbone = ""
    return config


def dataset_facts(spec: DatasetSpec, image_size: tuple[int, int]) -> DatasetFacts:
    """What a model must know of a dataset that is not there."""
    return DatasetFacts(
        spec=spec,
        action_names=spec.action_names,
        object_names=spec.object_names,
        image_size=image_size,
        fingerprint=None,
    )


class Trainer:
    """The training step and its state.

    Attributes:
        mesh: of one device, as PyTorch has one.
    """

    def __init__(self, config: ConfigDict, dataset: DatasetFacts) -> None:
        """Makes random weights; each shape is compiled in its first step, or before."""
        system = systems.make(config, dataset)
        schedule = step_decay(steps_per_epoch=10_000, **config.optimizer)
        optimizer = system.optimizer(schedule)
        self.mesh = sharding.single_device_mesh()
        self._abstract = abstract_state(system, optimizer, self.mesh)
        self._update: Any = loop.make_update(system, schedule, self.mesh)
        self._key = loop.random_key(config.seed, self.mesh)
        self._programs: dict[int, Any] = {}
        self._state = random_state(system, optimizer, config.seed, self._abstract)
        self._metrics: Mapping[str, jax.Array] = {}

    def compile(self, arrays: Mapping[str, jax.Array], slots: Iterable[int]) -> None:
        """Compiles for batches like `arrays`, but with those numbers of slots."""
        for number in slots:
            shapes = with_slots(arrays, number)
            self._programs[number] = self._update.lower(self._abstract, shapes, self._key).compile()

    @property
    def temporary_bytes(self) -> int:
        """What XLA plans for a step of those that are compiled, besides state and batch."""
        return max(map(measure.temporary_bytes, self._programs.values()))

    @property
    def state_bytes(self) -> int:
        """Of parameters, statistics and moments."""
        return sum(x.nbytes for x in jax.tree.leaves(self._state))

    def step(self, arrays: Mapping[str, jax.Array]) -> None:
        """One update; does not wait for it."""
        update = self._programs.get(len(arrays["image"]), self._update)
        self._state, self._metrics = update(self._state, arrays, self._key)

    def wait(self) -> None:
        """Until all steps are done, whose last loss must be a number."""
        jax.block_until_ready(self._state)
        assert np.isfinite(float(self._metrics["loss"]))


class Evaluator:
    """The evaluation step.

    Attributes:
        mesh: of one device, as PyTorch has one.
    """

    def __init__(self, config: ConfigDict, dataset: DatasetFacts) -> None:
        """Makes random weights; each shape is compiled in its first step."""
        system = systems.make(config, dataset)
        self.mesh = sharding.single_device_mesh()
        identity = adam(lambda step: 0.0)
        abstract = abstract_state(system, identity, self.mesh)
        self._variables = random_state(system, identity, 0, abstract).variables
        self._step = make_evaluation_step(system, self.mesh)

    def step(self, arrays: Mapping[str, jax.Array]) -> dict[str, jax.Array]:
        """Estimates and labels; does not wait for them."""
        return self._step(self._variables, arrays)


def on_devices(
    mesh: jax.sharding.Mesh, batches: Sequence[Mapping[str, np.ndarray]]
) -> list[dict[str, jax.Array]]:
    """Batches as training gets them, all at once."""
    arrays = [batch.arrays for batch in sharding.to_devices(mesh, batches)]
    return jax.block_until_ready(arrays)


def facts(config: ConfigDict) -> dict[str, Any]:
    """Device, dtype and the device's peak memory, as `side_by_side.Measurement` has them."""
    device = jax.devices()[0]
    memory = device.memory_stats() or {}
    peak = memory.get("peak_bytes_in_use")
    return {
        "device": device.device_kind,
        "dtype": config.model.dtype,
        "device_peak_gb": None if peak is None else peak / 1e9,
    }
