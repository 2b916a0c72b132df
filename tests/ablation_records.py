"""Records of studies' runs as they would be left, for the tests of what is made of them."""

import dataclasses
import json

from benchmarks.ablation import claims, runs
from benchmarks.ablation.plan import studies
from benchmarks.ablation.runs import Run
from htt_jax.datasets.spec import FPHA

VIDEOS = 40


def write_record(setting, run, values, videos, fingerprint="abc", ahead=None):
    """A record as `runs.perform` leaves it."""
    folder = setting.folder(run.name)
    folder.mkdir(parents=True, exist_ok=True)
    dataset = {"name": "fpha", "spec": dataclasses.asdict(FPHA), "split": "test", "frames": 900}
    dataset |= {"videos": VIDEOS, "fingerprint": fingerprint, "training_fingerprint": "def"}
    found = {
        "values": values,
        "videos": {name: of.tolist() for name, of in videos.items()},
        "video_ids": [str(i) for i in range(VIDEOS)],
        "dataset": dataset,
        "software": {"jax": "0.10", "commit": "0123abc" if run.seed else "4567def"},
        "step": 10,
        "dtype": "float32",
        "seconds": 60.0,
        "machine": "2 cores, a processor",
    }
    if ahead is not None:
        of_methods = {
            method: {key: of.tolist() for key, of in errors.items()}
            for method, errors in ahead.items()
        }
        found["forecast"] = {"space": "each frame's own camera", "methods": of_methods}
    told = {"config": json.loads(runs.configured(setting, run).to_json()), "figures": found}
    (folder / claims.RECORD).write_text(json.dumps(told))


def write_study(setting, rng, missing=()):
    """Three seeds of the study of the window: t = 1 is 3 mm worse, t = 2 as good, in MEPE-RA."""
    seeds, of_videos = rng.normal(0, 0.1, 3), rng.normal(0, 5, VIDEOS)
    for seed in range(3):
        for row in studies(setting.scale)["window"].rows:
            if (row.name, seed) in missing:
                continue
            worse = 3.0 if row.name == "t1" else 0.0
            videos = 40 + worse + seeds[seed] + of_videos + rng.normal(0, 0.5, VIDEOS)
            right = (rng.random(VIDEOS) < 0.8).astype(float)
            values = {"mepe_ra": videos.mean(), "mepe": 150.123 + seed, "auc": 0.5 + worse / 100}
            values |= {"auc_ra": 0.4, "action_accuracy": right.mean()}
            videos = {"mepe_ra": videos, "action_accuracy": right}
            write_record(setting, Run(row.options, seed), values, videos)
