"""At which sizes the studies are run: a demo for two cores, or the paper's model on real data."""

import dataclasses
import importlib
import pathlib
from collections.abc import Mapping
from typing import Any

from ml_collections import ConfigDict

from htt_jax.datasets.published import FRAMES, WINDOW


@dataclasses.dataclass(frozen=True)
class Scale:
    """What a study's values are, and what its runs have in common.

    Attributes:
        name: on the command line.
        configs: file of configs/ by the dataset's name; `other` for datasets without one.
        other: see `configs`.
        options: that all runs have instead of the file's.
        windows: t of the rows, each with the paper's t that it stands for, if there is one.
        frames: T of the rows, likewise.
        equal_steps: fewer frames a clip are made up for by more clips a batch.
        dataset: arguments of `data_prep.simulate`; empty: the dataset is given.
    """

    name: str
    configs: Mapping[str, str]
    other: str
    options: Mapping[str, Any]
    windows: Mapping[int, int | None]
    frames: Mapping[int, int | None]
    equal_steps: bool
    dataset: tuple[str, ...] = ()

    def config_file(self, dataset: str) -> str:
        """The file that runs on a dataset start from."""
        return self.configs.get(dataset, self.other)

    def file(self, dataset: str) -> ConfigDict:
        """What stands in that file."""
        module = pathlib.Path(self.config_file(dataset)).with_suffix("")
        config: ConfigDict = importlib.import_module(".".join(module.parts)).get_config()
        return config

    def config(self, dataset: str) -> ConfigDict:
        """What the runs on a dataset have in common."""
        config = self.file(dataset)
        config.update_from_flattened_dict(dict(self.options))
        # The last state is what counts: the best of several on the test split flatters.
        config.eval.every_epochs = max(config.epochs, 1)
        config.checkpoint.keep = 1
        return config


_BOTTLES = ("juice_bottle", "milk", "liquid_soap")
_ACTIONS = [f"{verb}_{noun}" for noun in _BOTTLES for verb in ("open", "close", "pour")]

DEMO = Scale(
    "demo",
    configs={},
    other="configs/simulated_ablations.py",
    options={},
    windows={1: 1, 2: None, 4: WINDOW, 8: FRAMES},
    frames={2: 32, 4: 64, 8: FRAMES},
    equal_steps=True,
    dataset=(
        "--layout=fpha",
        f"--actions={','.join([*_ACTIONS, 'give_coin', 'receive_coin'])}",
        "--repeats=8",
        "--frames=28,32",
        "--hidden=0.6",
    ),
)
"""Four pairs of actions that only the order of frames tells apart; hands often out of sight."""

PAPER = Scale(
    "paper",
    configs={"fpha": "configs/fpha.py", "h2o": "configs/h2o.py"},
    other="configs/default.py",
    options={"data.starts": WINDOW},
    windows={t: t for t in (1, 8, WINDOW, 32, 64, FRAMES)},
    frames={frames: frames for frames in (16, 32, 64, FRAMES)},
    equal_steps=False,
)
"""The paper's model; t changes what is seen together, but not the clips of an epoch."""

SCALES = {scale.name: scale for scale in (DEMO, PAPER)}
