"""Files of weights as runs: sizes, datasets, configs that fit, and those that do not."""

import dataclasses
import hashlib
import json

import jax
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from configs import fpha
from htt_jax import systems
from htt_jax.data.records import RecordSource
from htt_jax.datasets.facts import DatasetFacts
from htt_jax.datasets.skeleton import hand_of
from htt_jax.datasets.spec import COMPLETE, FPHA, H2O, IN_IMAGES, NO_JOINTS, SPECS
from htt_jax.interop import adam, imported, pytorch, weights
from htt_jax.models.htt import HTT
from htt_jax.runs.directory import (
    Run,
    dataset_facts,
    to_json,
)
from htt_jax.runs.learned import learned_joints
from htt_jax.support.errors import InputError
from tests import prepared, runs, torch_files


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    directory = tmp_path_factory.mktemp("data")
    return RecordSource(prepared.write_dataset(directory, FPHA, {"train": [8, 6]}), "train")


def config_of(found, **options):
    config = found.default_config()
    given = {"model.heads": 2, "model.window": 2, "data.frames": 4} | {
        name.replace("__", "."): value for name, value in options.items()
    }
    config.update_from_flattened_dict(given)
    return config


def test_sizes_are_read_off_the_shapes_and_fill_a_model(found):
    sizes = {n: x for n, x in torch_files.SIZES.items() if n not in ("window", "heads")}
    assert found.sizes == sizes | {"backbone_name": "resnet18"}
    run = imported.make_run(found, config_of(found), None)
    model = systems.make(run.config, run.dataset).model
    assert model == HTT(**torch_files.SIZES)


def test_other_layers_and_two_hands_are_read_off_the_shapes(tmp_path):
    sizes = {"num_joints": 42, "pose_layers": 3, "action_layers": 2, "mlp_width": 24}
    module = torch_files.make(**sizes)
    found = imported.read(str(torch_files.save(tmp_path / "a.pth", module)))
    assert found.sizes.items() >= sizes.items()
    assert found.spec == H2O
    assert found.default_config().eval.split == "val"
    run = imported.make_run(found, config_of(found), None)
    assert run.config.model.pose_layers == 3
    expected = pytorch.to_variables({n: x.numpy() for n, x in module.state_dict().items()})
    jax.tree.map(np.testing.assert_array_equal, found.variables, expected)


def test_without_a_dataset_the_published_classes_are_assumed_where_their_number_is_right(tmp_path):
    module = torch_files.make(num_actions=45, num_objects=2)
    found = imported.read(str(torch_files.save(tmp_path / "a.pth", module)))
    run = imported.make_run(found, config_of(found), None)
    assert run.dataset.action_names == FPHA.action_names
    assert run.dataset.object_names == ("object 0", "object 1")
    assert (run.dataset.name, run.dataset.image_size) == ("fpha", (480, 270))
    assert (run.dataset.fingerprint, run.steps_per_epoch) == (None, None)


def test_the_image_size_may_be_given(found):
    run = imported.make_run(found, config_of(found, data__image_size=(240, 135)), None)
    assert run.dataset.image_size == (240, 135)


def test_a_dataset_names_the_classes_and_counts_the_steps(found, source):
    run = imported.make_run(found, config_of(found, data__spacing=1, batch_size=3), source)
    assert run.dataset == dataset_facts(source, None)
    assert run.config.data.directory == str(source.directory)
    # A clip starts at frames 0, 1, .. t - 1 of every T: two of the four in each of 8 and 6 frames.
    assert run.steps_per_epoch == 3


def test_a_student_goes_on_without_its_teacher_and_all_that_is_of_it(found):
    names = ("teacher", "data", "cache")
    config = config_of(found, **{f"distill__{name}": "elsewhere" for name in names})
    run = imported.make_run(found, config, None)
    assert [run.config.distill[name] for name in names] == [""] * 3


def test_a_run_knows_its_file(path, found):
    run = imported.make_run(found, config_of(found), None)
    checksum = hashlib.sha256(path.read_bytes()).hexdigest()
    assert run.imported_from == f"published.pth, epoch 30, SHA-256 {checksum}"


def test_a_file_without_moments_says_why(tmp_path, path):
    module = torch_files.make()
    bare = imported.read(str(torch_files.save(tmp_path / "a.pth", module)))
    assert (bare.moments, bare.note) == (None, "the file has no optimizer's state, or several")
    adamw = torch.optim.AdamW(module.parameters())
    other = imported.read(str(torch_files.save(tmp_path / "c.pth", module, adamw)))
    assert other.moments is None
    assert other.note.startswith("the optimizer's weight_decay is 0.01, expected 0")


def test_safetensors_of_the_same_names_are_the_same_model(tmp_path, path, found):
    tensors = torch.load(path, weights_only=False)["state_dict"]
    save_file(tensors, tmp_path / "a.safetensors")
    again = imported.read(str(tmp_path / "a.safetensors"))
    assert again.sizes == found.sizes
    jax.tree.map(np.testing.assert_array_equal, again.variables, found.variables)


def test_other_hands_than_known_datasets_have_need_their_dataset(tmp_path):
    path = torch_files.save(tmp_path / "a.pth", torch_files.make(num_joints=16))
    found = imported.read(str(path))
    with pytest.raises(
        InputError, match=r"a.pth is of 16 joints, expected 21 \(FPHA\), 42 \(H2O\); name the"
    ):
        found.default_config()
    hand = hand_of(("thumb", "index", "middle"), 5)
    spec = dataclasses.replace(FPHA, name="claw", title="Claw", skeleton=hand)
    data = prepared.write_dataset(tmp_path / "claw", spec, {"train": [8, 6]})
    source = RecordSource(data, "train")
    config = found.default_config(source)
    config.update_from_flattened_dict({"model.heads": 2, "model.window": 2, "data.frames": 4})
    assert imported.make_run(found, config, source).dataset.spec == spec


def test_of_several_datasets_that_fit_the_classes_decide_or_else_the_user(tmp_path, monkeypatch):
    classes = {"open": "milk", "close": "milk", "put": "salt"}
    other = dataclasses.replace(FPHA, name="other", title="Other", object_of_action=classes)
    monkeypatch.setitem(SPECS, "other", other)

    def found(**sizes):
        path = torch_files.save(tmp_path / "a.pth", torch_files.make(**sizes))
        return imported.read(str(path))

    assert found(num_actions=45, num_objects=26).spec == FPHA
    assert found(num_actions=3, num_objects=2).spec == other
    with pytest.raises(InputError, match=r"is of 21 joints, as FPHA and Other have, and its cla"):
        found(num_actions=7, num_objects=2).default_config()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"model__window": 1}, r"config.model.window=1 does not fit .*published.pth"),
        ({"model__cascaded": False}, r"config.model.cascaded=False does not fit"),
        ({"model__verb_noun": True}, r"config.model.verb_noun=True does not fit"),
        ({"model__forecast": 4}, r"config.model.forecast=4 does not fit"),
        ({"model__spatial": "queries"}, r"config.model.spatial=queries does not fit"),
        ({"model__action_inputs": ("pose",)}, r"config.model.action_inputs=\('pose',\) does not"),
        ({"model__heads": 5}, r"config.model.width=32 must be .* config.model.heads=5"),
        (
            {"model__dtype": "int8"},
            r"config.model.dtype='int8' must be one of float32, bfloat16, auto",
        ),
        ({"data__frames": 5}, r"config.data.frames=5 is not a multiple of config.model.window=2"),
        ({"batch_size": 0}, r"config.batch_size=0 must be at least 1"),
        ({"checkpoint__best_metric": "loss"}, r"config.checkpoint.best_metric='loss' must be one"),
    ],
)
def test_a_config_that_does_not_fit_is_refused(found, options, message):
    with pytest.raises(InputError, match=message):
        imported.make_run(found, config_of(found, **options), None)


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"num_actions": 4}, r"a.pth has num_actions 4, the dataset in .* 3; name the dataset"),
        ({"num_objects": 1}, r"a.pth has num_objects 1, the dataset in .* 2"),
        ({"num_joints": 42}, r"a.pth has num_joints 42, the dataset in .* 21"),
    ],
)
def test_another_dataset_is_refused(tmp_path, source, sizes, message):
    found = imported.read(str(torch_files.save(tmp_path / "a.pth", torch_files.make(**sizes))))
    with pytest.raises(InputError, match=message):
        imported.make_run(found, config_of(found), source)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    """A file that carries the run it was exported from, and that run."""
    facts = DatasetFacts(FPHA, ("a", "b", "c"), ("x", "y"), (32, 18), "1234")
    run = Run(runs.tiny_config("data", (32, 18)), facts, steps_per_epoch=11)
    state_dict = torch_files.make().state_dict()
    description = json.dumps(json.loads(to_json(run)) | {"step": 29})
    path = tmp_path_factory.mktemp("exported") / "a.safetensors"
    save_file(state_dict, path, metadata={"htt_jax": description})
    return imported.read(str(path)), run


def test_an_exported_file_is_the_run_it_came_from(exported):
    found, run = exported
    again = imported.make_run(found, found.default_config(), None)
    assert again.config.to_dict() == run.config.to_dict()  # tuples and all
    assert (again.dataset, again.steps_per_epoch) == (run.dataset, run.steps_per_epoch)
    assert found.step == 29


def test_weights_have_learned_what_their_run_has_whatever_a_dataset_knows(
    exported, found, source, tmp_path
):
    def learned(found, source):
        run = imported.make_run(found, found.default_config(), source)
        return learned_joints(run.config, run.dataset.spec), run.dataset.spec.fitted_joints

    def of_run(joints, **options):
        facts = dataclasses.replace(FPHA, joints=joints, fitted_joints=True)
        config = runs.tiny_config("data", (32, 18))
        config.update_from_flattened_dict(options)
        dataset = dataclasses.replace(exported[1].dataset, spec=facts)
        return imported.read(described_file(tmp_path, to_json(Run(config, dataset))))

    assert learned(of_run(IN_IMAGES), source) == (IN_IMAGES, True)  # which knows all in space
    assert learned(of_run(NO_JOINTS), None) == (NO_JOINTS, True)
    student = of_run(COMPLETE, **{"distill.teacher": "runs/teacher"})
    assert learned(student, None) == learned(student, source) == (COMPLETE, True)
    unlabelled = dataclasses.replace(FPHA, joints=NO_JOINTS)
    data = prepared.write_dataset(tmp_path / "data", unlabelled, {"train": [8, 6]})
    run = imported.make_run(found, config_of(found), RecordSource(data, "train"))
    assert run.dataset.spec == FPHA


def test_options_that_an_exported_file_does_not_know_are_the_papers(exported, tmp_path):
    found, run = exported
    description = json.loads(found.file.description)
    del description["config"]["init"]["checkpoint"], description["steps_per_epoch"]
    path = tmp_path / "a.safetensors"
    save_file(torch_files.make().state_dict(), path, metadata={"htt_jax": json.dumps(description)})
    older = imported.read(str(path))
    expected = run.config.copy_and_resolve_references()
    expected.init.checkpoint = fpha.get_config().init.checkpoint
    assert older.default_config().to_dict() == expected.to_dict()


def test_an_exported_file_takes_another_image_size(exported):
    found, _ = exported
    config = found.default_config()
    config.data.image_size = (64, 36)
    assert imported.make_run(found, config, None).dataset.image_size == (64, 36)


@pytest.mark.parametrize("option", ["batch_size", "data.frames", "data.spacing", "model.window"])
def test_an_exported_file_in_other_clips_has_epochs_of_unknown_length(exported, option):
    found, run = exported
    config = found.default_config()
    config.update_from_flattened_dict({option: 4})
    config.data.frames = max(config.data.frames, 8) if option == "data.frames" else 4
    assert imported.make_run(found, config, None).steps_per_epoch is None
    assert imported.make_run(found, run.config, None).steps_per_epoch == 11


def test_a_file_that_was_trained_on_since_its_export_is_at_no_step_of_the_run(exported, path):
    file = weights.read(str(path))
    facts = json.loads(exported[0].file.description)
    for adam_steps, step in ((torch_files.STEPS, 29), (2, None), (None, None)):
        described = json.dumps(facts | {"adam_steps": adam_steps})
        found = imported.Imported(
            dataclasses.replace(file, description=described),
            *dataclasses.astuple(exported[0])[1:3],
            adam.from_torch(file.optimizer, file.tensors),
            "",
        )
        assert found.step == step


def test_a_description_of_other_weights_is_refused_unless_a_dataset_is_named(
    exported, source, tmp_path
):
    description = json.loads(exported[0].file.description)
    description["dataset"]["action_names"] = ["a", "b"]
    path = described_file(tmp_path, json.dumps(description))
    found = imported.read(path)
    with pytest.raises(InputError, match=r"num_actions 3, its description .* 2: .* with --data$"):
        imported.make_run(found, found.default_config(), None)
    run = imported.make_run(found, found.default_config(), source)
    assert len(run.dataset.action_names) == 3


def described_file(folder, description):
    save_file(
        torch_files.make().state_dict(),
        folder / "a.safetensors",
        metadata={"htt_jax": description},
    )
    return str(folder / "a.safetensors")


@pytest.mark.parametrize("description", ["no JSON", "[]", '{"config": {}}'])
def test_a_damaged_description_is_named(tmp_path, description):
    found = imported.read(described_file(tmp_path, description))
    with pytest.raises(InputError, match=r"a.safetensors is not the description of a run"):
        found.default_config()
