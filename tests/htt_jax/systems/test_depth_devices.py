"""The depth systems on several devices."""

import json
import sys

import numpy as np
import pytest

from tests import prepared, train_runs
from tests.depth_runs import FPHA_DEPTH

TWO_STEPS = """
import json, sys

import jax

from htt_jax import systems
from htt_jax.devices import sharding
from htt_jax.runs.config import open_source
from htt_jax.runs.directory import dataset_facts
from htt_jax.runs.options import get_config
from htt_jax.runs.state import abstract_state, create_state
from htt_jax.systems.depth.stages import STAGES
from htt_jax.training.input import train_batches
from htt_jax.training.loop import make_update, random_key
from tests import depth_runs, runs

config = get_config("depth")
small = {"batch_size": 4, "crops.protocol": "published", "data.held_out": 0}
config.update_from_flattened_dict(STAGES["feedback"] | depth_runs.TINY | small)
config.data.directory = sys.argv[1]
source = open_source(config, "train")
system = systems.make(config, dataset_facts(source, None))
schedule = lambda step: 1e-3
optimizer = system.optimizer(schedule)
found = []
for mesh in (sharding.single_device_mesh(), sharding.make_mesh(2)):
    abstract = abstract_state(system, optimizer, mesh)
    start = jax.jit(lambda variables: create_state(variables, optimizer),
                    out_shardings=jax.tree.map(lambda x: x.sharding, abstract))
    state = start(runs.random_variables(system, mesh, 0))
    update = make_update(system, schedule, mesh)
    key = random_key(0, mesh)
    batches, _ = train_batches(config, source, mesh, 0, 2, system.reader)
    found.append([])
    for _ in range(2):
        state, metrics = update(state, next(batches).arrays, key)
        found[-1].append([float(metrics[name]) for name in ("loss", "gradient_norm")])
    batches.close()
print(json.dumps({"devices": mesh.size, "found": found}), file=sys.stderr)
"""


@pytest.mark.proof
def test_four_devices_of_which_two_share_the_weights_give_the_losses_of_one(tmp_path):
    data = prepared.write_dataset(tmp_path / "data", FPHA_DEPTH, {"train": [4, 2, 3, 1]})
    process = train_runs.start([sys.executable, "-c", TWO_STEPS, str(data)], devices=4)
    said = train_runs.finish(process)
    assert process.returncode == 0, said
    told = json.loads(said.splitlines()[-1])
    assert told["devices"] == 4
    alone, together = told["found"]
    np.testing.assert_allclose(together, alone, rtol=1e-5)
    assert alone[0] != alone[1]
