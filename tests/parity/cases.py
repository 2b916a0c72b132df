"""The parity cases as this project takes them: variables, inputs, the published code's outputs."""

import functools
import json
import pathlib

import numpy as np

from htt_jax.interop import pytorch
from htt_jax.models.htt import HTT
from tests.parity import recipe

HERE = pathlib.Path(__file__).parent
CASES = json.loads((HERE / "cases.json").read_text())


@functools.cache
def load(name):
    """Returns (model, variables, batch, what the published code returned), not to be changed."""
    case = CASES[name]
    model = HTT(
        num_joints=case["joints"],
        num_actions=case["actions"],
        num_objects=case["objects"],
        window=case["t"],
    )
    reference = recipe.batch(case)
    batch = {
        "image": reference["image"].transpose(0, 1, 3, 4, 2),
        "valid": reference["valid"].astype(bool),
        "intrinsics": reference["intrinsics"],
        "joints_2d": reference["joints_25d"][..., :2],
        "depth": reference["joints_25d"][..., 2],
        "hand_annotated": np.ones((*reference["valid"].shape, case["joints"] // 21), bool),
        "object": reference["object"][:, 0].astype(np.int32),
        "action": reference["action"].astype(np.int32),
    }
    variables = pytorch.to_variables(recipe.state_dict(case))
    return model, variables, batch, dict(np.load(HERE / f"{name}.npz"))
