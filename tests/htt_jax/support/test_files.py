import pytest

from htt_jax.support.errors import InputError
from htt_jax.support.files import atomic_write, explained_writes


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
        pytest.raises(InputError, match=r"cannot write out: No such file or directory; make room"),
        explained_writes("out"),
    ):
        (tmp_path / "gone" / "file").write_text("")


def test_text_is_written_as_utf_8(tmp_path):
    with atomic_write(tmp_path / "file", "w") as file:
        file.write("Ö")
    assert (tmp_path / "file").read_bytes() == "Ö".encode()
