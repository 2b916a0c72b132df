import dataclasses
import json

import pytest

from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.spec import FPHA
from htt_jax.runs.checkpoint import Checkpoints
from htt_jax.runs.directory import (
    CHECKPOINTS,
    Run,
    check_workdir,
    dataset_facts,
    exists,
    from_json,
    read,
    start,
    to_json,
)
from htt_jax.support.errors import InputError
from tests import prepared, train_runs

FACTS = DatasetFacts(
    spec=FPHA,
    action_names=("open", "close"),
    object_names=("milk",),
    image_size=(480, 270),
    fingerprint="1234",
)


def run(**options):
    return Run(train_runs.tiny_config("data", **options), FACTS)


def begin(workdir, run):
    """A run that has come to a checkpoint."""
    start(workdir, run)
    (workdir / CHECKPOINTS / "3").mkdir(parents=True)


def test_a_run_comes_back_as_it_was(tmp_path):
    start(tmp_path / "run", run())
    found = read(tmp_path / "run")
    assert found.dataset == FACTS
    assert found.dataset.spec == FPHA
    expected = json.loads(json.dumps(run().config.to_dict()))
    assert found.config.to_dict() == expected
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_the_same_run_may_go_on(tmp_path):
    begin(tmp_path, run())
    start(tmp_path, run())
    assert read(tmp_path).config.seed == run().config.seed


@pytest.mark.parametrize("left", ["", CHECKPOINTS, f"{CHECKPOINTS}/3.orbax-checkpoint-tmp"])
def test_a_folder_without_a_checkpoint_holds_no_run(tmp_path, left):
    start(tmp_path, dataclasses.replace(run(), imported_from="htt.pth"))
    (tmp_path / left).mkdir(parents=True, exist_ok=True)
    assert not exists(tmp_path)
    start(tmp_path, run(seed=1))
    assert (read(tmp_path).config.seed, read(tmp_path).imported_from) == (1, None)


def test_what_changes_no_result_may_change(tmp_path):
    begin(tmp_path, run())
    changed = run(
        epochs=99,
        data__workers=3,
        data__directory="elsewhere",
        init__backbone="resnet18.safetensors",
        mesh__fsdp=2,
        checkpoint__every_steps=7,
        checkpoint__best_metric="mepe",
        eval__every_epochs=9,
        log__every_steps=5,
    )
    start(tmp_path, dataclasses.replace(changed, trained_by="htt_jax 2, commit abc"))
    found = read(tmp_path)
    assert (found.config.epochs, found.config.checkpoint.best_metric) == (99, "mepe")
    assert found.trained_by == "htt_jax 2, commit abc"


@pytest.mark.parametrize(
    ("name", "value", "difference"),
    [
        ("seed", 1, "config.seed is 0 there and 1 here"),
        ("batch_size", 4, "config.batch_size is 8 there and 4 here"),
        ("model.window", 8, "config.model.window is 4 there and 8 here"),
        ("data.spacing", 3, "config.data.spacing is 2 there and 3 here"),
        ("optimizer.learning_rate", 0.5, "config.optimizer.learning_rate is 0.001 there and 0.5"),
        ("augment.enabled", False, "config.augment.enabled is True there and False here"),
    ],
)
def test_another_config_is_refused_with_the_difference(tmp_path, name, value, difference):
    begin(tmp_path, run())
    with pytest.raises(InputError, match=f"holds another run: {difference}"):
        start(tmp_path, run(**{name: value}))


@pytest.mark.parametrize(
    ("field", "value", "difference"),
    [
        ("fingerprint", "5678", "dataset.fingerprint is '1234' there and '5678' here"),
        ("image_size", (240, 135), r"dataset.image_size is \[480, 270\] there and \[240, 135\]"),
        ("action_names", ("open",), r"dataset.action_names is \['open', 'close'\] there"),
    ],
)
def test_another_dataset_is_refused_with_the_difference(tmp_path, field, value, difference):
    begin(tmp_path, run())
    other = Run(run().config, dataclasses.replace(FACTS, **{field: value}))
    with pytest.raises(InputError, match=f"holds another run: {difference}"):
        start(tmp_path, other)


def test_a_run_remembers_what_it_was_imported_from(tmp_path):
    imported = dataclasses.replace(run(), steps_per_epoch=7, imported_from="htt.pth, epoch 3")
    begin(tmp_path, imported)
    start(tmp_path, dataclasses.replace(run(), steps_per_epoch=7))
    found = read(tmp_path)
    assert (found.imported_from, found.steps_per_epoch) == ("htt.pth, epoch 3", 7)


def test_a_run_imported_without_its_dataset_does_not_go_on(tmp_path):
    begin(tmp_path, Run(run().config, dataclasses.replace(FACTS, fingerprint=None)))
    with pytest.raises(
        InputError, match=r"imported without a dataset to train on; .* --data, .*init.checkpoint="
    ):
        start(tmp_path, run())
    assert read(tmp_path).dataset.fingerprint is None


def test_a_run_that_was_begun_before_epochs_were_counted_goes_on(tmp_path):
    begin(tmp_path, run())
    content = json.loads((tmp_path / "run.json").read_text())
    del (
        content["steps_per_epoch"],
        content["imported_from"],
        content["config"]["init"]["checkpoint"],
    )
    (tmp_path / "run.json").write_text(json.dumps(content))
    assert read(tmp_path).steps_per_epoch is None
    start(tmp_path, dataclasses.replace(run(), steps_per_epoch=7))
    assert read(tmp_path).steps_per_epoch == 7


def test_facts_are_those_of_the_dataset_on_disk(tmp_path):
    source = RecordSource(prepared.write_dataset(tmp_path, FPHA, {"train": [2]}), "train")
    facts = dataset_facts(source, None)
    assert facts.name == "fpha"
    assert facts.action_names == ("open_milk", "close_milk", "put_salt")
    assert facts.object_names == ("milk", "salt")
    assert facts.image_size == (64, 36)
    assert facts.fingerprint == source.fingerprint
    assert dataset_facts(source, (32, 18)).image_size == (32, 18)


def test_a_directory_without_a_run_is_named(tmp_path):
    with pytest.raises(InputError, match=r"no run in .*run.json is missing; give a --workdir"):
        read(tmp_path)


def test_json_says_what_the_run_is():
    described = dataclasses.replace(run(), steps_per_epoch=7, imported_from="htt.pth")
    found = from_json(to_json(described), "a.pth")
    assert (found.dataset, found.steps_per_epoch, found.imported_from) == (FACTS, 7, "htt.pth")
    with pytest.raises(InputError, match=r"a.pth is not the description of a run"):
        from_json("{}", "a.pth")


@pytest.mark.parametrize("content", ["", "[]", '{"config": {}}', '{"config": 3, "dataset": 4}'])
def test_a_damaged_description_is_named(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(InputError, match=r"run.json is not the description of a run"):
        read(tmp_path)


def test_where_checkpoints_cannot_be_no_run_begins_and_none_is_opened():
    for begin in (check_workdir, lambda x: Checkpoints(x, keep=1, best_metric="mepe")):
        with pytest.raises(InputError, match=r"s3://b/run cannot be a run's folder: .* gs://"):
            begin("s3://b/run")
