"""Objects in buckets, as paths: whole or absent, and every request that fails explained.

Requests go through fsspec, which brings the libraries of the stores: gcsfs, s3fs. These repeat
with growing pauses what a store or the network refuses for a while, and find credentials by
themselves; none is taken from an address, and none is ever shown.
"""

import contextlib
import functools
import glob
import io
import logging
import os
import pathlib
import re
import threading
from collections.abc import Iterator
from typing import Any, NamedTuple

from etils import epath
from etils.epath.gpath import PosixGPath

from htt_jax.support.errors import InputError

KINDS = ("gs", "s3", "az", "hf")
"""What may stand before :// in the address of a bucket."""

_EXTRAS = {"gs": "gcs", "s3": "s3"}
_SILENCE = 60  # seconds without a byte, after which a request is made again
_making = threading.Lock()


class NoAnswer(InputError):
    """A store gave no whole answer, or refused; nothing is known of the object."""


class BucketPath(PosixGPath):
    """An object, or what is before a slash in the names of objects, which stands for a folder.

    Of files on disk it differs in this: a folder is there when an object is in it, and writing an
    object replaces it at once. All methods raise `NoAnswer` with the address where the store gives
    none or refuses, but `FileNotFoundError` for what is not there.
    """

    def exists(self) -> bool:
        """Whether there is an object of this name, or one in the folder."""
        return self._kind() is not None

    def is_dir(self) -> bool:
        """Whether an object is in it."""
        return self._kind() == "directory"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return self._kind() == "file"

    def size(self) -> int:
        """Bytes of the object."""
        with self._explained("read"):
            return int(self._store.info(str(self))["size"])

    def iterdir(self) -> Iterator["BucketPath"]:
        """What is in the folder, by name; nothing where no object is."""
        yield from (self / entry.name for entry in self.entries())

    def entries(self) -> list["Entry"]:
        """What is in the folder, by name, with its kind: one request for all."""
        try:
            with self._explained("list"):
                found = self._store.ls(str(self), detail=True)
        except FileNotFoundError:
            return []
        named = {about["name"].rstrip("/"): about["type"] for about in found}
        named.pop(str(self).partition("://")[2].rstrip("/"), None)  # what marks an empty folder
        return [Entry(name.rpartition("/")[2], kind) for name, kind in sorted(named.items())]

    def glob(self, pattern: str) -> Iterator["BucketPath"]:
        """What in the folder has a name of the pattern; the folder's own name is none."""
        with self._explained("list"):
            found = self._store.glob(f"{glob.escape(str(self))}/{pattern}")
        yield from (type(self)(self._store.unstrip_protocol(name)) for name in sorted(found))

    def read_range(self, offset: int, length: int) -> bytes:
        """`length` bytes from `offset` on; fewer where the object ends before."""
        if not length:
            return b""
        with self._explained("read"):
            data = self._store.cat_file(str(self), start=offset, end=offset + length)
        if len(data) > length:
            raise NoAnswer(f"cannot read {self}: {len(data)} bytes came for {length}; try again")
        return data

    def read_bytes(self) -> bytes:
        """The whole object."""
        size = self.size()
        data = self.read_range(0, size)
        if len(data) != size:
            raise NoAnswer(f"cannot read {self}: {len(data)} bytes came of {size}; try again")
        return data

    def read_text(self, encoding: str | None = "utf-8") -> str:
        """The whole object's text."""
        return self.read_bytes().decode(encoding or "utf-8")

    def open(self, mode: str = "r", *, encoding: str | None = None, **options: Any) -> Any:
        """The whole object, to read from; written is with `files.atomic_write`."""
        if mode not in ("r", "rb"):
            raise ValueError(f"{self} is opened with mode {mode!r}; only reading is possible")
        return io.BytesIO(self.read_bytes()) if "b" in mode else io.StringIO(self.read_text())

    def download(self, file: pathlib.Path) -> None:
        """Writes the object to a file on disk."""
        size = self.size()
        with self._explained("read"):
            self._store.get_file(str(self), str(file))
        if file.stat().st_size != size:
            raise NoAnswer(f"cannot read {self}: {file.stat().st_size} bytes came of {size}")

    def upload(self, file: pathlib.Path) -> None:
        """Makes the object what a file on disk holds."""
        with self._explained("write"):
            self._store.put_file(str(file), str(self))

    def write_bytes(self, data: bytes) -> int:
        """Makes the object this."""
        with self._explained("write"):
            self._store.pipe_file(str(self), data)
        return len(data)

    def write_text(
        self,
        data: str,
        encoding: str | None = "utf-8",
        errors: str | None = None,
        newline: str | None = None,
    ) -> int:
        """Makes the object this text."""
        return self.write_bytes(data.encode(encoding or "utf-8"))

    def mkdir(self, mode: int | None = None, parents: bool = False, exist_ok: bool = False) -> None:
        """Does nothing: a folder is there with the first object in it."""

    def unlink(self, missing_ok: bool = False) -> None:
        """Removes the object."""
        try:
            with self._explained("remove"):
                self._store.rm_file(str(self))
        except FileNotFoundError:
            if not missing_ok:
                raise

    def resolve(self, strict: bool = False) -> "BucketPath":
        """Itself."""
        return self

    @property
    def _store(self) -> Any:
        return store(str(self).partition("://")[0])

    def _kind(self) -> str | None:
        try:
            with self._explained("read"):
                return self._store.info(str(self))["type"]
        except FileNotFoundError:
            return None

    @contextlib.contextmanager
    def _explained(self, doing: str) -> Iterator[None]:
        try:
            yield
        except FileNotFoundError as error:
            if doing == "write":
                raise InputError(f"cannot write {self}: there is no such bucket") from error
            raise FileNotFoundError(2, "there is no such object", str(self)) from error
        except Exception as error:  # each of the libraries has its own
            raise NoAnswer(f"cannot {doing} {self}: {_reason(error)}") from error


class Entry(NamedTuple):
    """What `os.DirEntry` is of a folder on disk."""

    name: str
    kind: str

    def is_dir(self) -> bool:
        """Whether objects are in it."""
        return self.kind == "directory"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return self.kind == "file"


def checked(address: str) -> BucketPath:
    """The object or folder of an address.

    Raises:
        InputError: of an unknown kind, or it needs a library that is not installed, or the library
            finds no way in.
    """
    kind = address.partition("://")[0]
    if kind not in KINDS:
        known = ", ".join(f"{name}://" for name in KINDS)
        raise InputError(f"{address} is neither a path on disk nor an address in a bucket: {known}")
    try:
        store(kind)
    except ImportError as error:
        extra = f"pip install -e '.[{_EXTRAS[kind]}]'; " if kind in _EXTRAS else ""
        raise InputError(
            f"{address} needs a library that is not installed: {extra}{error}"
        ) from error
    except Exception as error:  # each of the libraries has its own
        raise InputError(f"{address} cannot be reached: {_reason(error)}") from error
    return BucketPath(address)


def is_bucket(path: epath.PathLike) -> bool:
    """Whether it is an address, such as gs://NAME, and not a path on disk."""
    return re.match(r"\w+://", os.fspath(path)) is not None


def refuse_credentials(path: str) -> None:
    """Checks that an address holds no name and password, as it is written into logs and files.

    Raises:
        InputError: it does; does not repeat them.
    """
    kind, found, rest = path.partition("://")
    if found and "@" in rest.partition("/")[0]:
        bucket = rest.rpartition("@")[2]
        raise InputError(
            f"the address {kind}://...@{bucket} holds credentials, which would be written into "
            "files; give them in the environment or the store's own file, and the address without"
        )


def store(kind: str) -> Any:
    """The file system of a kind of bucket: one for all threads of this process."""
    with _making:
        return _made(kind, os.getpid())  # connections do not outlive a fork


@functools.cache
def _made(kind: str, process: int) -> Any:
    import fsspec  # late, as most have no bucket

    options: dict[str, Any] = {"use_listings_cache": False}  # others write there, too
    if kind == "gs":
        import aiohttp

        # What was uploaded is compared with what the store says it has got.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=_SILENCE, sock_read=_SILENCE)
        options |= {"requests_timeout": timeout, "consistency": "md5"}
    elif kind == "s3":
        options["config_kwargs"] = {"connect_timeout": _SILENCE, "read_timeout": _SILENCE}
    for name in ("gcsfs", "s3fs"):  # they would log what they raise, with a traceback
        logging.getLogger(name).setLevel(logging.CRITICAL)
    return fsspec.filesystem(kind, **options)


def _reason(error: Exception) -> str:
    """What an error says, in a line, without what may be secret in it."""
    text = (str(error).strip(" ,\n") or type(error).__name__).splitlines()[0]
    text = re.sub(r"(https?://[^\s?]*)\?\S*", r"\1", text)  # signed addresses
    for name, value in os.environ.items():
        if re.search("SECRET|TOKEN|PASSWORD|KEY", name) and len(value) > 3:
            text = text.replace(value, "...")
    return text[:200]
