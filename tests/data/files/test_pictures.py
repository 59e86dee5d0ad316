import contextlib
import io
import os
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, ImageFile

from xiqa.data.files.radiographs import load_radiograph
from xiqa.errors import BadInput


def reason_of(path):
    with pytest.raises(BadInput) as caught:
        load_radiograph(path)
    assert str(path) in caught.value.message
    assert "\n" not in caught.value.message
    return caught.value.reason


def saved(path, picture, **options):
    picture.save(path, **options)
    return path


@pytest.mark.parametrize("mode", ["L", "RGB"])
@pytest.mark.parametrize("suffix", ["png", "bmp", "tif", "jpg"])
def test_eight_bit_grey_is_divided_by_255(tmp_path, film, suffix, mode):
    radiograph = load_radiograph(saved(tmp_path / f"a.{suffix}", Image.fromarray(film()).convert(mode), quality=95))
    assert radiograph.array.dtype == np.float32
    if suffix == "jpg":
        assert np.abs(radiograph.array - film() / 255).mean() < 0.02
    else:
        np.testing.assert_array_equal(radiograph.array, film().astype(np.float32) / 255)
    assert radiograph.notes == []


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bits_are_scaled_from_their_own_range(tmp_path, film, suffix):
    deep = film().astype(np.uint16) * 13 + 100
    radiograph = load_radiograph(saved(tmp_path / f"a.{suffix}", Image.fromarray(deep)))
    np.testing.assert_allclose(radiograph.array, film() / 255, atol=1e-6)
    assert radiograph.notes == ["more than 8 bits, scaled from its own range (100 to 3415)"]


def test_big_endian_sixteen_bit_tiff(tmp_path, film):
    deep = (film().astype(np.uint16) * 3).astype(">u2")
    picture = Image.frombytes("I;16B", deep.shape[::-1], deep.tobytes())
    np.testing.assert_allclose(load_radiograph(saved(tmp_path / "a.tif", picture)).array, film() / 255, atol=1e-6)


def test_floating_point_tiff_and_its_nan(tmp_path, film):
    values = film().astype(np.float32) * 7 - 3
    path = saved(tmp_path / "a.tif", Image.fromarray(values))
    np.testing.assert_allclose(load_radiograph(path).array, film() / 255, atol=1e-6)
    values[3, 4] = np.nan
    assert reason_of(saved(tmp_path / "b.tif", Image.fromarray(values))) == "not_finite"


def test_colours_become_luma_and_a_note(tmp_path, film):
    colour = np.stack([film(0), film(1), film(2)], axis=-1)
    radiograph = load_radiograph(saved(tmp_path / "a.png", Image.fromarray(colour)))
    np.testing.assert_allclose(radiograph.array * 255, colour @ (0.299, 0.587, 0.114), atol=0.51)
    assert radiograph.notes == ["colour, turned to grey by ITU-R 601 luma"]


def test_transparency_is_laid_on_black(tmp_path, film):
    picture = Image.fromarray(film()).convert("RGBA")
    alpha = np.full(film().shape, 255, np.uint8)
    alpha[:10] = 0
    picture.putalpha(Image.fromarray(alpha))
    for path in (saved(tmp_path / "a.png", picture), saved(tmp_path / "b.png", picture.convert("LA"))):
        radiograph = load_radiograph(path)
        assert (radiograph.array[:10] == 0).all()
        np.testing.assert_array_equal(radiograph.array[10:], film()[10:].astype(np.float32) / 255)
        assert radiograph.notes == ["transparency, laid on black"]


def test_one_bit_and_palette(tmp_path, film):
    radiograph = load_radiograph(saved(tmp_path / "b.png", Image.fromarray(film() > 99)))
    np.testing.assert_array_equal(radiograph.array, film() > 99)
    assert radiograph.notes == ["1 bit, black and white only"]

    picture = Image.fromarray(film(), mode="L").convert("P")
    picture.putpalette([value for k in range(256) for value in (255 - k,) * 3])
    radiograph = load_radiograph(saved(tmp_path / "a.png", picture))
    np.testing.assert_allclose(radiograph.array, 1 - film() / 255, atol=1e-6)
    assert radiograph.notes == ["palette, colours looked up"]


def test_cmyk(tmp_path, film):
    picture = Image.fromarray(film()).convert("RGB").convert("CMYK")
    for path in (saved(tmp_path / "a.tif", picture), saved(tmp_path / "a.jpg", picture, quality=95)):
        radiograph = load_radiograph(path)
        assert np.abs(radiograph.array - film() / 255).mean() < 0.02
        assert radiograph.notes[0] == "CMYK, turned to RGB without a colour profile"


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_turns_the_picture_as_viewers_do(tmp_path, film, suffix, orientation):
    upright = film()
    # What a camera held so has stored (EXIF 2.3, tag 0x0112): undo the turn that the tag asks for.
    stored = {
        1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1], 5: upright.T,
        6: np.rot90(upright), 7: upright[::-1, ::-1].T, 8: np.rot90(upright, -1),
    }[orientation]  # fmt: skip
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = saved(tmp_path / f"a.{suffix}", Image.fromarray(np.ascontiguousarray(stored)), exif=exif)
    radiograph = load_radiograph(path)
    np.testing.assert_array_equal(radiograph.array, upright.astype(np.float32) / 255)
    assert radiograph.notes == ([f"turned upright by its EXIF orientation ({orientation})"] if orientation > 1 else [])


def test_missing_directory_empty(tmp_path):
    (tmp_path / "empty.png").touch()
    assert reason_of(tmp_path / "nowhere.png") == "missing"
    assert reason_of(tmp_path / ("long" * 99)) == "missing"
    assert reason_of(tmp_path) == "directory"
    assert reason_of(tmp_path / "empty.png") == "empty_file"


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_no_permission(tmp_path, film, encoded):
    path = tmp_path / "a.png"
    path.write_bytes(encoded(film(), "PNG"))
    path.chmod(0)
    assert reason_of(path) == "unreadable"


@pytest.mark.parametrize(
    "content",
    [b"<!DOCTYPE html><html><body>404</body></html>", np.random.default_rng(0).bytes(5000), b"x", b"\0" * 999],
)
@pytest.mark.parametrize("suffix", ["png", "jpg", "dcm"])
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_not_an_image(tmp_path, content, suffix):
    path = tmp_path / f"a.{suffix}"
    path.write_bytes(content)
    assert reason_of(path) == "not_an_image"


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "TIFF", "BMP"])
@pytest.mark.parametrize("share", [0.02, 0.3, 0.6, 0.9, 0.98])
def test_a_file_cut_short_is_never_half_grey(tmp_path, film, encoded, kind, share, monkeypatch):
    monkeypatch.setattr(ImageFile, "LOAD_TRUNCATED_IMAGES", True)  # as another library may have set it
    content = encoded(film(height=200, width=200), kind)
    path = tmp_path / f"a.{kind.lower()}"
    path.write_bytes(content[: int(len(content) * share)])
    # A TIFF may keep its directory at the end, so a cut one need not know that it is cut.
    assert reason_of(path) in ("truncated",) + ("damaged", "not_an_image") * (kind == "TIFF")


def test_a_jpeg_of_an_unfinished_torrent_ends_in_zeros(tmp_path, encoded):
    noise = np.random.default_rng(0).integers(0, 256, (200, 200), dtype=np.uint8)
    content = encoded(noise, "JPEG", quality=95)
    path = tmp_path / "a.jpg"
    path.write_bytes(content[: len(content) // 2].ljust(len(content), b"\0"))
    with Image.open(path) as picture:
        picture.load()  # Pillow sees nothing wrong
    assert reason_of(path) == "truncated"
    path.write_bytes(content + b"\0" * 512)
    assert load_radiograph(path).array.shape == (200, 200)


def test_every_flipped_byte_of_a_png_is_noticed(tmp_path, film, encoded):
    content = encoded(film(), "PNG")
    path = tmp_path / "a.png"
    for place in range(8, len(content) - 12, 37):
        path.write_bytes(content[:place] + bytes([content[place] ^ 0x10]) + content[place + 1 :])
        assert reason_of(path) in ("bad_crc", "truncated"), place
    middle = len(content) // 2
    path.write_bytes(content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :])
    assert reason_of(path) == "bad_crc"


def test_too_small_and_constant(tmp_path, film):
    for dtype in (np.uint8, np.uint16):
        assert reason_of(saved(tmp_path / "d.png", Image.fromarray(np.full((40, 40), 77, dtype)))) == "constant"
    assert reason_of(saved(tmp_path / "a.png", Image.fromarray(film()[:1, :1]))) == "too_small"
    assert reason_of(saved(tmp_path / "b.png", Image.fromarray(film()[:31]))) == "too_small"
    assert load_radiograph(saved(tmp_path / "c.png", Image.fromarray(film()[:32]))).array.shape == (32, 48)


@pytest.mark.parametrize(("width", "height"), [(60_000, 50_000), (11_000, 10_000)])
@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
def test_a_decompression_bomb_is_refused_from_its_header(tmp_path, width, height):
    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b""))
    with pytest.raises(BadInput) as caught:
        load_radiograph(path)
    assert caught.value.reason == "too_large"
    assert "declares" in str(caught.value)
    assert f"{width} x {height}" in str(caught.value) or f"{width * height:,}" in str(caught.value)


def test_several_pictures_in_one_file(tmp_path, film):
    first, second = Image.fromarray(film(0)), Image.fromarray(film(1))
    path = saved(tmp_path / "a.tif", first, save_all=True, append_images=[second])
    assert reason_of(path) == "multi_frame"
    phone = saved(tmp_path / "b.jpg", first.convert("RGB"), format="MPO", save_all=True, append_images=[second])
    assert load_radiograph(phone).array.shape == (40, 48)


def test_other_picture_formats_are_refused(tmp_path, film):
    assert reason_of(saved(tmp_path / "a.gif", Image.fromarray(film()))) == "unsupported"
    assert reason_of(saved(tmp_path / "a.png", Image.fromarray(film()), format="WEBP")) == "unsupported"


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_damaged_headers_never_raise_anything_else(tmp_path, film, encoded):
    generator = np.random.default_rng(0)
    path = tmp_path / "a"
    for kind in ("PNG", "JPEG", "TIFF", "BMP"):
        content = encoded(film(), kind)
        for _ in range(60):
            damaged = bytearray(content)
            for place in generator.integers(0, min(len(content), 400), 4):
                damaged[place] = generator.integers(256)
            path.write_bytes(damaged)
            with contextlib.suppress(BadInput):
                load_radiograph(path)


def test_the_real_film(real_film):
    radiograph = load_radiograph(real_film / "images" / "09361.jpg")
    assert radiograph.array.shape == (600, 600)
    assert 0 <= radiograph.array.min() < radiograph.array.max() <= 1
    content = (real_film / "images" / "09361.jpg").read_bytes()
    np.testing.assert_array_equal(np.asarray(Image.open(io.BytesIO(content))) / np.float32(255), radiograph.array)
