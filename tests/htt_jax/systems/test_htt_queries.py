"""A run with queries: what its options may be, where it starts, what it can be exported to."""

import re

import jax
import jax.numpy as jnp
import pytest
from jax import export

from htt_jax.datasets.spec import FPHA
from htt_jax.interop import formats
from htt_jax.runs.config import check_options
from htt_jax.support import trees
from htt_jax.support.errors import InputError
from tests import online_runs, prepared, runs, torch_files, train_runs
from tests.htt_jax.training.test_warm_start import pretrained


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run with queries, of random weights."""
    root = tmp_path_factory.mktemp("queries")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [8]})
    sizes = {f"model__{name}": x for name, x in torch_files.SIZES.items() if "num" not in name}
    runs.initialise_run(root / "run", data, **sizes, model__spatial="queries")
    return root / "run"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("spatial", "query", "config.model.spatial='query' must be one of pool, queries"),
        ("spatial_layers", 0, "config.model.spatial_layers=0 must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused(option, value, message):
    config = train_runs.tiny_config("data", **{f"model__{option}": value})
    with pytest.raises(InputError, match=re.escape(message)):
        check_options(config)


def test_a_model_without_them_is_where_one_with_them_starts(tmp_path, capsys):
    path = torch_files.save(tmp_path / "htt.pth", torch_files.make())
    found, abstract = pretrained(path, spatial="queries")
    assert capsys.readouterr().err == (
        f"{path}, queries: has none: they start random, and add nothing before they are trained\n"
    )
    missing = trees.flatten(abstract.variables).keys() - trees.flatten(found).keys()
    assert missing
    assert all(name.startswith("params/queries/") for name in missing)


def test_they_are_left_out_where_they_are_not_wanted(run, capsys):
    found, abstract = pretrained(run)
    assert capsys.readouterr().err == (
        f"{run}, queries: has some: they are left out, and what they added to poses and objects "
        "is missing\n"
    )
    assert trees.flatten(found).keys() == trees.flatten(abstract.variables).keys()


def test_those_of_other_joints_start_random(run, capsys):
    found, abstract = pretrained(run, spatial="queries", num_joints=42)
    assert "pose_to_action, queries/joints start random" in capsys.readouterr().err
    expected = {name for name in trees.flatten(abstract.variables) if "/queries/" in name}
    assert expected - trees.flatten(found).keys() == {"params/queries/joints/embedding"}


def test_formats_of_the_published_model_refuse_them():
    message = "config.model.spatial=queries, of which the published layout knows nothing; export"
    with pytest.raises(InputError, match=message):
        formats.network(online_runs.make_run(spatial="queries"))


def test_programs_hold_them_for_any_number_of_clips_and_frames():
    run = online_runs.make_run(spatial="queries")
    clips, windows = export.symbolic_shape("clips, windows")
    places = clips, 2 * windows
    arrays = [
        jax.ShapeDtypeStruct((*places, 27, 48, 3), jnp.float32),
        jax.ShapeDtypeStruct(places, bool),
        jax.ShapeDtypeStruct((*places, 3, 3), jnp.float32),
    ]
    found = jax.eval_shape(run.model.apply, run.variables, *arrays)
    assert found["joints_3d"].shape == (*places, 21, 3)
