"""The files of onnxruntime-web that go into a page: found in an npm package, and checked."""

import contextlib
import hashlib
import json
import pathlib
import shutil
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from typing import NamedTuple

from htt_jax.support.errors import InputError

PACKAGE, VERSION = "onnxruntime-web", "1.30.0"

_PACK = ("npm", "pack", f"{PACKAGE}@{VERSION}")
_GIVE = f"give --web-runtime what `{' '.join(_PACK)}` writes"
_PROGRAM = "dist/ort.wasm.bundle.min.mjs"
_WASM = "dist/ort-wasm-simd-threaded.wasm"
_SHA256 = {
    _PROGRAM: "11e64bd8ffe11bd1a2a2f0d6275fdfbbba7262f0b76b99b53d228a8a22ef3d90",
    _WASM: "3398c10d07d229bd91b364548e130e0e51a8e5704b88c7c083ebbeb78842dee2",
}
_SECONDS = 600  # for the package's 33 MB to come


class Runtime(NamedTuple):
    """What computes in the browser: JavaScript that is a module, and its WebAssembly."""

    program: bytes
    wasm: bytes


def find(given: pathlib.Path | None) -> Runtime:
    """The runtime out of an npm package.

    Args:
        given: the package's .tgz or the folder of its content, such as
            `node_modules/onnxruntime-web`; None: npm is asked for it.

    Raises:
        InputError: there is none, it is of another version, its files are changed or damaged, or
            there is no npm, or it cannot have the package.
    """
    if given is not None:
        return _read(given)
    with _packed() as file:
        return _read(file)


@contextlib.contextmanager
def _packed() -> Iterator[pathlib.Path]:
    """The package's .tgz, from npm, which keeps it for the next time."""
    npm = shutil.which(_PACK[0])
    if npm is None:
        raise InputError(
            f"there is no npm here to have {PACKAGE} {VERSION} from; install Node.js, or {_GIVE} "
            "elsewhere"
        )
    with tempfile.TemporaryDirectory() as folder:
        command = [npm, *_PACK[1:], "--silent", f"--pack-destination={folder}"]
        try:
            ended = subprocess.run(command, capture_output=True, text=True, timeout=_SECONDS)
            said = (ended.stderr or ended.stdout).strip()
        except subprocess.TimeoutExpired:
            said = f"no answer in {_SECONDS} s"
        files = list(pathlib.Path(folder).glob("*.tgz"))
        if not files:
            reason = said.splitlines()[0] if said else "it says nothing"
            raise InputError(
                f"npm cannot have {PACKAGE} {VERSION}: {reason}; check the network, or {_GIVE} "
                "elsewhere"
            )
        yield files[0]


def _read(path: pathlib.Path) -> Runtime:
    read = _of_folder if path.is_dir() else _of_archive
    try:
        package, program, wasm = read(path, ["package.json", _PROGRAM, _WASM])
        about = json.loads(package)
        found = f"{about['name']} {about['version']}"
    except (OSError, EOFError, tarfile.TarError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"--web-runtime={path} is not the npm package {PACKAGE} {VERSION}: "
            f"{_reason(error)}; {_GIVE}"
        ) from error
    if found != f"{PACKAGE} {VERSION}":
        raise InputError(f"--web-runtime={path} is {found}, expected {PACKAGE} {VERSION}; {_GIVE}")
    for name, content in ((_PROGRAM, program), (_WASM, wasm)):
        if hashlib.sha256(content).hexdigest() != _SHA256[name]:
            raise InputError(
                f"{name} in --web-runtime={path} is damaged or was changed: its SHA-256 is not "
                f"that of {PACKAGE} {VERSION}; {_GIVE}"
            )
    return Runtime(program, wasm)


def _of_folder(path: pathlib.Path, names: list[str]) -> list[bytes]:
    return [(path / name).read_bytes() for name in names]


def _of_archive(path: pathlib.Path, names: list[str]) -> list[bytes]:
    with tarfile.open(path, "r:gz") as archive:
        found = [archive.extractfile(f"package/{name}") for name in names]
        return [file.read() for file in found if file is not None]


def _reason(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    return str(error).strip("'\"")
