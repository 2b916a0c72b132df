"""Image files: decoded as training decodes them, refused where damaged."""

import io
import struct
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from htt_jax.data import image_decoding
from htt_jax.data.decode import decode_frame

SIZE = (96, 64)


@pytest.fixture(scope="module")
def picture():
    rng = np.random.default_rng(0)
    return cv2.resize(rng.integers(0, 255, (16, 24, 3), np.uint8), SIZE)


def encoded(picture, suffix, *options):
    return cv2.imencode(suffix, picture[..., ::-1], options)[1].tobytes()


def damaged(data, start, content=bytes(200)):
    return data[:start] + content + data[start + len(content) :]


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
@pytest.mark.parametrize("wanted", [SIZE, (48, 32), (40, 30), (12, 8)])
def test_files_give_the_pixels_that_training_sees(picture, suffix, wanted):
    data = encoded(picture, suffix)
    expected = np.empty((wanted[1], wanted[0], 3), np.uint8)
    decode_frame(data, SIZE, expected)
    np.testing.assert_array_equal(image_decoding.decode_fitted(data, SIZE, wanted), expected)


def test_a_jpeg_damaged_in_its_middle_is_refused_with_what_the_decoder_says(picture, capfd):
    noisy = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    data = encoded(noisy, ".jpg")
    broken = damaged(data, len(data) // 2)
    assert cv2.imdecode(np.frombuffer(broken, np.uint8), cv2.IMREAD_COLOR) is not None
    assert "Corrupt JPEG data" in capfd.readouterr().err  # OpenCV says so and goes on
    with pytest.raises(ValueError, match=r"Corrupt JPEG data: \d+ extraneous bytes"):
        image_decoding.decode(broken)
    assert capfd.readouterr().err == ""


def test_what_phones_write_behind_a_jpeg_is_no_damage(picture):
    data = encoded(picture, ".jpg")
    video_behind = data + b"\0\0\0\x18ftypmp42" + bytes(5000)
    np.testing.assert_array_equal(image_decoding.decode(video_behind), image_decoding.decode(data))


def test_a_jpeg_in_four_colours_is_read_and_refused_if_damaged():
    noisy = np.random.default_rng(1).integers(0, 255, (64, 96, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noisy).convert("CMYK").save(file, "JPEG", quality=95)
    data = file.getvalue()
    assert np.abs(image_decoding.decode(data).astype(int) - noisy).mean() < 3
    with pytest.raises(ValueError, match="Corrupt JPEG data"):
        image_decoding.decode(damaged(data, len(data) // 2))


@pytest.mark.parametrize(
    ("suffix", "damage", "message"),
    [
        (".jpg", lambda data: data[:-300], "cut short"),
        (".png", lambda data: data[:-300], "cut short"),
        (".webp", lambda data: data[: len(data) // 2], "damaged"),
        (".png", lambda data: damaged(data, len(data) // 2, bytes(8)), "bad header checksum"),
        (".png", lambda data: b"", "the file is empty"),
        (".png", lambda data: b"text" + data, "no image of a kind known here"),
    ],
)
def test_what_is_cut_short_damaged_or_no_image_is_refused(picture, capfd, suffix, damage, message):
    with pytest.raises(ValueError, match=message):
        image_decoding.decode(damage(encoded(picture, suffix)))
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("turn", [1, 6])
def test_a_jpeg_is_turned_as_its_exif_data_says(picture, tmp_path, turn):
    exif = Image.Exif()
    exif[0x0112] = turn
    Image.fromarray(picture).save(tmp_path / "image.jpg", quality=95, exif=exif)
    data = (tmp_path / "image.jpg").read_bytes()
    found = image_decoding.decode(data)
    assert found.shape == ((64, 96, 3) if turn == 1 else (96, 64, 3))
    upright = cv2.imread(str(tmp_path / "image.jpg"), cv2.IMREAD_COLOR)[..., ::-1]
    np.testing.assert_array_equal(found, upright)


def test_a_print_jpeg_is_read(picture, tmp_path):
    Image.fromarray(picture).convert("CMYK").save(tmp_path / "image.jpg", quality=95)
    found = image_decoding.decode((tmp_path / "image.jpg").read_bytes())
    assert np.abs(found.astype(int) - picture).mean() < 4


@pytest.mark.parametrize("depth", [8, 10, 12, 14])
def test_values_of_fewer_than_16_bits_are_brought_to_8(picture, depth):
    values = picture.astype(np.uint16) << (depth - 8)
    values[0, 0] = (1 << depth) - 1
    data = encoded(values, ".png")
    assert image_decoding.filled_depth(data) == depth
    found = image_decoding.decode(data, depth=depth)
    np.testing.assert_array_equal(found.reshape(-1, 3)[1:], picture.reshape(-1, 3)[1:])
    with pytest.raises(ValueError, match=rf"16 bits a value, of which {depth} are used"):
        image_decoding.decode(data)


def test_full_16_bit_values_keep_their_upper_half(picture):
    values = picture.astype(np.uint16) * 257
    values[0, 0] = 65535
    data = encoded(values, ".png")
    assert image_decoding.filled_depth(data) == 16
    assert image_decoding.filled_depth(encoded(picture, ".png")) is None
    np.testing.assert_array_equal(
        image_decoding.decode(data).reshape(-1, 3)[1:], picture.reshape(-1, 3)[1:]
    )


def depth_file(values, cut=None):
    """A 16-bit PNG file; `cut`: bytes of its compressed values that are left, checksums right."""

    def chunk(name, content):
        check = struct.pack(">I", zlib.crc32(name + content))
        return struct.pack(">I", len(content)) + name + content + check

    head = struct.pack(">IIBBBBB", values.shape[1], values.shape[0], 16, 0, 0, 0, 0)
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    parts = [(b"IHDR", head), (b"IDAT", zlib.compress(rows)[:cut]), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*part) for part in parts)


DEPTH = np.random.default_rng(0).integers(0, 1107, (12, 16), np.uint16)


def test_a_depth_map_keeps_its_values():
    found = image_decoding.decode_depth_map(depth_file(DEPTH))
    assert found.dtype == np.uint16
    np.testing.assert_array_equal(found, DEPTH)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (cv2.imencode(".jpg", DEPTH.astype(np.uint8))[1].tobytes(), "it is no PNG file"),
        (depth_file(DEPTH)[:-30], "cut short"),
        (damaged(depth_file(DEPTH), 100, b"12345678"), "checksum"),
        (depth_file(DEPTH, cut=100), "truncated"),
        (cv2.imencode(".png", DEPTH.astype(np.uint8))[1].tobytes(), "grey of 8 bits"),
        (cv2.imencode(".png", np.dstack([DEPTH] * 3))[1].tobytes(), "colour of 16 bits"),
    ],
)
def test_what_is_no_whole_depth_map_is_refused(data, message, capfd):
    with pytest.raises(ValueError, match=message):
        image_decoding.decode_depth_map(data)
    assert capfd.readouterr().err == ""
