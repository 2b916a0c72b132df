"""How near to the truth are joints that are labelled in images and fitted into space?

The simulator's hands, of several people doing several things, are seen by a camera of 480x270 and a
view of 70 degrees, with normal errors of some pixels in x and in y. They are fitted with the bones
they have, with the default hand made as long as they are, and with the default hand; and compared
with where they are.

    python -m benchmarks.fit_joints
    python -m benchmarks.fit_joints --takes 12 --frames 90 --noise 1 2
"""

import argparse
import pathlib
import time
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float

from benchmarks import measure
from data_prep.own.fitting import lengths as of_hands
from data_prep.own.fitting.depths import Labels, fitted
from data_prep.own.fitting.lengths import KEY, HandLengths
from data_prep.simulation import take
from data_prep.simulation.actions import ACTIONS
from data_prep.simulation.take import Script, Segment
from htt_jax import camera
from htt_jax.metrics import METRES_TO_MM
from htt_jax.support import cli

_SIZE = (480, 270)
_FOCAL = _SIZE[0] / 2 / np.tan(np.radians(70) / 2)
_HANDS = ("left", "right")
_NEAREST = 0.1  # metres: a simulated hand that is nearer is in no image


class Found(NamedTuple):
    """Of the hands of a take, metres; NaN where nothing was fitted."""

    joints: Float[np.ndarray, "frames hands 21 3"]
    true: Float[np.ndarray, "frames hands 21 3"]
    known: Bool[np.ndarray, "frames hands 21"]
    seconds: float


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    takes = [acted(seed, options.frames) for seed in range(1, options.takes + 1)]
    rows = {
        f"{kind}_{noise:g}px": _measured(
            [_fit(*one, kind, noise, seed) for seed, one in enumerate(takes)]
        )
        for kind in ("bones", "length", "default")
        for noise in options.noise
    }
    frames = len(takes) * options.frames * len(_HANDS)
    result = measure.machine("scipy") | {"takes": len(takes), "hand_frames": frames, "fits": rows}
    measure.report(
        "fit_joints",
        result,
        [
            f"{row['error_mm']:6.1f} mm, root-aligned {row['error_ra_mm']:6.1f} mm, fitted "
            f"{row['fitted']:.1%}, {row['ms_a_hand']:.1f} ms of a core a hand: {name}"
            for name, row in rows.items()
        ],
    )


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(prog="python -m benchmarks.fit_joints", description=__doc__)
    parser.add_argument("--takes", type=int, default=12, help="each of another person")
    parser.add_argument("--frames", type=int, default=90, help="of a take, of two actions")
    parser.add_argument("--noise", type=float, nargs="+", default=[1.0, 2.0], help="pixels")
    return parser


def acted(seed: int, frames: int) -> tuple[Float[np.ndarray, "frames 2 21 3"], HandLengths]:
    """A left and a right hand, metres in camera space, and how long their bones are."""
    actions = ACTIONS["h2o"]
    chosen = np.random.default_rng(seed).choice(len(actions), 2, replace=False)
    half = frames // 2
    segments = tuple(
        Segment(actions[action], start, end)
        for action, start, end in zip(chosen, (0, half), (half, frames), strict=True)
    )
    scene = take.direct(Script((seed,), seed, _HANDS, segments, frames, hidden=0.0))
    joints = scene.joints().reshape(frames, len(_HANDS), 21, 3)
    chains = np.insert(np.arange(1, 21).reshape(5, 4), 0, 0, axis=1)
    bones = np.linalg.norm(np.diff(joints[0, 0][chains], axis=1), axis=-1)
    return joints, HandLengths(tuple(bones.ravel().tolist()), "its bones")


def _fit(
    true: Float[np.ndarray, "frames 2 21 3"],
    bones: HandLengths,
    kind: str,
    noise: float,
    seed: int,
) -> Found:
    """Sees hands with errors of so many pixels, but not what lies beside the image; fits them."""
    matrix = np.array([[_FOCAL, 0, _SIZE[0] / 2], [0, _FOCAL, _SIZE[1] / 2], [0, 0, 1]])
    is_ahead = np.asarray((true[..., 2] > _NEAREST).all(axis=-1, keepdims=True))
    places, _ = camera.project(np.where(is_ahead[..., None], true, 1.0), matrix)
    places += np.random.default_rng(seed).normal(0, noise, places.shape)
    known = is_ahead & np.asarray(((places >= 0) & (places < _SIZE)).all(axis=-1))
    labels = Labels(
        numbers=range(len(true)),
        rate=30.0,
        points=np.where(known[..., None], places, 0),
        known=known,
        hands=_HANDS,
        matrix=matrix,
        width=_SIZE[0],
    )
    start = time.process_time()
    depths = fitted(labels, _lengths(bones, kind), "").depths
    seconds = time.process_time() - start
    return Found(camera.unproject(places, depths, matrix), true, known, seconds)


def _lengths(bones: HandLengths, kind: str) -> HandLengths:
    """Those of the hand itself, those of the default hand that is as long, or of that as it is."""
    if kind == "bones":
        return bones
    content = {KEY: {of_hands.HAND_LENGTH: bones.whole} if kind == "length" else True}
    found = of_hands.read(pathlib.Path(), content, 1.0)
    assert found is not None
    return found


def _measured(takes: Sequence[Found]) -> dict[str, float]:
    """Means over all joints that were fitted."""
    off, aligned = [], []
    for one in takes:
        beside = METRES_TO_MM * (one.joints - one.true)
        off.append(np.linalg.norm(beside, axis=-1).ravel())
        aligned.append(np.linalg.norm(beside - beside[:, :, :1], axis=-1)[..., 1:].ravel())
    hands = sum(int(one.known.any(axis=-1).sum()) for one in takes)
    there = sum(int(np.isfinite(one.joints).all(axis=-1).any(axis=-1).sum()) for one in takes)
    return {
        "error_mm": float(np.nanmean(np.concatenate(off))),
        "error_ra_mm": float(np.nanmean(np.concatenate(aligned))),
        "fitted": there / hands,
        "ms_a_hand": 1000 * sum(one.seconds for one in takes) / hands,
    }


if __name__ == "__main__":
    cli.run(main)
