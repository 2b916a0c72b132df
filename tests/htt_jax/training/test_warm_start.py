"""A run that starts with a trained model: what is taken, what starts random, what is refused."""

import sys

import numpy as np
import pytest

from htt_jax import from_pytorch
from htt_jax.devices import sharding
from htt_jax.interop import imported
from htt_jax.models.htt import HTT
from htt_jax.optimizer import adam
from htt_jax.runs.state import abstract_state
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training import initialise, warm_start
from tests import torch_files, train_runs

OPTIMIZER = adam(lambda step: 1e-3)
# Parts that depend on the numbers of joints and classes, by what changes them.
PARTS = {
    "num_actions": {"action_head"},
    "num_objects": {"object_head/output", "object_to_action"},
    "num_joints": {"pose_head/output", "pose_to_action"},
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("warm_start")
    torch_files.save_trained(root / "htt.pth")
    from_pytorch.main([str(root / "htt.pth"), f"--out={root / 'run'}", *torch_files.OPTIONS])
    return root


@pytest.fixture(scope="module")
def trained(folder):
    """The file's variables by flat names."""
    return trees.flatten(imported.read(str(folder / "htt.pth")).variables)


def pretrained(path, **sizes):
    """What a run of a tiny model starts with, and the shapes of its state."""
    mesh = sharding.make_mesh(1)
    system = HTTSystem(HTT(**torch_files.SIZES | sizes))
    abstract = abstract_state(system, OPTIMIZER, mesh)
    return warm_start.pretrained_model(str(path), system, abstract.variables, mesh), abstract


@pytest.mark.parametrize("source", ["htt.pth", "run"])
def test_a_file_and_a_run_give_all_their_variables(folder, trained, capsys, source):
    found, _ = pretrained(folder / source)
    assert trees.flatten(found).keys() == trained.keys()
    for name, x in trees.flatten(found).items():
        np.testing.assert_array_equal(x, trained[name], err_msg=name)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("size", PARTS)
def test_parts_of_other_joints_or_classes_start_random_and_are_named(folder, trained, capsys, size):
    path = folder / "htt.pth"
    found, abstract = pretrained(path, **{size: 42 if size == "num_joints" else 7})
    listed = ", ".join(sorted(PARTS[size]))
    expected = f"{path} has other joints or classes: {listed} start random\n"
    assert capsys.readouterr().err == expected
    placed = initialise.placed(found, abstract)
    for name in trees.flatten(abstract.variables):
        is_left_out = any(f"/{part}/" in name for part in PARTS[size])
        assert (name in placed) != is_left_out
        if not is_left_out:
            np.testing.assert_array_equal(placed[name], trained[name], err_msg=name)


def test_heads_for_verb_and_noun_that_the_trained_model_has_not_start_random(
    folder, trained, capsys
):
    found, _ = pretrained(folder / "run", verbs=(0, 1, 0), nouns=(0, 0, 1))
    assert trees.flatten(found).keys() == trained.keys()
    assert capsys.readouterr().err == "".join(
        f"{folder / 'run'}, {part}: has none: it starts random\n"
        for part in ("verb_head", "noun_head")
    )


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        (
            {"mlp_width": 64},
            r"run is of another model: params/action_block/layer_0/linear1/bias has shape "
            r"\(32,\) there, expected \(64,\); set config.model as it was trained",
        ),
        ({"pose_layers": 2}, r"params/pose_block/layer_1/.* has shape None there, expected \("),
        ({"window": 1}, r"params/pose_block/layer_0/.* has shape \(.*\) there, expected None"),
        ({"heads": 4}, r"run has config.model.heads=2, here it is 4; set config.model as it was"),
    ],
)
def test_another_architecture_is_refused_by_name(folder, sizes, message):
    with pytest.raises(InputError, match=message):
        pretrained(folder / "run", **sizes)


def test_what_is_no_model_is_refused():
    with pytest.raises(InputError, match="no such run or file: nowhere"):
        pretrained("nowhere")


SHARDED = """
import sys

import jax
import numpy as np
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.devices import sharding
from htt_jax.interop import imported
from htt_jax.models.htt import HTT
from htt_jax import optimizer
from htt_jax.runs.state import abstract_state, random_state
from htt_jax.training import initialise, warm_start
from tests import torch_files

path = sys.argv[1]
mesh = sharding.make_mesh(4)
system = HTTSystem(HTT(**torch_files.SIZES | {"mlp_width": 512}))
adam = optimizer.adam(lambda step: 1e-3)
abstract = abstract_state(system, adam, mesh)
found = warm_start.pretrained_model(path, system, abstract.variables, mesh)
state = random_state(system, adam, 0, abstract, initialise.placed(found, abstract))
expected = imported.read(path).variables
jax.tree.map(np.testing.assert_array_equal, jax.device_get(state.variables), expected)
places = [(x.sharding, wanted.sharding) for x, wanted in
          zip(jax.tree.leaves(state), jax.tree.leaves(abstract), strict=True)]
assert all(found == wanted for found, wanted in places)
print(sum("fsdp" in found.spec for found, _ in places), jax.device_count(), file=sys.stderr)
"""


@pytest.mark.proof
def test_a_state_that_is_split_over_devices_stays_split(tmp_path):
    path = torch_files.save(tmp_path / "htt.pth", torch_files.make(mlp_width=512))
    process = train_runs.start([sys.executable, "-c", SHARDED, str(path)], devices=4)
    said = train_runs.finish(process)
    assert process.returncode == 0, said
    # Both matrices of both feed-forward parts, and their two moments.
    assert said.splitlines()[-1] == "12 4"
