"""A dataset nobody has heard of, from raw files to every command, without an edit to any module.

Three hands of 26 joints, classes of its own, no published figures; simulated, as it says.
"""

import contextlib
import io
import json

import cv2
import jax
import numpy as np
import pytest

from data_prep import verify
from data_prep.own import command
from htt_jax import compare, evaluate, export, from_pytorch, predict, submit, train
from htt_jax.data.records import RecordSource
from htt_jax.datasets.skeleton import hand_of
from htt_jax.datasets.spec import H2O, DatasetSpec
from htt_jax.devices import sharding
from htt_jax.interop.opening import read_moments
from htt_jax.runs.directory import read
from htt_jax.runs.opening import open_run
from htt_jax.support.errors import InputError
from tests import runs

pytestmark = pytest.mark.proof  # a dataset through all commands

SIZE = (480, 270)
FRAMES = 5
CLASSES = {"knit_scarf": "scarf", "fold_scarf": "scarf", "wind_wool": "wool", "cut_wool": "wool"}
SPEC = DatasetSpec(
    name="knitting",
    title="simulated Knitting",
    hands=("left", "right", "helping"),
    skeleton=hand_of(("thumb", "index", "middle", "ring", "little"), 5),
    camera_space=H2O.camera_space,
    root_aligned=H2O.root_aligned,
    evaluation_split="test",
    native_size=SIZE,
    camera=(430.0, 430.0, 240.0, 135.0),
    antialiased=True,
    object_of_action=CLASSES,
    simulated=True,
    frame_rates=True,
)


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    """Pictures in `raw`, the prepared dataset in `data`, a run in `run`, evaluated."""
    root = tmp_path_factory.mktemp("own")
    rows = ["video,action,object,split,subject"]
    for split, actions in {"train": (0, 1, 2, 3), "test": (0, 2)}.items():
        for action in actions:
            _write_recording(root / f"raw/{split}/{action}", action)
            name = SPEC.action_names[action]
            rows.append(f"{split}/{action},{name},{CLASSES[name]},{split},anna")
    (root / "raw/labels.csv").write_text("\n".join(rows))
    (root / "raw/dataset.toml").write_text(_description())
    command.main([f"--raw={root}/raw", f"--out={root}/data", "--workers=1"])
    runs.initialise_run(root / "start", root / "data", (64, 36))
    config = runs.tiny_config(root / "data", (64, 36))
    config.init.checkpoint = str(root / "start")
    config.batch_size = 16  # all clips at once: one program
    config.data.balance = "actions"
    config.loss.class_weights = "balanced"  # all actions have as many clips: 1 each
    results = train.train(config, str(root / "run"))
    (root / "trained.json").write_text(json.dumps(results))
    evaluate.main(["--workdir", str(root / "run")])
    return root


def _description():
    names = SPEC.skeleton.joints
    content = {
        "name": "knitting",
        "title": "Knitting",
        "times": "frames",
        "hands": list(SPEC.hands),
        "joints": list(names),
        "bones": [[names[a], names[b]] for a, b in SPEC.skeleton.bones],
        "simulated": True,
    }
    fingers = {name: [names[i] for i in chain] for name, chain in SPEC.skeleton.fingers.items()}
    fx, fy, cx, cy = SPEC.camera
    tables = {
        "fingers": fingers,
        "camera": {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": SIZE[0], "height": SIZE[1]},
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in content.items()]
    for table, entries in tables.items():
        lines += [f"[{table}]", *(f"{k} = {json.dumps(v)}" for k, v in entries.items())]
    return "\n".join(lines)


def _write_recording(folder, action):
    folder.mkdir(parents=True)
    for number in range(FRAMES):
        picture = np.full((SIZE[1], SIZE[0], 3), 20 * action + 10 * number + 30, np.uint8)
        cv2.imwrite(str(folder / f"{number}.jpg"), picture)
    rng = np.random.default_rng(action)
    joints = rng.normal(0, 0.05, (FRAMES, SPEC.num_joints, 3)) + np.array([0.0, 0.0, 0.5])
    joints = joints.reshape(FRAMES, len(SPEC.hands), -1, 3)
    joints[0, 2] = np.nan
    np.savez(folder / "joints.npz", joints=joints)


def printed(main, *arguments):
    with contextlib.redirect_stdout(io.StringIO()) as output:
        main([str(argument) for argument in arguments])
    return output.getvalue()


def test_the_prepared_dataset_and_the_run_say_what_they_are(root):
    source = RecordSource(root / "data", "train")
    assert source.spec == read(root / "run").dataset.spec == SPEC
    assert source[3].joints_3d.shape == (FRAMES, 78, 3)
    assert not verify.verify(root / "data", workers=1).problems


def test_the_run_started_at_step_0_with_the_weights_of_its_checkpoint(root):
    run, before = (
        open_run(root / name, None, sharding.single_device_mesh()) for name in ("run", "start")
    )
    variables = jax.device_get((run.variables, before.variables))
    moved = jax.tree.map(lambda x, y: np.abs(x - y).max(), *variables)
    assert max(jax.tree.leaves(moved["batch_stats"])) == 0
    # Adam moves a weight by no more than about its rate at each step.
    assert 0 < max(jax.tree.leaves(moved["params"])) < 2 * run.step * 3e-5
    assert read_moments(run).steps == run.step == 1
    assert run.description.imported_from is None


def test_results_are_those_of_the_evaluation_in_training(root):
    found = json.loads((root / "run/evaluation/test/results.json").read_text())["results"]
    expected = json.loads((root / "trained.json").read_text())
    for hand in SPEC.hands:
        for space in ("camera_space", "root_aligned"):
            ours, theirs = (results["pose"][hand][space] for results in (found, expected))
            assert ours["mepe"] == pytest.approx(theirs["mepe"], rel=1e-6)
            np.testing.assert_allclose(ours["pck"], theirs["pck"], atol=1e-6)
    assert found["object"] == expected["object"]
    assert found["action"]["confusion"] == expected["action"]["confusion"]


def test_results_are_measured_hand_by_hand_without_published_rows(root):
    folder = root / "run/evaluation/test"
    pose = json.loads((folder / "results.json").read_text())["results"]["pose"]
    assert {hand: found["frames"] for hand, found in pose.items()} == {
        "left": 10,
        "right": 10,
        "helping": 8,
    }
    assert len(pose["helping"]["camera_space"]["mepe_per_joint"]) == 26
    assert len(pose["helping"]["root_aligned"]["mepe_per_joint"]) == 25
    tables = (folder / "tables.md").read_text()
    assert "helping hand, 8 frames" in tables
    assert "ublished" not in tables
    assert "simulated" in tables
    page = (folder / "report.html").read_text()
    assert "simulated Knitting test" in page
    assert "The frames are simulated, not filmed" in page
    assert "little_5" in (folder / "tables/error_by_joint.csv").read_text()


def test_comparison_has_the_ablations_without_published_figures(root):
    text = printed(compare.main, root / "run", "--out", root / "compared")
    assert "AUC helping" in text
    assert "ublished" not in text
    assert "The frames are simulated, not filmed." in text
    assert json.loads((root / "compared/compare.json").read_text())["published"] == {
        "pose_of_window": {},
        "action_per_cent_of_frames": {},
        "action_per_cent_of_variant": {},
    }


def test_prediction_draws_three_hands(root):
    printed(
        predict.main,
        *(root / "raw/test/0", "--workdir", root / "run", "--out", root / "predicted"),
    )
    found = json.loads((root / "predicted/predictions.json").read_text())
    hands = found["frames"][0]["hands"]
    assert tuple(hands) == SPEC.hands
    assert {len(of["joints_3d"]) for of in hands.values()} == {26}
    assert found["joint_names"][-1] == "little_5"
    assert (root / "predicted/prediction.mp4").stat().st_size > 1000


def test_exports_describe_it_and_come_back(root):
    for to, name in (("pytorch", "a.pth"), ("stablehlo", "a.stablehlo")):
        printed(export.main, "--workdir", root / "run", "--to", to, "--out", root / to / name)
        card = (root / to / f"{name}.md").read_text()
        assert "78 joints (left and right and helping hand)" in card
        assert "trained on simulated frames" in card
    printed(from_pytorch.main, root / "pytorch/a.pth", "--out", root / "back")
    assert read(root / "back").dataset == read(root / "run").dataset


def test_the_challenge_of_h2o_is_refused(root):
    (root / "submission").mkdir()
    with pytest.raises(InputError, match="is of simulated Knitting, but the challenge is H2O's"):
        submit.main(["--workdir", str(root / "run"), "--out", str(root / "submission")])
