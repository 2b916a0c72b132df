"""The floors of the house, as pyproject.toml lists them."""

import pathlib
import re
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[1]


def lint(*arguments):
    """What import-linter says of the contracts."""
    program = "import sys; from importlinter.cli import lint_imports_command as run; run()"
    return subprocess.run(
        [sys.executable, "-c", program, "--no-cache", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


def test_no_floor_uses_one_above_it_and_nobody_imports_a_command():
    found = lint()
    assert found.returncode == 0, found.stdout
    assert "Contracts: 2 kept, 0 broken" in found.stdout


def test_every_room_stands_on_a_floor():
    text = (ROOT / "pyproject.toml").read_text()
    rooms = {path.stem for path in (ROOT / "htt_jax").iterdir() if not path.stem.startswith("_")}
    assert rooms <= set(re.findall(r"htt_jax\.(\w+)", text))


def test_models_alone_know_flax_checkpoints_orbax_and_buckets_what_stores_need():
    users = {"flax": set(), "orbax": set(), "fsspec": set()}
    for path in (ROOT / "htt_jax").rglob("*.py"):
        for library in re.findall(
            r"^\s*(?:from|import) (flax|orbax|fsspec)\b", path.read_text(), re.M
        ):
            users[library].add(path.relative_to(ROOT / "htt_jax").as_posix())
    assert all(name.startswith("models/") for name in users["flax"])
    assert users["orbax"] == {"runs/checkpoint.py"}
    assert users["fsspec"] == {"support/buckets.py"}


def test_only_coordination_knows_what_is_private_to_jax():
    users = [
        path.name
        for path in (ROOT / "htt_jax").rglob("*.py")
        if re.search(r"^\s*(?:from|import) jax\._src\b", path.read_text(), re.M)
    ]
    assert users == ["coordination.py"]
