"""jobs/host.sh, on a home folder of its own, with a training that ends as it is told."""

import shutil
import time

import pytest

from tests.jobs.stage import ROOT, Stage

TRAINER = """
echo "$*" >> "$HOME/trained"
trap 'exit 143' TERM
case $(wc -l < "$HOME/trained") in
    1) exit 143 ;;
    2) exit 1 ;;
    *) [[ ! -e $HOME/endless ]] || while :; do sleep 0.05; done ;;
esac
"""
"""Is stopped with the other hosts, then fails, then comes to its end, or never does."""


@pytest.fixture
def host(tmp_path):
    """Runs host.sh, in its folder."""
    stage = Stage(tmp_path)
    home = tmp_path / "home"
    (home / "htt_jax").mkdir(parents=True)
    (home / "env/bin").mkdir(parents=True)
    shutil.copy(ROOT / "jobs" / "host.sh", home)
    python = home / "env/bin/python"
    python.write_text(f"#!/usr/bin/env bash\n{TRAINER}")
    python.chmod(0o755)

    def run(*arguments):
        return stage.run("bash", str(home / "host.sh"), *arguments, HOME=str(home))

    run.home = home
    return run


def wait_until(condition):
    end = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def trained(host):
    file = host.home / "trained"
    return file.read_text().splitlines() if file.exists() else []


def test_the_same_command_is_tried_again_until_it_ends(host):
    assert host("status", "--a=1").stdout == "missing\n"
    host("start", "--a=1", "--b=two words")
    options = ("--a=1", "--b=two words")
    wait_until(lambda: host("status", *options).stdout == "ended 0\n")
    assert trained(host) == ["-m htt_jax.train --a=1 --b=two words"] * 3
    assert host("status", "--a=2").stdout == "missing\n"
    log = (host.home / "training.log").read_text()
    assert "ended with status 143; again" in log
    assert "ended with status 1; again" in log


def test_stop_lets_it_save_and_does_not_try_again(host):
    (host.home / "endless").touch()
    host("start", "--a=1")
    wait_until(lambda: len(trained(host)) == 3)
    assert host("status", "--a=1").stdout == "running\n"
    assert host("status", "--a=2").stdout == "busy\n"
    host("stop")
    assert host("status", "--a=1").stdout == "ended 143\n"
    assert len(trained(host)) == 3


def test_an_unknown_verb_is_status_2_and_the_list_of_verbs(host):
    done = host("fly")
    assert done.returncode == 2
    assert "host.sh install" in done.stderr
    assert "set -euo" not in done.stderr
