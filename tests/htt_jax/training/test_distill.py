"""A student and its teacher: who can teach, what is kept of it, and training on that."""

import dataclasses
import json
import os
import pickle
import shutil

import numpy as np
import pytest

from htt_jax.data import taught, tfrecord
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA, H2O
from htt_jax.evaluation.one_run import evaluate
from htt_jax.runs.directory import CHECKPOINTS, Run, dataset_facts, read, start
from htt_jax.runs.options import get_config
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from htt_jax.training import agreement
from htt_jax.training.answers import FOLDER
from htt_jax.training.loop import train
from htt_jax.training.teacher import no_longer_asked, open_teacher, trained_on
from tests import prepared, runs, train_runs

pytestmark = pytest.mark.proof  # whole trainings

SIZE = (64, 36)
HALF = (32, 18)
SIZES = {"model.backbone_width": 2, "model.width": 16}


@pytest.fixture(scope="module", autouse=True)
def _small_shards():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(taught, "FRAMES_OF_A_SHARD", 10)
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory, one_program):
    """A dataset, videos without labels, a teacher of wider tokens, and a student half its size."""
    root = tmp_path_factory.mktemp("distill")
    data = prepared.write_dataset(root / "data", FPHA, {"train": [9, 7, 4], "test": [5]}, SIZE)
    prepared.write_dataset(root / "videos", H2O, {"train": [8]}, SIZE, seed=1)
    runs.initialise_run(root / "teacher", data)
    runs.initialise_run(root / "start", data, HALF, **SIZES)  # sooner made than by training
    train(student(root), root / "student")
    return root


def student(root, **options):
    config = runs.tiny_config(root / "data", HALF)
    paths = {"init.checkpoint": "start", "distill.teacher": "teacher", "distill.data": "videos"}
    given = SIZES | {name: str(root / path) for name, path in paths.items()}
    given |= {"distill.tokens": 1.0, "batch_size": 4, "checkpoint.every_steps": 3}
    given |= {"log.every_steps": 1}
    given |= {name.replace("__", "."): value for name, value in options.items()}
    config.update_from_flattened_dict(given)
    return config


def kept(workdir):
    """The shards of answers in a run's folder."""
    return [place(path) for path in sorted((workdir / FOLDER).glob("*/*.tfrecord*-of-0000?"))]


def test_a_student_learns_labels_and_answers_and_its_run_says_of_whom(root):
    steps = train_runs.steps(root / "student")
    names = ("joints_2d", "depth", "object", "action", "tokens")
    for step in steps.values():
        assert all(step[f"loss_taught_{name}"] > 0 for name in names)
    assert any(step["loss_action"] > 0 for step in steps.values())
    labelled = RecordSource(root / "data", "train")
    told = read(root / "student")
    assert told.dataset.fingerprint == labelled.fingerprint
    assert set(told.taught_by) == {"teacher", "videos"}
    assert told.taught_by["videos"] != labelled.fingerprint


def test_the_answers_kept_are_those_of_its_evaluation_frame_by_frame(root):
    found = evaluate(str(root / "teacher"), split="train").estimates
    (description,) = (root / "student" / FOLDER).glob("*/answers.json")
    sizes = taught.Sizes(**json.loads(description.read_text())["sizes"])
    records = taught.AnswerRecords(kept(root / "student"), sizes)
    source = RecordSource(root / "data", "train")
    for video, name in enumerate(source.video_ids):
        answers = pickle.loads(pickle.dumps(records))[name]
        frames = found.frames_of(video)
        np.testing.assert_allclose(answers.joints_3d, found.joints_3d[frames], rtol=1e-4)
        np.testing.assert_array_equal(answers.objects.argmax(axis=-1), found.object[frames])
        for clip in np.flatnonzero(found.clip_video == video):
            count = found.clip_frames[clip]
            of_clip = found.clip_start[clip] + found.spacing * np.arange(count)
            last = found.action_over_time[clip, (count - 1) // found.window]
            np.testing.assert_allclose(
                answers.actions[of_clip], np.tile(last, (count, 1)), rtol=1e-4
            )
        assert answers.tokens.shape == (source.frame_counts[video], sizes.tokens)
    assert records["unlabelled/Subject_1/open_milk/0"].joints_3d.shape == (8, 21, 3)


def test_losses_after_an_interruption_are_bit_equal_and_missing_answers_asked_again(root):
    workdir = shutil.copytree(root / "student", root / "interrupted")
    last = max(int(path.name) for path in (workdir / CHECKPOINTS).iterdir())
    shutil.rmtree(workdir / CHECKPOINTS / str(last))
    first, *others = kept(workdir)
    content = [path.read_bytes() for path in others]
    before = os.stat(first).st_ino
    others[0].write_bytes(content[0][:-5] + b"oops!")
    others[-1].unlink()
    assert len(others) > 1
    train(student(root), workdir)
    assert os.stat(first).st_ino == before
    assert [path.read_bytes() for path in others] == content
    assert train_runs.steps(workdir) == train_runs.steps(root / "student")


def test_a_shard_whose_index_is_of_other_answers_is_asked_again(root, tmp_path):
    source = trained_on(student(root), RecordSource(root / "data", "train"))
    first = place(shutil.copy(kept(root / "student")[0], tmp_path))
    index = json.loads(tfrecord.index_path(kept(root / "student")[0]).read_text())

    def is_whole(**changes):
        tfrecord.index_path(first).write_text(json.dumps(index | changes))
        return taught.is_whole(first, source, range(2))

    assert is_whole()
    assert not is_whole(video_ids=index["video_ids"][::-1])
    assert not is_whole(crcs=index["crcs"][::-1])
    assert not is_whole(frames=[9, 8])
    assert not taught.is_whole(first, source, range(1, 3))


def test_a_run_that_has_ended_needs_no_teacher_but_one_that_has_not_does(root, tmp_path):
    workdir = shutil.copytree(root / "student", tmp_path / "ended")
    (root / "teacher").rename(root / "away")
    try:
        train(student(root), workdir)
        assert read(workdir).taught_by == read(root / "student").taught_by
        with pytest.raises(InputError, match=r"student holds another run: taught_by.videos is"):
            train(student(root, distill__data=""), root / "student")
        with pytest.raises(InputError, match="is no trained run"):
            train(student(root, epochs=2), workdir)
    finally:
        (root / "away").rename(root / "teacher")


def test_what_is_wrong_with_paths_is_told_by_their_options(root, tmp_path):
    labelled = RecordSource(root / "data", "train")
    with pytest.raises(InputError, match=r"^config.distill.data=.*nothing: no directory .*nothing"):
        trained_on(student(root, distill__data=str(tmp_path / "nothing")), labelled)
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match=r"^config.distill.cache=.*file: cannot write to .*file/"):
        train(student(root, distill__cache=str(tmp_path / "file")), tmp_path / "run")


def test_hosts_must_have_the_same_videos_and_all_a_teacher_or_none(root, tmp_path):
    labelled = RecordSource(root / "data", "train")

    def facts(source, **options):
        config = student(root, **options)
        return agreement.facts(config, root / "run", dataset_facts(labelled, HALF), source, 5)

    both = trained_on(student(root), labelled)
    ours = facts(both)
    assert facts(both, distill__data="elsewhere", distill__cache="/cache") == ours
    assert facts(labelled)["config.distill.data"] != ours["config.distill.data"]
    videos = prepared.write_dataset(tmp_path / "videos", H2O, {"train": [8]}, SIZE, seed=2)
    other = trained_on(student(root, distill__data=str(videos)), labelled)
    assert facts(other)["config.distill.data"] != ours["config.distill.data"]
    assert facts(both, distill__teacher="") == ours | {"config.distill.teacher": "not named"}


def test_a_teacher_or_videos_that_have_changed_are_never_taken_for_those_there_were(root):
    other = root / "other"
    runs.initialise_run(other, root / "data", seed=3)
    with pytest.raises(InputError, match=r"student holds another run: taught_by.teacher is '\w+'"):
        train(student(root, distill__teacher=str(other)), root / "student")
    with pytest.raises(InputError, match=r"student holds another run: .* None here"):
        train(student(root, distill__teacher="", distill__data=""), root / "student")
    with pytest.raises(InputError, match=r"student holds another run: taught_by.videos is '\w+'"):
        train(student(root, distill__data=""), root / "student")
    copy = shutil.copytree(root / "teacher", root / "copy")  # is the same, wherever it lies
    teacher = open_teacher(
        student(root, distill__teacher=str(copy)), RecordSource(root / "data", "train")
    )
    assert read(root / "student").taught_by["teacher"] == teacher.fingerprint
    facts = json.loads((copy / "run.json").read_text())
    facts["config"]["model"] |= {"pixel_scale": 37.0, "depth_scale": 1e-4}  # of imported weights
    (copy / "run.json").write_text(json.dumps(facts))
    of_other_scales = open_teacher(
        student(root, distill__teacher=str(copy)), RecordSource(root / "data", "train")
    )
    assert of_other_scales.fingerprint != teacher.fingerprint


def described(folder, directory, config):
    """A run with a description and the beginning of a checkpoint."""
    start(folder, Run(config, dataset_facts(RecordSource(directory, "train"), None)))
    (folder / CHECKPOINTS / "1").mkdir(parents=True)
    return folder


def test_who_cannot_teach_is_refused_before_anything_is_written(root, tmp_path, monkeypatch):
    source = RecordSource(root / "data", "train")

    def refused(teacher, said):
        with pytest.raises(InputError, match=said) as error:
            open_teacher(student(root, distill__teacher=str(teacher)), source)
        assert str(error.value).startswith("config.distill.teacher=")
        assert "\n" not in str(error.value)

    refused(tmp_path, r"is no trained run; name the folder of one")
    hands = prepared.write_dataset(tmp_path / "hands", H2O, {"train": [2], "test": [2]})
    refused(
        described(tmp_path / "of_hands", hands, get_config()),
        r"cannot teach on .*data: its hands or their joints are others .* name a teacher of these",
    )
    depth = get_config("depth")
    refused(described(tmp_path / "depth", root / "data", depth), r"is of config.system=depth")
    maps = get_config()
    maps.data.camera = "depth"
    refused(described(tmp_path / "maps", root / "data", maps), r"looks through the depth camera")
    monkeypatch.setattr(prepared, "ACTIONS", ["open_milk", "close_milk", "put_sugar"])
    named = prepared.write_dataset(tmp_path / "named", FPHA, {"train": [2], "test": [2]})
    refused(
        described(tmp_path / "of_named", named, get_config()),
        r"action class 2 is 'put_salt', the run was trained with 'put_sugar'",
    )
    monkeypatch.undo()
    square = dataclasses.replace(FPHA, native_size=(720, 720), camera=(700.0, 700.0, 360.0, 360.0))
    of_square = prepared.write_dataset(tmp_path / "square", square, {"train": [2]}, HALF)
    refused(
        described(tmp_path / "of_square", of_square, get_config()),
        r"frames of its .* show 1.78 times as much .* on 1.00 times, .* of that shape",
    )
    large = prepared.write_dataset(tmp_path / "large", FPHA, {"train": [2]}, (128, 72))
    refused(
        described(tmp_path / "of_large", large, get_config()),
        r"cannot teach on .*data: image size 128x72 does not fit frames stored at 64x36",
    )


def test_an_answer_that_is_a_product_with_verb_and_noun_is_not_taught(root, tmp_path):
    with pytest.raises(InputError, match=r"verb_noun=True: .*; set config.distill.action=0 or"):
        train(student(root, model__verb_noun=True), tmp_path / "run")


def test_a_folder_of_a_run_of_another_system_was_not_taught(root, tmp_path):
    of_depth = described(tmp_path / "depth", root / "data", get_config("depth"))
    assert no_longer_asked(student(root), of_depth, 1) is None


def test_a_start_with_a_teacher_that_is_none_makes_no_folder(root, tmp_path):
    with pytest.raises(InputError, match="is no trained run"):
        train(student(root, distill__teacher=str(tmp_path)), tmp_path / "run")
    assert not (tmp_path / "run").exists()
