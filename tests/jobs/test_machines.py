"""jobs.tpu_vm and jobs.compute against a gcloud that checks its flags and plays a preemption."""

import re

import pytest

from jobs.command import JobError
from jobs.compute import __main__ as compute
from jobs.tpu_vm import __main__ as tpu_vm
from tests.jobs.stage import TRAINING, Stage

TPU_VM = ("--name=fpha", "--zone=us-west4-a")
COMPUTE = ("--name=fpha", "--zone=us-east5-a")
SLICE = ("--machine-type=ct6e-standard-4t", "--hosts=2", "--topology=2x4", "--spot")


@pytest.fixture
def stage(tmp_path):
    return Stage(tmp_path)


def verbs(calls):
    """Of the queued resource's calls."""
    return [call.split()[4] for call in calls if "queued-resources" in call]


def test_preempted_slices_are_made_anew_and_the_same_command_starts_again(stage):
    (stage.folder / "preempt").touch()
    given = ("--accelerator-type=v6e-16", "--slices=2", "--spot", "--coordinator-port=8476")
    done = stage.job("tpu_vm", "run", *TPU_VM, *given, "--every=0.2", "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    again = ["create", "ssh", "scp", "ssh", "ssh"]
    assert verbs(stage.calls()) == [*again, "delete", *again]
    calls = [re.sub(r"/\S*/htt_jax.bundle", "BUNDLE", call) for call in stage.calls()]
    assert calls[:5] == calls[6:]
    flags = "--runtime-version=v2-alpha-tpuv6e --node-count=2 --node-prefix=fpha --spot"
    assert flags in calls[0]
    expected = "tpu,cpu 8476 -m htt_jax.train --coordinator_address=auto " + " ".join(TRAINING)
    # Two slices, twice.
    assert stage.trained() == [expected] * 4
    assert "preempted" in done.stderr
    assert "the training has ended" in done.stderr


def test_what_fails_on_the_way_is_done_again_on_all_hosts(stage):
    (stage.folder / "fail").write_text("host.sh start")
    done = stage.job("tpu_vm", "run", *TPU_VM, "--every=0.2", "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    assert "failed, trying again: ended with status 1: gcloud" in done.stderr
    assert verbs(stage.calls()) == ["create", *["ssh", "scp", "ssh", "ssh"] * 2]


def test_what_fails_at_once_ends_the_command(stage):
    done = stage.job("tpu_vm", "run", *TPU_VM, "--create-flag=--colour=red", "--", *TRAINING)
    assert done.returncode == 2
    error, said = done.stderr.splitlines()[-1], done.stderr
    assert error.startswith(
        "error: ended with status 1: gcloud compute tpus queued-resources create"
    )
    assert "unrecognized arguments: {'--colour'}" in said


def test_run_looks_on_where_a_training_is_there_already_and_delete_ends_it(stage):
    run = ("tpu_vm", "run", *TPU_VM, "--every=0.2", "--", *TRAINING)
    assert stage.job(*run).returncode == 0
    before = len(stage.calls())
    assert stage.job(*run).returncode == 0
    assert len(stage.calls()) == before
    assert stage.job("tpu_vm", "delete", *TPU_VM).returncode == 0
    assert verbs(stage.calls())[before:] == ["ssh", "delete"]
    gone = stage.job("tpu_vm", "delete", *TPU_VM)
    assert gone.stderr == "error: there are no such machines\n"


def test_a_training_that_refuses_its_input_ends_the_run_with_its_status(stage):
    (stage.folder / "status").write_text("2")
    done = stage.job("tpu_vm", "run", *TPU_VM, "--every=0.2", "--", *TRAINING)
    assert done.returncode == 2
    assert done.stderr.endswith("error: the training ended with status 2; its log tells (follow)\n")
    assert len(stage.trained()) == 2  # each host once


def test_a_slice_of_compute_engine_is_made_anew_with_its_policy_and_template(stage):
    (stage.folder / "preempt").touch()
    done = stage.job("compute", "run", *COMPUTE, *SLICE, "--every=0.2", "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    calls = [call for call in stage.calls() if " delete " not in call]
    made = [call.split(" fpha ")[0].removeprefix("gcloud compute ") for call in calls]
    policy = "resource-policies create workload-policy"
    assert made[:3] == [policy, "instance-templates create", "instance-groups managed create"]
    assert "--accelerator-topology=2x4 --region=us-east5" in calls[0]
    assert "--provisioning-model=SPOT --instance-termination-action=STOP" in calls[1]
    assert "--size=2 --workload-policy=fpha" in calls[2]
    half = len(calls) // 2
    assert sorted(re.sub(r"/\S*/htt_jax", "", call) for call in calls[:half]) == sorted(
        re.sub(r"/\S*/htt_jax", "", call) for call in calls[half:]
    )
    assert len(stage.trained()) == 4


def test_flex_start_asks_for_the_machines_by_a_resize_request(stage):
    done = stage.job("compute", "run", *COMPUTE, "--flex-start=3d", "--every=0", "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    template, group, request = (call for call in stage.calls()[2:5])
    assert template.startswith("gcloud beta compute instance-templates create")
    assert "--provisioning-model=FLEX_START" in template
    assert "--max-run-duration=3d" in template
    assert "--size=0" in group
    assert "resize-requests create fpha --resize-request=fpha --resize-by=1" in request


@pytest.mark.parametrize(
    ("kind", "place", "made"),
    [
        ("tpu_vm", TPU_VM, "queued-resources create"),
        ("compute", (*COMPUTE, *SLICE), "managed create"),
    ],
)
def test_a_dry_run_prints_every_command_of_a_preemption_and_runs_none(stage, kind, place, made):
    done = stage.job(kind, "run", *place, "--dry-run", "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    assert not (stage.folder / "calls.jsonl").exists()
    assert all(line.startswith("+ ") for line in done.stdout.splitlines())
    assert done.stdout.count(made) == 2
    assert "host.sh start --coordinator_address=auto --config=configs/fpha.py" in done.stdout


@pytest.mark.parametrize(
    ("kind", "arguments", "message"),
    [
        (tpu_vm, ("run", *TPU_VM), "no --config=... behind --"),
        (tpu_vm, ("run", *TPU_VM, "--", TRAINING[0], "--workdir=runs/x"), "goes with its machine"),
        (tpu_vm, ("run", *TPU_VM, "--accelerator-type=v7-8"), "'v7-8' is not a TPU with its size"),
        (tpu_vm, ("run", "--name=Fpha", "--zone=us-west4-a"), "'Fpha' is not a name"),
        (tpu_vm, ("run", "--name=fpha", "--zone=us-west4"), "'us-west4' is not a zone"),
        (tpu_vm, ("walk", *TPU_VM), "invalid choice: 'walk'"),
        (tpu_vm, ("delete", *TPU_VM, "--", *TRAINING), "only run takes training options"),
        (compute, ("run", *COMPUTE, "--hosts=2", "--", *TRAINING), "--topology belong together"),
        (compute, ("run", *COMPUTE, "--flex-start=soon"), "'soon' is not a duration"),
        (compute, ("run", *COMPUTE, "--spot", "--flex-start=3d"), "name one"),
        (compute, ("run", *COMPUTE, "--machine-type=n2-standard-4"), "is not one with TPUs"),
    ],
)
def test_wrong_input_is_told_in_one_line(kind, arguments, message):
    with pytest.raises(JobError, match=re.escape(message)) as error:
        kind.main(arguments)
    assert "\n" not in str(error.value)


def test_without_gcloud_it_says_so(stage):
    (stage.folder / "bin" / "gcloud").unlink()
    done = stage.job("tpu_vm", "delete", *TPU_VM, PATH=str(stage.folder / "bin"))
    assert done.stderr == "error: gcloud is not installed\n"
    assert done.returncode == 2
