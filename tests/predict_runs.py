"""A small run, the frames of a video to predict with it, and the command that does."""

import cv2

from htt_jax import predict
from htt_jax.data import records
from htt_jax.datasets.spec import FPHA
from tests import prepared, runs

FRAMES = 19  # two blocks of four frames twice, and three frames more
STORED = (64, 36)
MODEL = (48, 27)


def make(root):
    """A dataset with one test video, its frames as files in `frames`, and a run in `run`."""
    data = prepared.write_dataset(root / "data", FPHA, {"train": [2], "test": [FRAMES]}, STORED)
    runs.initialise_run(root / "run", data, MODEL)
    (root / "frames").mkdir()
    for number, encoded in enumerate(records.RecordSource(data, "test")[0].frames):
        (root / f"frames/color_{number}.jpeg").write_bytes(encoded)  # 10 after 9, not after 1
    return root


def run_command(path, folder, *options):
    predict.main(
        [str(path), "--workdir", str(folder / "run"), "--out", str(folder / "out"), *options]
    )


def frames_as_arrays(folder, count=FRAMES):
    return [cv2.imread(str(folder / f"color_{i}.jpeg"))[..., ::-1].copy() for i in range(count)]
