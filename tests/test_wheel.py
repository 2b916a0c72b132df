"""The project installed from its wheel, as somebody has it who never saw this folder."""

import os
import pathlib
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[1]
SOURCES = ("htt_jax", "data_prep", "configs", "pyproject.toml", "requirements.txt", "README.md")


@pytest.fixture(scope="module")
def installed(tmp_path_factory):
    """A folder with nothing but the content of the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"  # a build leaves files beside the sources
    source.mkdir()
    for name in (*SOURCES, "LICENSE"):
        copy = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        copy(ROOT / name, source / name)
    pip = (sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check")
    build = ("wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", folder, source)
    subprocess.run([*pip, *build], check=True)
    (wheel,) = folder.glob("*.whl")
    target = folder / "target"
    shutil.unpack_archive(wheel, target, "zip")  # all that pip does with a wheel of Python alone
    return target


@pytest.fixture
def elsewhere(tmp_path):
    """A folder of a user who has a package `configs` too."""
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs/__init__.py").write_text("")
    (tmp_path / "configs/mine.py").write_text(
        "from htt_jax.runs.options import get_config as defaults\n"
        "def get_config():\n"
        "    config = defaults()\n"
        "    config.data.directory = 'no/where'\n"
        "    return config\n"
    )
    return tmp_path


def run(installed, folder, *arguments):
    """A command of the installed project; its dependencies come from this environment."""
    environment = os.environ | {"PYTHONPATH": str(installed), "JAX_PLATFORMS": "cpu"}
    return subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_only_packages_of_this_projects_name_are_installed(installed):
    found = {path.name for path in installed.iterdir() if path.suffix != ".dist-info"}
    assert found == {"htt_jax", "data_prep"}
    assert (installed / "htt_jax/evaluation/report/page.css").exists()
    for kind in ("html", "css", "js"):
        for folder in ("htt_jax/interop/web", "data_prep/own/preview"):
            assert list((installed / folder).glob(f"*.{kind}")), (folder, kind)
    for package in found:
        here, there = (
            {path.relative_to(root) for path in (root / package).rglob("*.py")}
            for root in (ROOT, installed)
        )
        assert there == here


def test_commands_run_beside_a_users_own_configs(installed, elsewhere):
    trained = run(
        installed, elsewhere, "htt_jax.train", "--config=configs/mine.py", "--workdir=run"
    )
    assert trained.stderr.startswith("error: no directory no/where; prepare a dataset")
    assert trained.returncode == 2
