"""Which of the published trends come out on simulated depth, at full crop size?

Simulates and prepares a small dataset with depth maps (256 videos of 14 to 20 frames, eight
actions), then runs `htt_jax.depth_study` on it with networks of a quarter of the published width
and one block a group, and a learning rate for the joint stages that suits a few epochs. The
settings were chosen before any result was seen. Stopped, the same command goes on.

    python -m benchmarks.depth_evidence --out evidence --seeds 3
"""

import argparse
from collections.abc import Sequence

from data_prep import fpha, simulate
from htt_jax import depth_study
from htt_jax.devices import process
from htt_jax.support import cli

_JOINT = ("direct", "feedback", "ensemble", "ensemble_attention")
_OF_VIDEOS = (*_JOINT, "untrained", "action", "action_attention")
_SETTINGS = (
    *("model.width=16", "model.blocks=1", "model.hidden=128", "data.held_out=32"),
    "eval.batch_size=8",
    *(f"{stage}:{option}" for stage in ("pose", "pose_film") for option in (
        "batch_size=64", "eval.batch_size=64", "epochs=12", "eval.every_epochs=3"
    )),
    *(f"{stage}:data.frames=20" for stage in _OF_VIDEOS),
    *(f"{stage}:{option}" for stage in ("action", "action_attention") for option in (
        "epochs=150", "eval.every_epochs=25"
    )),
    *(f"{stage}:{option}" for stage in _JOINT for option in (
        "epochs=6", "eval.every_epochs=2", "optimizer.learning_rate=3e-4"
    )),
)  # fmt: skip


def main(argv: Sequence[str] | None = None) -> None:
    """Runs the command line."""
    options = _parser().parse_args(argv)
    raw, data = options.out / "raw", options.out / "data"
    if not (data / "dataset_info.json").exists():
        simulated = ["--layout=fpha", "--depth", f"--out={raw}", "--repeats=8", "--subjects=4"]
        simulate.main([*simulated, "--frames=14,20"])
        fpha.main(["--depth", f"--raw={raw}", f"--out={data}"])
    study = [f"--data={data}", f"--out={options.out / 'study'}", f"--seeds={options.seeds}"]
    steps = ["--steps", *options.steps] if options.steps else ["--controls"]
    depth_study.main([*study, *steps, "--set", *_SETTINGS])


def _parser() -> argparse.ArgumentParser:
    parser = cli.ArgumentParser(prog="python -m benchmarks.depth_evidence", description=__doc__)
    parser.add_argument("--out", required=True, type=cli.path, help="folder for all of it")
    parser.add_argument("--seeds", type=int, default=3, help="how often all is done")
    parser.add_argument("--steps", nargs="+", metavar="STEP", help="only these of the study")
    return parser


if __name__ == "__main__":
    cli.run(main, process.prepare)
