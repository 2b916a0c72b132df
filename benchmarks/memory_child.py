"""The processes of `benchmarks.memory`: each does one thing and prints what it took, as JSON.

python -m benchmarks.memory_child train '{"cache": "none", ...}'
"""

import dataclasses
import gc
import itertools
import json
import pathlib
import sys
from collections.abc import Iterator, Mapping
from fractions import Fraction
from types import SimpleNamespace
from typing import Any

import jax
import numpy as np
import optax
from jaxtyping import PRNGKeyArray
from ml_collections import ConfigDict

from benchmarks import clip_batches, lengths, measure, ours
from configs import simulated
from htt_jax import camera, systems
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import process, sharding
from htt_jax.devices.dtypes import fast_dtype
from htt_jax.optimizer import step_decay
from htt_jax.prediction.frames import Frame, IsBefore, Resize
from htt_jax.prediction.video import predict_video
from htt_jax.runs.config import check_options
from htt_jax.runs.directory import Run, dataset_facts
from htt_jax.runs.opening import TrainedRun
from htt_jax.runs.state import TrainState, abstract_state, random_state
from htt_jax.support import cli
from htt_jax.training import loop
from htt_jax.training.input import train_batches

_POOL = 8  # different frames of a synthetic video
_STEPS_AHEAD = 20  # that the host may be, as in training, whose log then waits


def main() -> None:
    """Answers the question named on the command line."""
    questions = {"train": _train, "analyse": _analyse, "leak": _leak, "video": _video}
    question, options = sys.argv[1:]
    found = questions[question](SimpleNamespace(**json.loads(options)))
    peak = (jax.devices()[0].memory_stats() or {}).get("peak_bytes_in_use")
    facts = {
        "process_peak_mb": _status_mb("VmHWM"),
        "device_peak_mb": None if peak is None else peak / 1e6,
        "device": jax.devices()[0].device_kind,
    }
    print(json.dumps(found | facts))


@dataclasses.dataclass(frozen=True)
class _Setup:
    """A training step and its state, as `htt_jax.train` has them, on one device."""

    mesh: jax.sharding.Mesh
    abstract: TrainState
    state: TrainState | None
    update: Any
    key: PRNGKeyArray

    @staticmethod
    def make(config: ConfigDict, dataset: DatasetFacts, *, start: bool) -> "_Setup":
        """With random weights, or without any if nothing is to `start`."""
        system = systems.make(config, dataset)
        schedule = step_decay(steps_per_epoch=10_000, **config.optimizer)
        optimizer = system.optimizer(schedule)
        mesh = sharding.single_device_mesh()
        abstract = abstract_state(system, optimizer, mesh)
        update = loop.make_update(system, schedule, mesh)
        state = None
        if start:
            state = random_state(system, optimizer, config.seed, abstract)
        return _Setup(mesh, abstract, state, update, loop.random_key(config.seed, mesh))


def _train(options: SimpleNamespace) -> dict[str, Any]:
    """A few steps from records; the temporary memory is that of the largest batch among them."""
    config = _paper_config(options)
    config.data.directory, config.data.cache = options.data, options.cache
    source = RecordSource(options.data, "train")
    setup = _Setup.make(config, dataset_facts(source, config.data.image_size), start=True)
    batches, _ = train_batches(config, source, setup.mesh, 0, options.steps)
    programs: dict[int, Any] = {}
    state = setup.state
    for _ in range(options.steps):
        arrays = next(batches).arrays
        slots = len(arrays["image"])
        if slots not in programs:
            programs[slots] = setup.update.lower(setup.abstract, arrays, setup.key).compile()
        state, metrics = programs[slots](state, arrays, setup.key)
    assert np.isfinite(float(metrics["loss"]))
    return {
        "temporary_mb": max(map(_temporary_mb, programs.values())),
        "slots": max(programs),
        "dtype": config.model.dtype,
    }


def _analyse(options: SimpleNamespace) -> dict[str, Any]:
    """Compiles the step for full clips, of which there is not one."""
    config = _paper_config(options)
    size = (options.width, options.height)
    setup = _Setup.make(config, ours.dataset_facts(FPHA, size), start=False)
    clips = clip_batches.draw(
        "full",
        training=True,
        batches=1,
        clips=options.clips,
        frames=options.frames,
        image_size=(1, 1),  # whose batches are quick to make
    )
    (slots,) = clips.slots
    image = np.broadcast_to(np.uint8(0), (slots, options.height, options.width, 3))  # one byte
    placed = sharding.batch_sharding(setup.mesh)
    batch = {
        name: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=placed)
        for name, x in (clip_batches.packed(clips)[0] | {"image": image}).items()
    }
    program = setup.update.lower(setup.abstract, batch, setup.key).compile()
    return {
        "temporary_mb": _temporary_mb(program),
        "slots": slots,
        "dtype": config.model.dtype,
        "analysed": True,
    }


def _leak(options: SimpleNamespace) -> dict[str, Any]:
    """Trains a tiny model and looks at the process twice."""
    config = _tiny_config()
    config.data.directory = options.data
    config.data.frames, config.batch_size = options.frames, options.clips
    check_options(config)
    source = RecordSource(options.data, "train")
    trainer = ours.Trainer(config, dataset_facts(source, config.data.image_size))
    steps, early = options.steps, options.steps // 4
    batches, slots = train_batches(config, source, trainer.mesh, 0, steps)
    first = next(batches)
    trainer.compile(first.arrays, slots)  # all, so that no program comes between the two looks
    after = []
    for step, batch in zip(range(1, steps + 1), itertools.chain([first], batches), strict=False):
        trainer.step(batch.arrays)
        if step % _STEPS_AHEAD == 0 or step in (early, steps):
            trainer.wait()
        if step in (early, steps):
            after.append(_held(step))
    return {"after": after, "dtype": config.model.dtype}


def _held(step: int) -> dict[str, float]:
    """What the process holds that it cannot let go."""
    gc.collect()
    return {
        "step": step,
        "resident_mb": _status_mb("VmRSS"),
        "live_arrays": len(jax.live_arrays()),
    }


def _video(options: SimpleNamespace) -> dict[str, Any]:
    """Predicts a video of which few frames are ever in memory."""
    config = _paper_config(options)
    config.data.frames = lengths.FRAMES  # of its clips; `options.frames` are the video's
    size = (options.width, options.height)
    dataset = ours.dataset_facts(FPHA, size)
    system = systems.make(config, dataset)
    abstract = abstract_state(system, optax.identity(), sharding.single_device_mesh())
    state = random_state(system, optax.identity(), 0, abstract)
    run = TrainedRun("random", Run(config, dataset), system, state.variables, 0)
    intrinsics = camera.scale_intrinsics(FPHA.intrinsics, FPHA.native_size, size)
    found = predict_video(run, _SyntheticFrames(options.frames, size), intrinsics)
    assert len(found.joints_3d) == options.frames
    return {"dtype": config.model.dtype}


class _SyntheticFrames:
    """Frames as of a video file, but made as they are read (`htt_jax.prediction.frames.Frames`)."""

    def __init__(self, count: int, size: tuple[int, int]):
        """So many random frames of (width, height)."""
        self.camera, self.size, self.count = "color", size, count
        self.rate, self.says_rate = Fraction(30), True
        self.notes: list[str] = []

    def read(
        self, resizer: Resize | None = None, is_before: IsBefore | None = None
    ) -> Iterator[Frame]:
        """See `Frames.read`."""
        rng = np.random.default_rng(0)
        width, height = self.size
        pool = rng.integers(0, 256, (_POOL, height, width, 3), dtype=np.uint8)
        for number in range(self.count):
            image = pool[number % _POOL].copy()  # new memory for each, as a decoder takes
            yield Frame(f"frame {number}", resizer(image) if resizer else image, number / 30)


def _paper_config(options: SimpleNamespace) -> ConfigDict:
    config = ours.make_config(clips=options.clips, frames=options.frames, dtype=options.dtype)
    config.data.image_size = (options.width, options.height)
    config.model.rematerialise = getattr(options, "remat", False)
    return config


def _tiny_config() -> ConfigDict:
    """Of the demo's kind, still smaller: a step takes a few milliseconds."""
    config = simulated.get_config()
    config.data.image_size = (60, 34)
    config.model.width, config.model.mlp_width, config.model.backbone_width = 32, 64, 4
    config.model.dtype = fast_dtype()
    return config


def _temporary_mb(program: Any) -> float:
    return measure.temporary_bytes(program) / 1e6


def _status_mb(name: str) -> float:
    """A size that Linux tells of this process.

    Not `getrusage`, whose peak begins with that of the process that started this one.
    """
    fields: Mapping[str, str] = dict(
        line.split(":", 1) for line in pathlib.Path("/proc/self/status").read_text().splitlines()
    )
    return int(fields[name].split()[0]) * 1024 / 1e6


if __name__ == "__main__":
    cli.run(main, process.prepare)
