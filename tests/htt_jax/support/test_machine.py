"""Limits of made control groups, of both versions, and of the machine the test runs on."""

import pathlib

import pytest

from htt_jax.support.machine import available_memory, usable_cores

ROOT = pathlib.Path(__file__).parents[3]
GB = 10**9
FREE = 8_000_000  # kB


@pytest.fixture
def machine(tmp_path):
    """Makes files of /proc and /sys below a folder."""

    def make(groups, files):
        content = {"proc/meminfo": f"MemTotal: 9999999 kB\nMemAvailable: {FREE} kB"}
        content["proc/self/cgroup"] = groups
        for name, text in (content | {f"sys/fs/cgroup/{n}": x for n, x in files.items()}).items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(f"{text}\n")
        return tmp_path

    return make


V2 = "0::/job/step"
V1 = "4:memory:/job/step\n3:cpu,cpuacct:/job/step\n1:name=systemd:/job\n0::/"


def test_without_limits_the_memory_is_what_the_system_has(machine):
    assert available_memory(machine("0::/", {})) == 1024 * FREE
    unlimited = {"job/step/memory.max": "max", "job/step/memory.current": "5"}
    assert available_memory(machine(V2, unlimited)) == 1024 * FREE


def test_a_groups_limit_less_what_is_used_and_not_given_back(machine):
    files = {
        "job/step/memory.max": 4 * GB,
        "job/step/memory.current": 3 * GB,
        "job/step/memory.stat": f"anon 5\ninactive_file {GB}\nactive_file 7",
    }
    assert available_memory(machine(V2, files)) == 2 * GB


def test_the_tightest_group_above_counts(machine):
    files = {
        "job/step/memory.max": "max",
        "job/step/memory.current": GB,
        "job/memory.max": 3 * GB,
        "job/memory.current": 2 * GB,
    }
    assert available_memory(machine(V2, files)) == GB
    over = {"job/memory.current": 4 * GB}  # for an instant, before the system acts
    assert available_memory(machine(V2, files | over)) == 0


def test_version_1_has_a_tree_for_memory(machine):
    files = {
        "memory/memory.limit_in_bytes": 9223372036854771712,  # none
        "memory/memory.usage_in_bytes": 6 * GB,
        "memory/job/memory.limit_in_bytes": 2 * GB,
        "memory/job/memory.usage_in_bytes": GB,
        "memory/job/memory.stat": f"inactive_file 1\ntotal_inactive_file {GB // 2}",
    }
    assert available_memory(machine(V1, files)) == 1.5 * GB


def test_inside_a_container_the_outermost_group_seen_is_the_containers(machine):
    files = {"memory/memory.limit_in_bytes": 2 * GB, "memory/memory.usage_in_bytes": GB}
    assert available_memory(machine(V1, files)) == GB


@pytest.fixture
def cores():
    return usable_cores(pathlib.Path("/nowhere"))


@pytest.mark.parametrize(
    ("groups", "files", "quota"),
    [
        (V2, {"job/step/cpu.max": "max 100000"}, None),
        (V2, {"job/step/cpu.max": "max 100000", "job/cpu.max": "50000 100000"}, 1),
        (V2, {"job/cpu.max": "100000 100000"}, 1),
        (V2, {"job/cpu.max": "110000 100000"}, 2),
        (V2, {"job/cpu.max": "99900000 100000"}, None),
        (V1, {"cpu,cpuacct/job/cpu.cfs_quota_us": -1}, None),
        (V1, {"cpu/cpu.cfs_quota_us": 50_000, "cpu/cpu.cfs_period_us": 100_000}, 1),
        (
            V1,
            {
                "cpu,cpuacct/job/cpu.cfs_quota_us": 30_000,
                "cpu,cpuacct/job/cpu.cfs_period_us": 100_000,
            },
            1,
        ),
    ],
)
def test_cores_are_those_of_the_affinity_and_the_quota(machine, cores, groups, files, quota):
    assert usable_cores(machine(groups, files)) == min(quota or cores, cores)


def test_this_machine_has_cores_and_memory():
    assert usable_cores() >= 1
    assert 10**8 < available_memory() < 10**14


def test_nothing_else_counts_cores():
    files = [*(ROOT / "htt_jax").rglob("*.py"), *(ROOT / "data_prep").rglob("*.py")]
    counting = [f.name for f in files if "cpu_count" in (x := f.read_text()) or "affinity" in x]
    assert counting == ["machine.py"]
