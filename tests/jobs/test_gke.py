"""jobs.gke: its manifest against the schemas of Kubernetes and JobSet, and the commands it runs."""

import re

import jsonschema
import kubernetes_validate
import pytest
import yaml

from jobs.command import JobError
from jobs.gke import __main__ as gke
from tests.jobs.stage import ROOT, TRAINING, Stage

CLUSTER = ("--name=fpha", "--cluster=tpus", "--location=us-west4", "--project=my-project")
SLICE = ("--image=us-docker.pkg.dev/p/r/htt:1", "--accelerator=tpu-v5-lite-podslice")
RUN = ("run", *CLUSTER, *SLICE, "--topology=4x4")

JOB_SET = {
    "type": "object",
    "required": ["apiVersion", "kind", "metadata", "spec"],
    "properties": {
        "apiVersion": {"const": "jobset.x-k8s.io/v1alpha2"},
        "kind": {"const": "JobSet"},
        "spec": {
            "type": "object",
            "additionalProperties": False,
            "properties": {
                "failurePolicy": {
                    "type": "object",
                    "additionalProperties": False,
                    "properties": {
                        "maxRestarts": {"type": "integer"},
                        "rules": {
                            "items": {
                                "type": "object",
                                "required": ["name", "action"],
                                "additionalProperties": False,
                                "properties": {
                                    "name": {"pattern": "^[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?$"},
                                    "action": {"enum": ["FailJobSet", "RestartJobSet"]},
                                    "onJobFailureReasons": {"type": "array"},
                                },
                            }
                        },
                    },
                },
                "replicatedJobs": {
                    "items": {
                        "type": "object",
                        "required": ["name", "template"],
                        "additionalProperties": False,
                        "properties": {
                            "name": {"type": "string"},
                            "replicas": {"type": "integer", "minimum": 0},
                            "template": {"type": "object"},
                        },
                    }
                },
            },
        },
    },
}
"""JobSet's own fields, of its v1alpha2 API, as far as the manifest has them."""


@pytest.fixture
def stage(tmp_path):
    made = Stage(tmp_path)
    for name in ("kubectl", "docker"):
        made.program(name, f'echo "{name} $*" >> "$STAND_IN/others"; cat > "$STAND_IN/{name}.in"')
    return made


def manifest(stage, *options):
    """What kubectl is given."""
    done = stage.job("gke", *RUN, *options, "--", *TRAINING)
    assert done.returncode == 0, done.stderr
    return yaml.safe_load((stage.folder / "kubectl.in").read_text())


def checked(found):
    """The job of a manifest, which holds to the schemas."""
    jsonschema.validate(found, JOB_SET)
    (replicated,) = found["spec"]["replicatedJobs"]
    job = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job"}}
    job |= replicated["template"]
    kubernetes_validate.validate(job, kubernetes_validate.latest_version(), strict=True)
    return job["spec"]


def test_a_slice_is_a_job_whose_hosts_start_anew_together(stage):
    found = manifest(stage)
    job = checked(found)
    assert found["spec"]["replicatedJobs"][0]["replicas"] == 1
    assert (job["completions"], job["parallelism"], job["backoffLimit"]) == (4, 4, 0)
    assert found["spec"]["failurePolicy"]["maxRestarts"] == 100
    pod = job["template"]["spec"]
    assert pod["restartPolicy"] == "Never"
    (container,) = pod["containers"]
    assert container["args"] == ["--coordinator_address=auto", *TRAINING]
    assert container["resources"]["limits"] == {"google.com/tpu": 4}
    calls = (stage.folder / "others").read_text()
    assert calls == "kubectl apply --filename=-\n"
    place = "clusters get-credentials tpus --location=us-west4 --project=my-project"
    assert stage.calls() == [f"gcloud container {place}"]


def test_wrong_input_is_no_reason_to_start_anew(stage):
    found = manifest(stage)
    (rule,) = checked(found)["podFailurePolicy"]["rules"]
    assert rule["action"] == "FailJob"
    assert rule["onExitCodes"] == {"containerName": "train", "operator": "In", "values": [2]}
    (rule,) = found["spec"]["failurePolicy"]["rules"]
    assert rule["action"] == "FailJobSet"
    assert rule["onJobFailureReasons"] == ["PodFailurePolicy"]


def test_options_add_what_they_need(stage):
    options = ("--spot", "--slices=2", "--coordinator-port=8476")
    found = manifest(stage, *options)
    pod = checked(found)["template"]["spec"]
    assert found["spec"]["replicatedJobs"][0]["replicas"] == 2
    assert pod["nodeSelector"]["cloud.google.com/gke-spot"] == "true"
    assert {"name": "JAX_COORDINATOR_PORT", "value": "8476"} in pod["containers"][0]["env"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "--name=fpha"), "run needs --cluster"),
        ((*RUN, "--chips-per-host=3", "--", *TRAINING), "the 16 chips of --topology=4x4 do not"),
        ((*RUN, "--topology=16", "--", *TRAINING), "'16' is not a topology"),
        (RUN, "no --config=... behind --"),
    ],
)
def test_wrong_input_is_told_in_one_line(arguments, message):
    with pytest.raises(JobError, match=re.escape(message)) as error:
        gke.main(arguments)
    assert "\n" not in str(error.value)


def test_the_image_has_a_user_of_its_own_and_only_what_is_named(stage):
    done = stage.job("gke", "image", "--image=registry/htt:1")
    assert done.returncode == 0, done.stderr
    build, push = (stage.folder / "others").read_text().splitlines()
    assert build.endswith(f"jobs/gke/Dockerfile --tag=registry/htt:1 {ROOT}")
    assert push == "docker push registry/htt:1"
    lines = (ROOT / "jobs/gke/Dockerfile").read_text().splitlines()
    assert [line for line in lines if line.startswith("USER")] == ["USER 1000"]
    copied = [line.split()[1] for line in lines if line.startswith("COPY")]
    assert "." not in copied
    sent = (ROOT / "jobs/gke/Dockerfile.dockerignore").read_text().splitlines()
    named = {word for line in lines if line.startswith("COPY") for word in line.split()[1:-1]}
    assert {line.removeprefix("!") for line in sent if line.startswith("!")} == named
