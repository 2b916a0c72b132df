"""Which layers poses can bear in int8: each is measured alone, then they are put together."""

import dataclasses
import pathlib
from collections.abc import Callable, Collection, Mapping

import numpy as np

from htt_jax.interop import onnx
from htt_jax.interop.quantising.figures import Bound, losses, pose_errors
from htt_jax.interop.quantising.sample import Sample
from htt_jax.support import progress
from htt_jax.support.errors import InputError


@dataclasses.dataclass(frozen=True)
class Layer:
    """One layer, and what poses lose by it.

    Attributes:
        name: of its node.
        weight: by which people know it.
        moved: how far joints move when it alone is in int8, millimetres, mean over real frames.
        lost: of each error of poses, per cent, then.
        in_int8: whether it is so in the end.
    """

    name: str
    weight: str
    moved: float
    lost: dict[str, float]
    in_int8: bool = True


@dataclasses.dataclass(frozen=True)
class Measuring:
    """Measures on a sample that nothing was calibrated on; padding does not count.

    Attributes:
        sample: with its truth.
        root: joint of each hand, see `pose_errors`.
        make: writes a file with those layers in int8.
    """

    sample: Sample
    root: int
    make: Callable[[Collection[str]], pathlib.Path]

    def joints(self, path: pathlib.Path) -> np.ndarray:
        """Of the real frames, metres."""
        program = onnx.load(path)
        found = []
        for inputs in self.sample.inputs():
            found.append(program(**inputs)["joints_3d"][inputs["valid"]])
        return np.concatenate(found)

    def errors(self, joints: np.ndarray) -> dict[str, float]:
        """Of poses."""
        return pose_errors(joints, *self.sample.truth(), self.root)

    def lost(self, joints: np.ndarray, before: Mapping[str, float]) -> dict[str, float]:
        """Per cent of each error of poses."""
        return losses(before, self.errors(joints))

    def bears(self, path: pathlib.Path, whole: pathlib.Path, bound: Bound) -> bool:
        """Whether poses bear a file in the place of the one in float32."""
        before = self.errors(self.joints(whole))
        return not bound.exceeded(self.lost(self.joints(path), before))


def choose(
    measuring: Measuring, whole: pathlib.Path, weights: Mapping[str, str], bound: Bound
) -> tuple[list[Layer], pathlib.Path]:
    """Leaves in float the layers that lose most, until the others together lose little enough.

    Args:
        measuring: by which it is decided.
        whole: the file in float32.
        weights: of each layer, by the name of its node.
        bound: of the loss.

    Returns:
        All layers in their order, and the file.

    Raises:
        InputError: not even half of them can be borne.
    """
    float_joints = measuring.joints(whole)
    before = measuring.errors(float_joints)
    layers = []
    with progress.bar(total=len(weights), unit="layer", label="measuring") as bar:
        for name, weight in weights.items():
            joints = measuring.joints(measuring.make([name]))
            moved = 1000 * float(np.linalg.norm(joints - float_joints, axis=-1).mean())
            layers.append(Layer(name, weight, moved, measuring.lost(joints, before)))
            bar.update()
    worst_first = sorted(layers, key=lambda layer: -max(layer.lost.values()))
    for left in range(len(layers) // 2 + 1):
        kept = {layer.name for layer in worst_first[left:]}
        path = measuring.make([name for name in weights if name in kept])
        lost = measuring.lost(measuring.joints(path), before)
        beyond = bound.exceeded(lost)
        if not beyond:
            chosen = [dataclasses.replace(x, in_int8=x.name in kept) for x in layers]
            return chosen, path
    raise InputError(
        f"the run is too lossy to quantise: with {len(layers) // 2} of {len(layers)} layers left "
        f"in float it still loses, on frames of the training split, {', '.join(beyond)}; take "
        "--quantize=float16, or allow more with --most-loss"
    )
