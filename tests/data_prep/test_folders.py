import pytest

from data_prep import folders
from htt_jax.support.errors import InputError

TEXT = "1 subject1/h1/0\n\n2 Größe \n"
WORDS = [(1, ["1", "subject1/h1/0"]), (3, ["2", "Größe"])]


@pytest.mark.parametrize(
    "data",
    [
        TEXT.encode(),
        TEXT.encode("utf-8-sig"),
        TEXT.replace("\n", "\r\n").encode("utf-8-sig"),
        TEXT.replace("\n", "\r").encode(),
        TEXT.encode("utf-16"),
        b"\xfe\xff" + TEXT.replace("\n", "\r\n").encode("utf-16-be"),
        TEXT.replace("2", "\ufeff2").encode("utf-8-sig"),  # two files put together
    ],
)
def test_text_is_read_as_editors_write_it(tmp_path, data):
    (tmp_path / "labels.txt").write_bytes(data)
    assert folders.read_lines(tmp_path / "labels.txt") == WORDS


@pytest.mark.parametrize("encoding", ["latin-1", "utf-16-le", "utf-16-be"])
def test_text_that_does_not_say_its_encoding_is_refused(tmp_path, encoding):
    path = tmp_path / "labels.txt"
    path.write_bytes(TEXT.encode(encoding))
    with pytest.raises(InputError, match=r"labels.txt: .*; expected text in UTF-8"):
        folders.read_lines(path)
    with pytest.raises(InputError, match=r"cannot read .*absent.txt: No such file"):
        folders.read_lines(tmp_path / "absent.txt")


def test_numbered_files_are_those_with_the_suffixes_in_any_case(tmp_path):
    others = (".DS_Store", "Thumbs.db", "color_0004.gif", "color_.jpeg", "depth_0005.png")
    images = ("color_0000.JPEG", "color_0001.Jpg", "COLOR_0002.png", "._color_0003.jpeg")
    for name in others + images:
        (tmp_path / name).write_bytes(b"")
    (tmp_path / "color_0006.jpeg").mkdir()
    (tmp_path / "color_0007.jpeg").symlink_to(tmp_path / "nowhere.jpeg")
    (tmp_path / "color_0008.jpeg").symlink_to(tmp_path / "color_0000.JPEG")
    found, notes = folders.numbered_files(tmp_path, "color_", (".jpeg", ".jpg", ".png"))
    assert {number: path.name for number, path in sorted(found.items())} == {
        0: "color_0000.JPEG",
        1: "color_0001.Jpg",
        2: "COLOR_0002.png",
        8: "color_0008.jpeg",
    }
    assert notes == []
    assert folders.numbered_files(tmp_path / "absent", "", (".png",)) == ({}, [])


def test_of_two_files_of_a_frame_the_original_kind_is_taken_and_said_so(tmp_path):
    for name in ("3.png", "3.jpg", "5.jpg", "05.jpg", "7.jpg"):
        (tmp_path / name).write_bytes(b"")
    found, [note] = folders.numbered_files(tmp_path, "", (".png", ".jpg"))
    assert {number: path.name for number, path in found.items()} == {
        3: "3.png",
        5: "05.jpg",
        7: "7.jpg",
    }
    assert note.kind == "choice"
    assert note.path == str(tmp_path)
    assert note.what == "more than one file of frames 3, 5: 3.png is taken, not 3.jpg etc."


def test_frames_are_named_by_their_spans():
    assert folders.frames_text([4]) == "frame 4"
    assert folders.frames_text([7, 3, 4, 5, 12]) == "frames 3-5, 7, 12"
    assert folders.frames_text([3, 4]) == "frames 3-4"


def test_the_data_set_may_lie_one_folder_deeper_than_said(tmp_path):
    (tmp_path / "archive/Video_files/Video_files").mkdir(parents=True)
    (tmp_path / "__MACOSX/Video_files").mkdir(parents=True)
    names = ("Video_files", "Video_files_480")
    assert folders.dataset_root(tmp_path, names) == tmp_path / "archive"
    assert folders.directories(tmp_path / "archive", names) == [
        tmp_path / "archive/Video_files",
        tmp_path / "archive/Video_files/Video_files",
    ]
    (tmp_path / "copy/Video_files_480").mkdir(parents=True)
    assert folders.dataset_root(tmp_path, names) == tmp_path  # which of the two?
    with pytest.raises(InputError, match="has no folder Video_files or Video_files_480"):
        folders.directories(tmp_path, names)
