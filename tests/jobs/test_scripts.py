"""All shell scripts of the project are linted and formatted."""

import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).parents[2]
SCRIPTS = [
    *("demo.sh", "test.sh", ".ci/run", ".ci/lowest.sh"),
    *sorted(str(path.relative_to(ROOT)) for path in (ROOT / "jobs").rglob("*.sh")),
]


def tool(name, *options):
    """A program of the environment that the tests run in."""
    command = [str(pathlib.Path(sys.executable).parent / name), *options, *SCRIPTS]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True)


def test_shellcheck_finds_nothing():
    done = tool("shellcheck", "--exclude=SC1091")  # an environment that is made only later
    assert done.returncode == 0, done.stdout


def test_shfmt_would_change_nothing():
    done = tool("shfmt", "--indent=4", "--case-indent", "--space-redirects", "--diff")
    assert done.returncode == 0, done.stdout
