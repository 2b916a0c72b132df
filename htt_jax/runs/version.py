"""Which code this is."""

import hashlib
import importlib.metadata
import pathlib
import subprocess

_ROOT = pathlib.Path(__file__).parents[2]
# The commit in full, and no tag in its place.
_DESCRIBE = ("describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")


def package_version() -> str | None:
    """The installed version; None where the package is used from its folder."""
    try:
        return importlib.metadata.version("htt-jax")
    except importlib.metadata.PackageNotFoundError:
        return None


def describe() -> str:
    """Version and commit in one line."""
    return f"htt_jax {package_version() or 'not installed'}, commit {commit() or 'not known'}"


def commit() -> str | None:
    """The commit of the checkout the code lies in, '-dirty' if files differ; None if in none."""
    if not (_ROOT / ".git").exists():
        return None
    try:
        found = subprocess.run(
            ["git", "-C", str(_ROOT), *_DESCRIBE],
            capture_output=True,
            text=True,
            check=True,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return found.stdout.strip()


def sources() -> str:
    """Twelve digits that change with any source file of the package."""
    digest = hashlib.sha256()
    package = _ROOT / "htt_jax"
    for path in sorted(package.rglob("*.py")):
        digest.update(f"{path.relative_to(package).as_posix()}\n".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:12]
