"""A published checkpoint becomes a run that the other commands take, or one line says why not."""

import json
import pathlib
import shutil

import jax
import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from htt_jax import (
    evaluate,
    from_pytorch,
    predict,
    train,
)
from htt_jax.datasets.spec import FPHA
from htt_jax.devices import sharding
from htt_jax.interop import pytorch
from htt_jax.interop.opening import read_moments
from htt_jax.runs import directory
from htt_jax.runs.opening import open_run
from htt_jax.support import cli
from htt_jax.support.errors import InputError
from htt_jax.support.paths import place
from tests import prepared, runs, torch_files, train_runs

EPOCH = 2
TRAIN, TEST = [2] * 7, [7, 2]  # those of two frames are two clips of one
STEPS_PER_EPOCH = 7
OPTIONS = (
    "--config.epochs=3",
    *torch_files.OPTIONS,
    "--config.optimizer.decay_epochs=1",
    "--config.log.every_steps=1",
)


def tiny_config(directory):
    """The config that `OPTIONS` makes."""
    config = runs.tiny_config(directory)
    config.epochs = 3
    config.optimizer.decay_epochs = 1
    config.log.every_steps = 1
    return config


@pytest.fixture(scope="module")
def folder(tmp_path_factory, one_program):
    """A dataset, a checkpoint in PyTorch, and the run it becomes with and without the dataset."""
    root = tmp_path_factory.mktemp("from_pytorch")
    prepared.write_dataset(root / "data", FPHA, {"train": TRAIN, "test": TEST})
    torch_files.save_trained(root / "published.pth", EPOCH)
    command(root / "published.pth", root / "run", f"--data={root / 'data'}")
    command(root / "published.pth", root / "without")
    return root


def command(file, out, *options):
    from_pytorch.main([str(file), f"--out={out}", *OPTIONS, *options])


def refusal(capsys, file, out, *options):
    """The one line with which the command ends; nothing may be left behind."""
    out = pathlib.Path(out)
    before = sorted(out.parent.iterdir()) if out.parent.is_dir() else None
    with pytest.raises(SystemExit) as ended:
        cli.run(lambda: command(file, out, *options))
    assert ended.value.code == 2
    assert (sorted(out.parent.iterdir()) if out.parent.is_dir() else None) == before
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.startswith("error: ")
    assert printed.err.count("\n") == 1
    return printed.err


def variables_of(file):
    """What a checkpoint holds, read by torch itself."""
    state_dict = torch.load(file, weights_only=False)["state_dict"]
    return pytorch.to_variables(
        {name.removeprefix("module."): x.numpy() for name, x in state_dict.items()}
    )


def test_the_run_has_the_files_weights_bit_for_bit(folder):
    run = open_run(folder / "run", None, sharding.single_device_mesh())
    expected = variables_of(folder / "published.pth")
    jax.tree.map(np.testing.assert_array_equal, jax.device_get(run.variables), expected)
    assert run.step == EPOCH * STEPS_PER_EPOCH
    config = tiny_config(folder / "data")
    config.model.dtype = "float32"  # as PyTorch computed, on every device
    config.model.update(pixel_scale=100.0, depth_scale=1e-4)  # whatever the frames' width
    assert run.config.to_dict() == json.loads(json.dumps(config.to_dict()))
    assert run.dataset.action_names == tuple(prepared.ACTIONS)
    assert run.description.steps_per_epoch == STEPS_PER_EPOCH
    assert sorted(path.name for path in (folder / "run").iterdir()) == ["checkpoints", "run.json"]


@pytest.mark.proof
def test_a_run_in_a_bucket_is_that_of_the_disk_and_none_until_it_is_whole(folder, gcs, capsys):
    out = place(f"{gcs.root}/from_pytorch/run")
    command(folder / "published.pth", out, f"--data={folder / 'data'}")
    there = open_run(str(out), None, sharding.single_device_mesh())
    here = open_run(folder / "run", None, sharding.single_device_mesh())
    jax.tree.map(
        np.testing.assert_array_equal, *map(jax.device_get, (there.variables, here.variables))
    )
    assert (out / "run.json").read_text() == (folder / "run/run.json").read_text()
    with pytest.raises(InputError, match="exists and is not an empty folder"):
        command(folder / "published.pth", out)
    (out / f"checkpoints/{there.step}/commit_success.txt").unlink()
    assert not directory.exists(out)


def test_a_run_in_a_bucket_that_holds_no_checkpoints_is_refused(folder):
    with pytest.raises(InputError, match="s3://bucket/run cannot be a run's folder"):
        command(folder / "published.pth", "s3://bucket/run")


def test_the_run_has_the_files_moments(folder):
    run = open_run(folder / "run", None, sharding.single_device_mesh())
    moments = read_moments(run)
    optimizer = torch.load(folder / "published.pth", weights_only=False)["optimizer"]
    assert moments.steps == torch_files.STEPS
    token = moments.mean["action_token"]  # the first parameter
    np.testing.assert_array_equal(token, optimizer["state"][0]["exp_avg"].numpy().ravel())


def test_it_evaluates(folder):
    report = evaluate.evaluate(str(folder / "run"), split="test").report
    assert report["run"]["step"] == EPOCH * STEPS_PER_EPOCH
    assert report["dataset"]["frames"] == sum(TEST)
    assert np.isfinite(report["headline"]["mepe"])


def test_a_run_without_a_dataset_predicts_by_the_config_alone(folder):
    (folder / "frames").mkdir()
    video = prepared.make_video(FPHA, np.random.default_rng(0), 0, 5, (64, 36), 0)
    for number, encoded in enumerate(video.frames):
        (folder / f"frames/{number}.jpg").write_bytes(encoded)
    arguments = ["--workdir", str(folder / "without"), "--out", str(folder / "predicted")]
    predict.main([str(folder / "frames"), *arguments])
    with np.load(folder / "predicted/predictions.npz") as found:
        assert found["joints_3d"].shape == (5, 21, 3)
        assert found["action_names"].tolist() == ["action 0", "action 1", "action 2"]
        assert found["step"] == torch_files.STEPS


@pytest.mark.proof
def test_training_goes_on_after_the_epoch_with_moments_and_rate(folder, tmp_path):
    workdir = shutil.copytree(folder / "run", tmp_path / "run")
    train.train(tiny_config(folder / "data"), workdir)
    steps = train_runs.steps(workdir)
    first = EPOCH * STEPS_PER_EPOCH + 1
    assert list(steps) == list(range(first, first + STEPS_PER_EPOCH))
    assert steps[first]["learning_rate"] == pytest.approx(3e-5 * 0.5**EPOCH, rel=1e-6)
    run = open_run(workdir, 21, sharding.single_device_mesh())
    moments = read_moments(run)
    assert moments.steps == torch_files.STEPS + STEPS_PER_EPOCH
    assert moments.learning_rate == pytest.approx(3e-5 * 0.5**3, rel=1e-6)
    assert directory.read(workdir).imported_from.startswith("published.pth, epoch 2, SHA-256 ")


def test_training_without_the_dataset_at_hand_is_refused_with_the_way_out(folder):
    with pytest.raises(
        InputError,
        match=r"without was imported without a dataset to train on; import it again with --data, "
        r"or begin a new run with its weights: --config.init.checkpoint=.*without$",
    ):
        train.train(tiny_config(folder / "data"), folder / "without")


def test_what_was_read_is_said(folder, capsys):
    command(folder / "published.pth", folder / "said", f"--data={folder / 'data'}")
    assert capsys.readouterr().out.splitlines() == [
        "21 joints, 3 actions, 2 objects; 1 + 1 encoder layers of width 32: FPHA",
        "no tensor tells, so by the config: 2 heads, windows of 2, clips of 4 frames at spacing 2",
        "training would go on with Adam's moments of 3 steps, after step 14 (2 of 3 epochs), at "
        "learning rate 7.5e-06 (in the file: 0.0005)",
        f"written: {folder / 'said'}; next: python -m htt_jax.evaluate --workdir={folder / 'said'}",
    ]
    save_file(torch_files.make().state_dict(), folder / "bare.safetensors")
    command(folder / "bare.safetensors", folder / "bare")
    assert capsys.readouterr().out.splitlines()[2:4] == [
        "training would begin at step 0 with fresh moments: "
        "the file has no optimizer's state, or several",
        "to train in this folder, import it again and name the dataset with --data",
    ]


def test_another_optimizer_begins_anew_and_says_how_not_to(folder, capsys):
    out, option = folder / "muon", "--config.training.optimizer=muon"
    command(folder / "published.pth", out, f"--data={folder / 'data'}", option)
    assert capsys.readouterr().out.splitlines()[2] == (
        "training would begin at step 0 with fresh moments: config.training.optimizer=muon does "
        "not go on with Adam's; to go on with them, import the file with "
        "--config.training.optimizer=adam"
    )
    run = open_run(out, None, sharding.single_device_mesh())
    assert run.step == 0
    assert read_moments(run) is None


def test_a_dataset_of_other_clips_continues_at_its_own_step(folder, tmp_path):
    prepared.write_dataset(tmp_path / "data", FPHA, {"train": [8], "test": [6]})
    command(folder / "published.pth", tmp_path / "run", f"--data={tmp_path / 'data'}")
    run = open_run(tmp_path / "run", None, sharding.single_device_mesh())
    assert run.step == EPOCH * 2


@pytest.fixture
def wrong(tmp_path):
    """Makes a file whose state dict was changed."""

    def make(change):
        module = torch_files.make()
        state_dict = dict(module.state_dict())
        change(state_dict)
        torch.save({"state_dict": state_dict}, tmp_path / "wrong.pth")
        return tmp_path / "wrong.pth"

    return make


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda x: x.pop("action_token"), "missing: action_token (1, 1, 32);"),
        (lambda x: x.update(extra=torch.ones(2)), "not expected: extra (2,);"),
        (
            lambda x: x.update(action_token=torch.ones(1, 1, 31)),
            "wrongly shaped: action_token (1, 1, 31), expected (1, 1, 32);",
        ),
    ],
)
def test_wrong_tensors_are_named_and_nothing_is_written(wrong, tmp_path, capsys, change, message):
    assert message in refusal(capsys, wrong(change), tmp_path / "out")


def test_files_of_another_kind_are_named_and_nothing_is_written(tmp_path, capsys):
    prefix = "meshregnet.base_net."
    resnet = {
        name.removeprefix(prefix): x
        for name, x in torch_files.make().state_dict().items()
        if name.startswith(prefix)
    }
    torch.save(resnet, tmp_path / "resnet.pth")
    (tmp_path / "notes.txt").write_text("dear reader")
    out = tmp_path / "out"
    line = refusal(capsys, tmp_path / "resnet.pth", out)
    assert "resnet.pth does not hold an HTT but an ImageNet ResNet" in line
    assert "notes.txt is neither a .pth nor" in refusal(capsys, tmp_path / "notes.txt", out)
    assert "No such file or directory" in refusal(capsys, tmp_path / "gone.pth", out)
    assert "is a folder" in refusal(capsys, tmp_path, out)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--config.model.hedas=4"], "unknown config option 'hedas': Did you mean \"heads\""),
        (["--config.model.heads=many"], "flag --config.model.heads=many: invalid literal"),
        (["--config.model.heads=5"], "must be even and a multiple of config.model.heads=5"),
        (["--config.data.frames=5"], "config.data.frames=5 is not a multiple"),
        (["--config.model.window=1"], "config.model.window=1 does not fit"),
        (["--daat=x"], "Unknown command line flag 'daat'"),
        (["more.pth"], "unexpected argument 'more.pth'"),
        (["--data=nowhere"], "no directory nowhere"),
    ],
)
def test_wrong_options_are_named_and_nothing_is_written(folder, tmp_path, capsys, options, message):
    assert message in refusal(capsys, folder / "published.pth", tmp_path / "out", *options)


def test_a_dataset_of_other_classes_is_refused(folder, tmp_path, capsys):
    torch_files.save(tmp_path / "a.pth", torch_files.make(num_actions=5))
    line = refusal(capsys, tmp_path / "a.pth", tmp_path / "out", f"--data={folder / 'data'}")
    assert "a.pth has num_actions 5, the dataset in" in line


def test_an_output_folder_that_is_not_empty_stays_as_it_is(folder, tmp_path, capsys):
    file = folder / "published.pth"
    (tmp_path / "out").mkdir()
    (tmp_path / "out/mine").write_text("")
    line = refusal(capsys, file, tmp_path / "out")
    assert "out exists and is not an empty folder; name a new folder with --out" in line
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["mine"]
    assert "exists and is not an empty folder" in refusal(capsys, file, tmp_path / "out/mine")
    assert "cannot make the folder" in refusal(capsys, file, tmp_path / "out/mine/run")
    assert "gs:/bucket is not a local folder" in refusal(capsys, file, "gs://bucket/run")


@pytest.mark.parametrize("out", [".", "link"])
def test_an_empty_output_folder_is_filled(folder, tmp_path, monkeypatch, out):
    (tmp_path / "empty").mkdir()
    (tmp_path / "empty/link").symlink_to(tmp_path / "linked")
    (tmp_path / "linked").mkdir()
    if out == ".":
        (tmp_path / "empty/link").unlink()
    monkeypatch.chdir(tmp_path / "empty")
    command(folder / "published.pth", out)
    assert (
        directory.read(tmp_path / {".": "empty", "link": "linked"}[out]).imported_from is not None
    )
