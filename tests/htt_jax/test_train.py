"""What a run makes of bad input; `test_train_processes` trains to the end."""

import re

import numpy as np
import pytest

from htt_jax import systems, train
from htt_jax.data import records, tfrecord
from htt_jax.data.records import RecordSource
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.models.htt import HTT
from htt_jax.optimizer import adam, step_decay
from htt_jax.runs import checkpoint, version
from htt_jax.runs.directory import CHECKPOINTS, Run, dataset_facts, read, start
from htt_jax.runs.state import TrainState, abstract_state, random_state
from htt_jax.support.errors import InputError
from htt_jax.support.locking import locked
from htt_jax.systems.htt.system import HTTSystem
from htt_jax.training.input import train_batches
from htt_jax.training.loop import make_update, random_key
from tests import prepared, train_runs


@pytest.fixture
def dataset(tmp_path):
    splits = {"train": [24, 24], "test": [5], "empty": []}
    return prepared.write_dataset(tmp_path / "data", FPHA, splits, (32, 18))


def rewrite(dataset, split, change):
    """Writes the videos of a split again, each after `change`."""
    source = RecordSource(dataset, split)
    videos = [source[number] for number in range(len(source))]
    schema = records.features(FPHA, source.action_names, source.object_names)
    with records.ShardWriter(records.shard_path(dataset, FPHA, split, 0, 1)) as shard:
        for video in videos:
            change(video)
            shard.write(records.encode(video, schema), len(video.frames), video.video_id)


# What else can be wrong there `tests/htt_jax/support/test_cli.py` has.
def test_mistakes_on_the_command_line_are_one_line_and_status_2(tmp_path):
    expected = {
        (
            "--config.optimiser=adam",
        ): r"unknown config option 'optimiser': Did you mean \"optimizer",
        ("--coordinator_address=localhost:1",): r"also needs --num_processes and --process_id",
    }
    processes = {
        arguments: train_runs.start(
            train_runs.command(tmp_path / "data", tmp_path / "run", *arguments)
        )
        for arguments in expected
    }
    for arguments, message in expected.items():
        said = train_runs.finish(processes[arguments])
        assert re.match(rf"error: .*{message}", said), said
        assert said.count("\n") == 1, said
        assert processes[arguments].returncode == 2
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"data__directory": "no/where"}, "no directory no/where; prepare a dataset"),
        ({"eval__split": "val"}, "has no split 'val'; it has train, test, empty"),
        ({"eval__split": "empty"}, "split 'empty' of .* is empty"),
        ({"data__frames": 9}, "config.data.frames=9 is not a multiple of config.model.window=4"),
        ({"data__image_size": (640, 360)}, "640x360 does not fit frames stored at 32x18"),
        (
            {"init__backbone": "no.safetensors", "model__backbone_width": 64},
            r"of resnet18 at config.init.backbone=no.safetensors: .*timm/resnet18",
        ),
    ],
)
def test_options_that_do_not_fit_are_refused_before_training(dataset, tmp_path, options, message):
    with pytest.raises(InputError, match=message):
        train.train(train_runs.tiny_config(dataset, **options), str(tmp_path / "run"))


def test_a_start_without_its_weights_makes_no_folder(dataset, tmp_path):
    for missing in ({"init__backbone": "no.safetensors"}, {"init__checkpoint": "no.pth"}):
        with pytest.raises(InputError, match=r"no ImageNet weights|no such run or file: no\.pth"):
            train.train(train_runs.tiny_config(dataset, **missing), str(tmp_path / "run"))
    assert not (tmp_path / "run").exists()


def test_a_folder_in_which_another_process_trains_is_refused(dataset, tmp_path):
    config = train_runs.tiny_config(dataset)
    with locked(tmp_path / "run"), pytest.raises(InputError, match="another process is writing"):
        train.train(config, str(tmp_path / "run"))
    assert [path.name for path in (tmp_path / "run").iterdir()] == [".lock"]


def test_a_folder_that_cannot_be_made_is_refused_at_the_start(dataset, tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot make the folder .*run: .*another --workdir"):
        train.train(train_runs.tiny_config(dataset), str(tmp_path / "file/run"))


def test_a_run_with_a_checkpoint_is_not_continued_with_another_config(dataset, tmp_path):
    workdir = tmp_path / "run"
    config = train_runs.tiny_config(dataset, model__dtype="float32")
    start(workdir, Run(config, dataset_facts(RecordSource(dataset, "train"), None), 3))
    (workdir / CHECKPOINTS / "3").mkdir(parents=True)
    changed = train_runs.tiny_config(dataset, optimizer__learning_rate=0.5)
    with pytest.raises(InputError, match=r"learning_rate is 0.001 there and 0.5 here"):
        train.train(changed, str(workdir))
    rewrite(dataset, "train", lambda video: video.joints_3d.fill(1.0))
    with pytest.raises(InputError, match=r"dataset.fingerprint is '\w+' there and '\w+' here"):
        train.train(train_runs.tiny_config(dataset), str(workdir))


def test_the_best_action_accuracy_needs_a_split_with_known_actions(dataset, tmp_path):
    def hide(video):
        video.action = -1

    rewrite(dataset, "test", hide)
    with pytest.raises(
        InputError, match=r"actions of split 'test' are hidden.*best_metric=mepe or another"
    ):
        train.train(train_runs.tiny_config(dataset), str(tmp_path / "run"))


def test_a_loss_that_is_not_finite_stops_the_run_and_leaves_the_last_checkpoint(dataset, tmp_path):
    def poison(video):
        if video.video_id.endswith("/0"):
            video.joints_3d[0] = np.nan

    rewrite(dataset, "train", poison)
    workdir = tmp_path / "run"
    options = {"seed": 1, "data__spacing": 1}  # programs of `test_train_processes`, which are kept
    config = train_runs.tiny_config(dataset, **options, checkpoint__every_steps=1)
    with pytest.raises(InputError) as stopped:
        train.train(config, workdir)
    found = re.match(r"the loss of step (\d+) is not finite: .*loss_depth nan", str(stopped.value))
    assert found, stopped.value
    assert "its clips: " in str(stopped.value)
    assert "Subject_1/open_milk/0 from frame 0" in str(stopped.value)
    last = int(found[1]) - 1
    assert last >= 1
    assert max(train_runs.steps(workdir)) == last
    run = read(workdir)
    assert run.trained_by == version.describe()
    assert run.config.model.dtype == "float32"  # what "auto" was on this device
    restored = restore(workdir, dataset)
    assert restored.step == last
    assert np.isfinite(restored.params["action_token"]).all()


def restore(workdir, dataset) -> TrainState:
    """The newest state of a tiny run."""
    run = read(workdir)
    system = systems.make(run.config, run.dataset)
    optimizer = adam(lambda step: 1e-3)
    abstract = abstract_state(system, optimizer, sharding.make_mesh(1))
    with checkpoint.Checkpoints(
        workdir / CHECKPOINTS, keep=1, best_metric="mepe", read_only=True
    ) as checkpoints:
        return checkpoints.restore_newest(abstract)


def test_equal_trainings_in_a_process_share_their_program():
    def program(steps_per_epoch):
        system = HTTSystem(HTT(num_actions=3, num_objects=2, width=32, heads=4, backbone_width=4))
        schedule = step_decay(1e-3, 0.5, 15, steps_per_epoch)
        return make_update(system, schedule, sharding.make_mesh(1))

    assert program(3) is program(3)
    assert program(4) is not program(3)


def test_the_compiled_step_serves_every_seed_and_each_draws_its_own(dataset):
    config = train_runs.tiny_config(dataset)
    source, mesh = RecordSource(dataset, "train"), sharding.single_device_mesh()
    system = systems.make(config, dataset_facts(source, config.data.image_size))
    schedule = step_decay(1e-3, 0.5, 15, steps_per_epoch=3)
    optimizer = system.optimizer(schedule)
    abstract = abstract_state(system, optimizer, mesh)
    batches, _ = train_batches(config, source, mesh, 0, 1)
    batch = next(batches).arrays
    batches.close()
    program = make_update(system, schedule, mesh)
    program = program.lower(abstract, batch, random_key(0, mesh)).compile()

    def loss(seed):
        state = random_state(system, optimizer, 0, abstract)  # which a step uses up
        return float(program(state, batch, random_key(seed, mesh))[1]["loss"])

    found = [loss(seed) for seed in (3, 3, 4)]
    assert found[0] == found[1] != found[2]


def test_a_damaged_shard_stops_the_run_with_its_place(dataset, tmp_path):
    shard = records.shard_path(dataset, FPHA, "train", 0, 1)
    content = bytearray(shard.read_bytes())
    content[-100] ^= 1
    shard.write_bytes(content)
    offset = tfrecord.stored_index(shard).offsets[1]
    process = train_runs.start(train_runs.command(dataset, tmp_path / "run", train_runs.FULL_CLIPS))
    said = train_runs.finish(process)
    assert process.returncode == 2
    assert "Traceback" not in said
    expected = f"error: damaged shard {shard}: record 1 at byte {offset}: the checksum of its data"
    assert said.splitlines()[-1].startswith(expected)
