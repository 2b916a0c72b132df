"""All stages of the depth systems by one command."""

import csv
import dataclasses
import json

import pytest

from htt_jax import depth_study
from htt_jax.datasets.spec import FPHA
from htt_jax.depth_studies.plan import PLAN
from htt_jax.support.errors import InputError
from tests import prepared

TINY = [
    *("model.width=4", "model.blocks=1", "model.hidden=8", "model.components=6"),
    *("model.action_width=8", "crops.size=16", "data.held_out=1", "epochs=0"),
    *("batch_size=4", "eval.batch_size=4", "action:data.frames=6", "untrained:data.frames=6"),
    *("action:data.first_frames=6", "untrained:data.first_frames=6", "action:epochs=1"),
]


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    spec = dataclasses.replace(FPHA, depth=True)
    prepared.write_dataset(folder / "data", spec, {"train": [5, 3, 4], "test": [3, 6]})
    return folder


def run(study, *arguments):
    places = [f"--data={study / 'data'}", f"--out={study / 'out'}"]
    depth_study.main([*places, "--steps", "untrained", *arguments, "--set", *TINY])


@pytest.mark.proof
def test_stages_run_in_their_order_once_and_stand_in_a_table(study, capsys):
    run(study)
    said = capsys.readouterr()
    order = ("pose network alone", "action network on true poses", "untrained chain")
    assert [line.split(": ")[1] for line in said.err.splitlines() if "of 3" in line] == list(order)
    assert "Crops by the published protocol" in said.out
    rows = {line.split("|")[1].strip(): line for line in said.out.splitlines() if "|" in line}
    assert "14.49" in rows["untrained chain"]
    assert "59" in rows["untrained chain"]
    content = json.loads((study / "out/study.json").read_text())
    (figures,) = content["steps"]["untrained"]["seeds"]
    assert figures["selected"] == figures["last"] == figures["best"]
    assert figures["selected"]["step"] == 0
    assert f"{figures['last']['mepe']:.2f}" in rows["untrained chain"]
    sheet = list(csv.DictReader((study / "out/study.csv").read_text().splitlines()))
    assert [row["step"] for row in sheet].count("untrained") == 3
    run(study)  # nothing is done again
    again = capsys.readouterr()
    assert "training" not in again.err
    assert again.out == said.out


@pytest.mark.proof
def test_other_options_are_another_study(study):
    if not (study / "out").exists():
        run(study)
    with pytest.raises(InputError, match=r"seed0/pose was run with other options"):
        depth_study.main(
            [f"--data={study / 'data'}", f"--out={study / 'out'}", "--steps", "pose", "--set"]
            + [option.replace("hidden=8", "hidden=12") for option in TINY]
        )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--seeds=0"], "--seeds=0 must be at least 1"),
        (["--steps", "method2"], "--steps=method2 must be of pose, pose_film, action"),
        (["--set", "model.depth=3"], r"config.model.depth is no option of config.system=depth"),
        (["--set", "epochs=few"], "--set=epochs=few is no value of that option"),
        (["--set", "feedback:told.equal_probability=2"], "must be at most 1"),
        (["--set", "epochs"], "--set=epochs must be NAME=VALUE"),
        (["--set", "pose:crops.protocol=honest"], "figures of two protocols do not compare"),
    ],
)
def test_a_wrong_input_is_said_before_anything_is_trained(tmp_path, arguments, said):
    with pytest.raises(InputError, match=said):
        depth_study.main([f"--data={tmp_path}", f"--out={tmp_path / 'out'}", *arguments])
    assert not (tmp_path / "out").exists()


def test_every_step_comes_after_those_it_starts_from():
    done = set()
    for step in PLAN:
        assert set(step.starts_from.values()) <= done
        done.add(step.name)
