import importlib.metadata
import subprocess

import pytest

from htt_jax.runs import version


def git(folder, *arguments):
    identity = ["-c", "user.name=A", "-c", "user.email=a@b.c"]
    return subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.strip()


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A repository with one commit, as the folder that the code lies in."""
    monkeypatch.setattr(version, "_ROOT", tmp_path)
    git(tmp_path, "init", "--quiet")
    (tmp_path / "code.py").write_text("1")
    git(tmp_path, "add", "code.py")
    git(tmp_path, "commit", "--quiet", "--message=first")
    return tmp_path


def test_the_commit_is_that_of_the_checkout_and_changes_are_said(checkout):
    head = git(checkout, "rev-parse", "HEAD")
    assert version.commit() == head
    (checkout / "notes.txt").write_text("not of the code")
    assert version.commit() == head
    (checkout / "code.py").write_text("2")
    assert version.commit() == f"{head}-dirty"


def test_the_commit_is_named_whatever_tags_there_are(checkout):
    git(checkout, "tag", "--annotate", "--message=one", "v1.0")
    assert version.commit() == git(checkout, "rev-parse", "HEAD")


def test_outside_of_a_checkout_there_is_no_commit(tmp_path, monkeypatch):
    monkeypatch.setattr(version, "_ROOT", tmp_path)
    assert version.commit() is None
    (tmp_path / ".git").mkdir()  # what git itself would not take for one
    assert version.commit() is None


def test_without_git_there_is_no_commit(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert version.commit() is None


def test_the_version_is_the_installed_ones():
    assert version.package_version() == importlib.metadata.version("htt-jax")
