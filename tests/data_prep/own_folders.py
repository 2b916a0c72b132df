"""Folders of small recordings of one's own."""

import json

import cv2
import numpy as np

from data_prep.own.command import main
from htt_jax.data.records import RecordSource
from tests import videos

TOML = """
times = "frames"
hands = ["right"]
[camera]
hfov = 70
"""
LABELS = "video,start,end,action,split\na,0,3,cut,train\nb,2,4,cut,test\n"
FOCAL = 32 / np.tan(np.radians(35))
MATRIX = np.array([[FOCAL, 0, 32], [0, FOCAL, 24], [0, 0, 1]])
"""Of the camera in `TOML`, pixels of frames of 64x48."""
JOINTS = 21


def joints(frames, seed=0):
    """(frames, 21, 3), metres: a hand's size, half a metre before the camera."""
    spread = np.random.default_rng(seed).normal(0, 0.04, (frames, JOINTS, 3))
    return np.round(spread + np.array([0.0, 0.0, 0.5]), 4)


def write(root, labels=LABELS, toml=TOML, recordings=("a", "b"), frames=6, size=(64, 48)):
    """Folders of frames with joints.npz; the frames of a recording differ."""
    for i, name in enumerate(recordings):
        folder = root / name
        folder.mkdir(parents=True)
        for number, picture in enumerate(videos.moving(frames, size)):
            cv2.imwrite(str(folder / f"{number:03d}.png"), picture)
        np.savez(folder / "joints.npz", joints=joints(frames, i))
    root.mkdir(exist_ok=True)
    (root / "labels.csv").write_bytes(labels if isinstance(labels, bytes) else labels.encode())
    (root / "dataset.toml").write_text(toml)
    return root


def prepare(raw, out, *options):
    """The splits that are there, by name."""
    main(["--raw", str(raw), "--out", str(out), "--workers", "1", *options])
    splits = {path.name.split("-")[1].split(".")[0] for path in out.glob("*.tfrecord*")}
    return {split: RecordSource(out, split) for split in sorted(splits)}


def notes(out, kind):
    """Those of a kind in the report on a prepared dataset, each with its path."""
    found = json.loads((out / "report.json").read_text())["notes"]
    return [f"{note['path']}: {note['what']}" for note in found if note["kind"] == kind]
