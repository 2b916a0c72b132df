"""The programs of a run: training, evaluation and prediction, to be compiled for absent chips.

Nothing is computed: state and batches are shapes, placed on the chips of a topology as those of a
run are on the devices at hand.
"""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import numpy as np
from jax.sharding import Mesh
from ml_collections import ConfigDict

from benchmarks import clip_batches, lengths, ours
from benchmarks.clip_batches import Clips
from benchmarks.tpu_chips import Topology
from htt_jax import systems
from htt_jax.data import packing
from htt_jax.data.clips import clip_table
from htt_jax.datasets.spec import SPECS, STORED_SIZE, DatasetSpec
from htt_jax.devices import sharding
from htt_jax.evaluation.results import make_evaluation_step
from htt_jax.models.htt import HTT
from htt_jax.optimizer import step_decay
from htt_jax.prediction import video
from htt_jax.runs.config import clip_spec
from htt_jax.runs.state import TrainState, abstract_state
from htt_jax.support.errors import InputError
from htt_jax.training import loop
from htt_jax.training.input import with_slots

KINDS = ("train", "evaluate", "predict")
_SAMPLED_BATCHES = 256  # whose lengths decide the numbers of slots, as in training


@dataclasses.dataclass(frozen=True)
class Program:
    """One program of a run.

    Attributes:
        kind: of `KINDS`.
        clips: of a batch, over all chips.
        slots: of a batch, over all chips: frames that are computed.
        chips: that it runs on.
        lower: traces it; what it returns can be compiled.
    """

    kind: str
    clips: int
    slots: int
    chips: int
    lower: Callable[[], Any]


@dataclasses.dataclass(frozen=True)
class Setup:
    """A config, a dataset that is not there, and chips that are not there.

    Attributes:
        config: of a run of the system htt.
        spec: of the dataset.
        topology: the chips.
        clips: of a batch, on each chip.
    """

    config: ConfigDict
    spec: DatasetSpec
    topology: Topology
    clips: int

    def sizes(self, kind: str) -> tuple[int, ...]:
        """Numbers of slots, over all chips, that a run's batches of such lengths have."""
        frames = self.config.data.frames
        if kind == "predict":  # the clips of a block of frames side by side, in whole windows
            window = self.config.data.spacing * self.config.model.window
            return tuple(range(window, self.config.data.spacing * frames + 1, window))
        hosts, clips = self.topology.hosts, self.clips * self.topology.chips
        videos = lengths.video_lengths(self.spec.name)
        drawn = clip_table(videos, clip_spec(self.config), training=kind == "train")[:, 2]
        drawn = np.random.default_rng(1).permutation(drawn)
        shares = np.resize(drawn, (_SAMPLED_BATCHES, hosts, clips // hosts)).sum(axis=2)
        largest = int(drawn.max()) * clips // hosts
        multiple = self.topology.chips // hosts
        return tuple(hosts * n for n in packing.slot_sizes(shares.max(axis=1), largest, multiple))

    def program(self, kind: str, slots: int) -> Program:
        """The program of a kind for batches of so many slots."""
        if kind == "predict":
            return Program(kind, self.config.data.spacing, slots, 1, lambda: self._predict(slots))
        lower = self._train if kind == "train" else self._evaluate
        chips = self.topology.chips
        return Program(kind, self.clips * chips, slots, chips, lambda: lower(slots))

    def _train(self, slots: int) -> Any:
        mesh = self.topology.mesh(self.config.mesh.fsdp)
        schedule = step_decay(steps_per_epoch=10_000, **self.config.optimizer)
        optimizer = self._system.optimizer(schedule)
        abstract = abstract_state(self._system, optimizer, mesh)
        update: Any = loop.make_update(self._system, schedule, mesh)
        key = jax.eval_shape(lambda: jax.random.key(0))
        key = jax.ShapeDtypeStruct((), key.dtype, sharding=sharding.replicated(mesh))
        return update.lower(abstract, self._whole_batch(mesh, slots), key)

    def _evaluate(self, slots: int) -> Any:
        mesh = self.topology.mesh(self.config.mesh.fsdp)
        step: Any = make_evaluation_step(self._system, mesh)
        return step.lower(self._state(mesh).variables, self._whole_batch(mesh, slots))

    def _predict(self, slots: int) -> Any:
        mesh = Mesh(self.topology.mesh(1).devices[:1], ("data", "fsdp"))
        clips = self.config.data.spacing
        batch = self._batch(mesh, slots, clips, frames=slots // clips)
        placed = sharding.replicated(mesh)
        kept = {name: batch[name] for name in ("image", "slot", "slot_clip", "slot_frame", "valid")}
        camera = jax.ShapeDtypeStruct((3, 3), np.float32, sharding=placed)
        variables = self._state(mesh).variables
        return video.predict_clips.lower(self._system, variables, kept | {"intrinsics": camera})

    def _state(self, mesh: Mesh) -> TrainState:
        optimizer = self._system.optimizer(lambda step: 0.0)
        return abstract_state(self._system, optimizer, mesh)

    @property
    def _size(self) -> tuple[int, int]:
        width, height = self.config.data.image_size or STORED_SIZE
        return width, height

    @property
    def _system(self) -> systems.System:
        system = systems.make(self.config, ours.dataset_facts(self.spec, self._size))
        assert isinstance(system.model, HTT)
        return system.with_model(system.model.clone(side_by_side=True))  # as where TPUs are

    def _whole_batch(self, mesh: Mesh, slots: int) -> dict[str, jax.ShapeDtypeStruct]:
        clips = self.clips * self.topology.chips
        return self._batch(mesh, slots, clips, self.config.data.frames)

    def _batch(
        self, mesh: Mesh, slots: int, clips: int, frames: int
    ) -> dict[str, jax.ShapeDtypeStruct]:
        tiny = Clips(
            self.spec, np.full((1, clips), frames), (clips * frames,), frames, (1, 1)
        )  # whose batch is quick to make
        (batch,) = clip_batches.packed(tiny)
        width, height = self._size
        reader = self._system.reader
        image = np.broadcast_to(np.zeros((), reader.dtype), (1, height, width, reader.channels))
        placed = sharding.batch_sharding(mesh)
        arrays = {
            name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed)
            for name, x in (batch | {"image": image}).items()
        }
        return with_slots(arrays, slots)


def spec_of(config: ConfigDict, name: str | None) -> DatasetSpec:
    """The dataset of a name, or that which the config's folder is called after.

    Raises:
        InputError: it is not known, or the config's system is not one that is compiled here.
    """
    if config.system != "htt" or config.data.camera != "color":
        raise InputError("--config must be of system htt on colour frames, such as configs/fpha.py")
    name = name or str(config.data.directory or "").rstrip("/").rpartition("/")[2]
    if name not in SPECS:
        raise InputError(
            f"the config's folder {config.data.directory!r} does not tell the dataset; "
            f"add --dataset, one of {', '.join(SPECS)}"
        )
    return SPECS[name]
