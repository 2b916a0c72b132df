import contextlib
import os
import pathlib

import pytest

from htt_jax.support.errors import InputError
from htt_jax.support.files import (
    atomic_write,
    check_writable,
    explained_full_disk,
    explained_writes,
)
from tests.full_disk import full_disk


def test_the_file_appears_whole_when_the_block_ends(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with atomic_write(path) as file:
        file.write(b"new")
        file.flush()
        assert path.read_bytes() == b"old"
    assert path.read_bytes() == b"new"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail():
        with atomic_write(path) as file:
            file.write(b"half")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert path.read_bytes() == b"old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]


def test_a_refusal_of_the_system_is_one_line(tmp_path):
    with (
        pytest.raises(
            InputError, match=r"cannot write out: No such file or directory; put that right"
        ),
        explained_writes("out"),
    ):
        (tmp_path / "gone" / "file").write_text("")


def test_text_is_written_as_utf_8(tmp_path):
    with atomic_write(tmp_path / "file", "w") as file:
        file.write("Ö")
    assert (tmp_path / "file").read_bytes() == "Ö".encode()


@contextlib.contextmanager
def without_rights():
    """Within, no right is had that comes from being root."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(65534)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)


def test_whether_a_folder_can_be_written_is_known_before_and_leaves_nothing(tmp_path):
    check_writable(tmp_path / "a/b")
    check_writable(tmp_path)
    (tmp_path / "file").write_text("")
    for name in ("file", "file/a"):
        with pytest.raises(InputError, match=rf"cannot make the folder .*{name}: Not a directory"):
            check_writable(tmp_path / name)
    with pytest.raises(InputError, match="gs:/b is not a local folder"):
        check_writable(pathlib.Path("gs://b"))
    (tmp_path / "file").unlink()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_of_somebody_else_is_refused(tmp_path):
    tmp_path.chmod(0o555)
    with (
        without_rights(),
        pytest.raises(InputError, match=r"cannot .*: Permission denied; give another --workdir"),
    ):
        check_writable(tmp_path / "run", "--workdir")
    tmp_path.chmod(0o755)


def test_a_full_disk_is_one_line_and_other_errors_stay():
    with (
        pytest.raises(
            InputError, match=r"cannot write the log: No space left on device; make room"
        ),
        explained_full_disk("the log"),
        open("/dev/full", "w") as file,
    ):
        file.write("x")
    with pytest.raises(FileNotFoundError), explained_full_disk():
        pathlib.Path("/no/such/file").read_text()


def test_a_file_that_finds_no_room_is_named_and_does_not_stay(tmp_path):
    with (
        full_disk(10),
        pytest.raises(InputError, match=r"cannot write .*/results: File too large"),
        explained_full_disk(),
        atomic_write(tmp_path / "results") as file,
    ):
        file.write(bytes(11))
    assert list(tmp_path.iterdir()) == []
