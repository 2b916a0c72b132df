"""Recordings without objects or a split test: no command shows what nobody labelled."""

import contextlib
import io
import json

import pytest

from configs import own
from htt_jax import compare, evaluate, export, predict, train
from htt_jax.evaluation.split import usual_split
from htt_jax.interop import weights
from htt_jax.runs.directory import read
from htt_jax.support import trees
from tests import runs
from tests.data_prep import own_folders

pytestmark = pytest.mark.proof  # a dataset through all commands

LABELS = """video,start,end,action,split
a,0,3,cut,train
a,4,5,stir,train
b,0,2,cut,val
b,3,5,stir,val
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory, one_program):
    """A run by configs/own.py, made small."""
    root = tmp_path_factory.mktemp("no_objects")
    own_folders.prepare(own_folders.write(root / "raw", LABELS), root / "data")
    config, small = own.get_config(), runs.tiny_config(root / "data", (64, 36)).to_dict()
    small["eval"]["split"] = config.eval.split
    config.update_from_flattened_dict(trees.flatten(small, "."))
    train.train(config, str(root / "run"))
    return root


def printed(main, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main([str(argument) for argument in arguments])
    return output.getvalue()


@pytest.fixture(scope="module")
def evaluated(root):
    return printed(evaluate.main, "--workdir", root / "run")


def test_the_split_that_there_is_is_evaluated(root, evaluated):
    assert read(root / "run").config.eval.split == "val"
    assert usual_split(str(root / "run")) == "val"
    assert "Split val of" in evaluated
    assert (root / "run/evaluation/val/report.html").exists()


def test_tables_and_page_have_no_objects_and_nothing_hidden(root, evaluated):
    assert "action %, 2 videos" in evaluated
    assert "No objects are labelled." in evaluated
    page = (root / "run/evaluation/val/report.html").read_text()
    for text in (evaluated, page):
        assert "object %" not in text
        assert "hidden |" not in text
        assert "ublished" not in text
    assert "the object in" not in page


def test_comparison_has_no_column_of_objects(root, evaluated):
    text = printed(compare.main, root / "run", "--out", root / "compared")
    assert "object %" not in text
    assert "action %" in text
    assert "Split val of" in text


def test_predictions_say_nothing_of_objects(root):
    text = printed(
        predict.main, root / "raw/b", "--workdir", root / "run", "--out", root / "predicted"
    )
    assert "object, mean over frames" not in text
    assert "actions:" in text
    found = json.loads((root / "predicted/predictions.json").read_text())
    assert not {"object", "object_probabilities"} & set(found["frames"][0])


def test_model_cards_have_no_empty_rows(root, evaluated):
    out = root / "exported/a.safetensors"
    printed(export.main, "--workdir", root / "run", "--to", "safetensors", "--out", out)
    card = out.with_name("a.safetensors.md").read_text()
    assert "21 joints (right hand), 2 actions, no objects: none are labelled, and what it" in card
    assert "object %" not in card
    assert "Objects:" not in card
    assert weights.read(str(out)).tensors
