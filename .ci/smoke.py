"""The whole way in one process and little time: does everything run with what is installed?"""

import json
import pathlib
import sys

import cv2
import numpy as np

from data_prep import fpha, simulate
from htt_jax import compare, evaluate, export, from_pytorch, predict, train
from htt_jax.devices import process
from htt_jax.evaluation.one_run import RESULTS_FILE
from htt_jax.interop.formats import FORMATS
from htt_jax.prediction.sources import open_frames
from htt_jax.support import cli
from tests import train_runs


def main() -> None:
    """Goes it in the folder that the command line names."""
    folder = pathlib.Path(sys.argv[1])
    raw, data, run = folder / "raw", folder / "data", folder / "run"
    size = ("--repeats=2", "--subjects=1", "--frames=8,9", "--actions=open_juice_bottle,pour_milk")
    simulate.main(["--layout=fpha", f"--out={raw}", "--workers=1", *size])
    fpha.main([f"--raw={raw}", f"--out={data}", "--workers=1"])
    fpha.main([f"--verify={data}", "--workers=1"])

    config = train_runs.tiny_config(data, data__workers=1, data__image_size=(64, 36))
    results = train.train(config, str(run))
    assert np.isfinite(results["pose"]["right"]["camera_space"]["mepe"])
    evaluate.main([f"--workdir={run}"])
    compare.main([str(run), f"--out={folder / 'compared'}"])

    frames = next(raw.glob("Video_files*/*/*/*/color"))
    predict.main([str(frames), f"--workdir={run}", f"--out={folder / 'of_frames'}"])
    video = folder / "of_frames/prediction.mp4"
    predict.main([str(video), f"--workdir={run}", f"--out={folder / 'of_video'}", "--rerun"])

    ours = next(open_frames(str(video)).read()).image.astype(int)
    _, theirs = cv2.VideoCapture(str(video)).read()  # by another copy of FFmpeg
    assert np.abs(ours - theirs[..., ::-1]).mean() < 1

    for to, form in FORMATS.items():  # what does not compute the run's outputs is refused
        export.main([f"--workdir={run}", f"--to={to}", f"--out={folder / 'htt'}{form.suffix}"])
    imported = folder / "imported"
    from_pytorch.main([str(folder / "htt.pth"), f"--out={imported}", f"--data={data}"])
    evaluate.main([f"--workdir={imported}"])
    np.testing.assert_allclose(errors_of(imported), errors_of(run), rtol=1e-5)


def errors_of(run: pathlib.Path) -> list[float]:
    """Mean joint errors of an evaluated run, in camera space and relative to the wrist."""
    results = json.loads((run / "evaluation/test" / RESULTS_FILE).read_text())["results"]
    return [results["pose"]["right"][space]["mepe"] for space in ("camera_space", "root_aligned")]


if __name__ == "__main__":
    cli.run(main, process.prepare)
