"""Quantises an exported .onnx file, measures what it costs, refuses what costs too much."""

import dataclasses
import functools
import pathlib
import tempfile
from collections.abc import Collection

from htt_jax import measures
from htt_jax.datasets.spec import IN_IMAGES, NO_JOINTS
from htt_jax.evaluation.split import SplitInference, open_split
from htt_jax.evaluation.tables import markdown
from htt_jax.interop import onnx, onnx_model
from htt_jax.interop.quantising import processor, sample
from htt_jax.interop.quantising.choice import Layer, Measuring, choose
from htt_jax.interop.quantising.figures import (
    CLASSES,
    POSES,
    Bound,
    evaluated,
    frames_per_second,
    losses,
    unit_of,
)
from htt_jax.models.htt import HTT
from htt_jax.runs.config import open_source
from htt_jax.runs.opening import TrainedRun
from htt_jax.support.errors import InputError
from htt_jax.systems import HostProgram

KINDS = ("int8", "float16")


@dataclasses.dataclass(frozen=True)
class Asked:
    """What is asked for.

    Attributes:
        kind: one of `KINDS`.
        data: the prepared dataset to calibrate and evaluate on; None for the run's own.
        bound: of the loss.
    """

    kind: str
    data: str | None = None
    bound: Bound = dataclasses.field(default_factory=Bound)


@dataclasses.dataclass(frozen=True)
class Quantised:
    """What came of it.

    Attributes:
        kind: one of `KINDS`.
        data: the dataset that was calibrated and evaluated on.
        own_data: whether it is the one that the run names.
        split: of it that figures are of, the one that the run is evaluated on as it is trained.
        layers: all convolutions, each as measured; none of float16.
        matrices_in_8_bits: whether the file keeps those of blocks and heads so; else 16 bits.
        calibrated: frames that ranges were found on.
        measured: frames that layers were measured on.
        reduced: whether weights keep to 7 bits, for want of VNNI.
        sizes: bytes before and after.
        speeds: frames a second of the run in JAX, of the float32 file, and of this one.
        before: figures of the run.
        after: figures of the file.
    """

    kind: str
    data: str
    own_data: bool
    split: str
    layers: tuple[Layer, ...]
    matrices_in_8_bits: bool
    calibrated: int
    measured: int
    reduced: bool
    sizes: tuple[int, int]
    speeds: dict[str, float]
    before: dict[str, float]
    after: dict[str, float]

    def text(self) -> str:
        """For people: the terminal and the model card."""
        return "\n\n".join([*self._said(), self._figures(), *self._of_layers()])

    def _said(self) -> list[str]:
        before, after = (size / 1e6 for size in self.sizes)
        jax, plain, own = (self.speeds[name] for name in ("jax", "float32", self.kind))
        lines = [
            f"{self.kind}: {after:.1f} MB, {before / after:.1f} times smaller than in float32 "
            f"({before:.1f} MB); {own:.1f} frames/s, {own / jax:.1f} times the run in JAX "
            f"({jax:.1f}) and {own / plain:.1f} times the float32 file ({plain:.1f}), all in one go"
        ]
        if own <= plain and self.layers:
            lines.append(
                "note: it is no faster than the float32 file on this processor as it is now; small "
                "networks of small frames gain little by int8"
            )
        if self.reduced:
            lines.append(
                "note: this processor has no VNNI, so that weights keep to 7 bits and little is "
                "gained; export where the file is to run"
            )
        if not self.own_data:
            lines.append(f"calibrated and evaluated on {self.data}, not on the run's own dataset")
        return lines

    def _figures(self) -> str:
        known = measures.headline()
        lost = losses(self.before, self.after)
        rows = [
            [
                known[key].heading,
                known[key].shown(self.before[key]),
                known[key].shown(self.after[key]),
                f"{x:+.2f} {unit_of(key)}",
            ]
            for key, x in lost.items()
        ]
        return markdown([f"split {self.split}", "before", "after", "lost"], rows)

    def _of_layers(self) -> list[str]:
        if not self.layers:
            return []
        kept = sum(not layer.in_int8 for layer in self.layers)
        rows = [
            [
                layer.weight.removesuffix(".weight"),
                "int8" if layer.in_int8 else "float",
                f"{layer.moved:.2f}",
                *(f"{layer.lost[key]:+.2f}" for key in POSES),
            ]
            for layer in self.layers
        ]
        titles = [f"{measures.headline()[key].title} lost %" for key in POSES]
        return [
            f"{len(self.layers) - kept} of {len(self.layers)} convolutions compute in int8, blocks "
            f"and heads in float32, with weights that the file keeps in "
            f"{8 if self.matrices_in_8_bits else 16} bits. Ranges were found on {self.calibrated} "
            f"training frames, each layer alone was measured on {self.measured} others:",
            markdown(["layer", "computes in", "joints move mm", *titles], rows),
        ]


def quantise(path: pathlib.Path, run: TrainedRun, asked: Asked) -> Quantised:
    """Puts the quantised file in the place of the float32 one.

    Args:
        path: of the run's export.
        run: what was exported, in float32.
        asked: how.

    Raises:
        InputError: the run is no HTT, there are no frames to calibrate or evaluate on, they are of
            another size, a package is missing, or the loss is above the bound; `path` is as it was.
    """
    if not isinstance(run.model, HTT):
        raise InputError(
            f"--quantize={asked.kind} is for HTT; {run.workdir} is of config.system="
            f"{run.config.system}, leave the option away"
        )
    opened = _opened(run, asked)
    if asked.kind == "int8":
        _check_has_poses(run.learned_joints, run.workdir)
        _check_has_poses(opened.source.spec.joints, opened.directory)
    with tempfile.TemporaryDirectory() as folder:
        return _quantise(path, run, asked, opened, pathlib.Path(folder))


def _check_has_poses(joints: str, whose: str) -> None:
    if joints in (IN_IMAGES, NO_JOINTS):
        raise InputError(
            f"--quantize=int8 chooses layers by their errors of poses in space, and {whose} has "
            "no such joints; take --quantize=float16"
        )


def _quantise(
    path: pathlib.Path,
    run: TrainedRun,
    asked: Asked,
    opened: SplitInference,
    folder: pathlib.Path,
) -> Quantised:
    try:
        from htt_jax.interop.quantising import graph
    except ImportError as error:
        raise InputError(
            f"{path}: quantising needs onnxruntime: {error}; {onnx.INSTALL}"
        ) from error

    read = functools.partial(_program, run)
    small, out = path, folder / "quantised.onnx"
    layers: list[Layer] = []
    packed = False
    samples: tuple[sample.Sample, ...] = ()
    reduced = asked.kind == "int8" and processor.lacks_int8()
    if asked.kind == "int8":
        samples = sample.draw(run, open_source(run.config, "train", opened.directory))
        convolutions = graph.convolutions(path)
        made, ranges = folder / "some.onnx", folder / "ranges.json"

        def make(names: Collection[str]) -> pathlib.Path:
            graph.quantise(path, made, names, samples[0], reduce_range=reduced, ranges=ranges)
            return made

        make(convolutions)  # which finds the ranges of all
        weights = {name: graph.weight_of(path, name) for name in convolutions}
        measuring = Measuring(samples[1], run.dataset.spec.skeleton.root, make)
        layers, small = choose(measuring, path, weights, asked.bound)
        graph.pack_weights(small, out, matrices_in_8_bits=True)
        packed = measuring.bears(out, path, asked.bound)
    if not packed:
        graph.pack_weights(small, out, matrices_in_8_bits=False)
    program = read(out)
    before = evaluated(opened, opened.run)
    again = _opened(run, asked)
    after = evaluated(again, again.run.with_model(program))
    _check(run, asked, before, after)
    speeds = frames_per_second(run, {"float32": read(path), asked.kind: program})
    sizes = path.stat().st_size, out.stat().st_size
    path.write_bytes(out.read_bytes())
    return Quantised(
        kind=asked.kind,
        data=opened.directory,
        own_data=asked.data in (None, run.config.data.directory),
        split=run.config.eval.split,
        layers=tuple(layers),
        matrices_in_8_bits=packed,
        calibrated=samples[0].frames if samples else 0,
        measured=samples[1].frames if samples else 0,
        reduced=reduced,
        sizes=sizes,
        speeds=speeds,
        before=before,
        after=after,
    )


def _opened(run: TrainedRun, asked: Asked) -> SplitInference:
    return open_split(
        run.workdir, split=run.config.eval.split, data=asked.data, step=run.step, label="evaluating"
    )


def _program(run: TrainedRun, path: pathlib.Path) -> HostProgram:
    return onnx_model.read(path, lambda _: run.signature)[0]


def _check(
    run: TrainedRun, asked: Asked, before: dict[str, float], after: dict[str, float]
) -> None:
    if not set(before) & {*POSES, *CLASSES}:
        raise InputError(
            f"nothing is known of poses and actions in split {run.config.eval.split} of "
            f"{asked.data or 'the run'}, so that the loss cannot be measured; name another dataset "
            "with --data"
        )
    lost = asked.bound.exceeded(losses(before, after))
    if lost:
        raise InputError(
            f"{run.workdir} is too lossy to quantise: on split {run.config.eval.split} "
            f"{asked.kind} loses {', '.join(lost)}; nothing is kept, allow more with --most-loss"
        )
