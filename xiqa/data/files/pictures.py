"""Radiographs that are pictures (PNG, JPEG, TIFF, BMP): one grey array, or an error of one sentence.

A picture is turned upright by its EXIF orientation, as every viewer shows it and as annotators saw it. Widths, heights
and annotations refer to that view. Nothing is repaired silently: ``Radiograph.notes`` lists everything done beside
decoding.
"""

import os
import re
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageFile, ImageOps, UnidentifiedImageError

from xiqa.errors import BadInput

# MPO is what phone cameras write as .jpg: the picture, with a preview behind it.
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP")
BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP"}
SMALLEST = 32
# Pillow only warns here, and refuses at twice as much. The largest flat-panel detectors have a fifth of it.
LARGEST = 89_478_485


@dataclass(frozen=True)
class Radiograph:
    """One decoded radiograph.

    Attributes
    ----------
    array : float32 (H, W) in [0, 1], bright where the picture is bright.
    notes : what was done beside decoding, one phrase each; whatever varies within one kind stands in brackets.
    """

    array: NDArray[np.float32]
    notes: list[str]


def load_picture(path: str | Path) -> Radiograph:
    """Decode one radiograph that is a picture: PNG, JPEG, TIFF or BMP, of 8 bits or more, grey or not.

    Eight-bit values are divided by 255. Deeper ones are scaled from the smallest to the largest value of the picture,
    since how many of the bits are in use is written nowhere. Colours become grey by ITU-R 601 luma. Errors as
    :func:`xiqa.data.files.radiographs.load_radiograph`.
    """
    path = Path(path)
    check_file(path)
    values, notes = _read_picture(path)
    return Radiograph(to_unit(path, values, notes), notes)


def picture_size(path: str | Path) -> tuple[int, int]:
    """Height and width of a picture as it is shown, from its header; errors as far as the header allows."""
    path = Path(path)
    check_file(path)
    with _open_picture(path) as picture:
        width, height = picture.size
        # Pillow has already swapped the two for a TIFF.
        if picture.format != "TIFF" and _orientation(picture) >= 5:
            width, height = height, width
    return height, width


def check_file(path: Path) -> None:
    """Refuse a path that is no readable file with content."""
    # os.path answers also for names that no file can have.
    if os.path.isdir(path):
        raise BadInput("directory", f"{path} is a folder: name the picture file itself")
    if not os.path.exists(path):
        raise BadInput("missing", f"{path} does not exist: check the name, or copy the file there")
    try:
        with open(path, "rb") as handle:
            empty = not handle.read(1)
    except OSError as error:
        raise BadInput("unreadable", f"{path} cannot be opened ({error.strerror}): check its permissions") from error
    if empty:
        raise BadInput("empty_file", f"{path} has no content (0 bytes): copy or download it again")


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a picture that is too small or too large."""
    if width * height > LARGEST:
        raise _too_large(path, f"{width} x {height} pixels")
    if min(width, height) < SMALLEST:
        raise BadInput(
            "too_small", f"{path} has {width} x {height} pixels, fewer than {SMALLEST} a side: give the full radiograph"
        )


def _too_large(path: Path, size: str) -> BadInput:
    return BadInput(
        "too_large",
        f"{path} declares {size}, more than the {LARGEST:,} of any radiograph: "
        "check where it comes from, or make it smaller",
    )


def _beginning(path: Path) -> str | None:
    """Format of a file, from its first bytes."""
    with open(path, "rb") as handle:
        start = handle.read(8)
    return next((name for magic, name in BEGINNINGS.items() if start.startswith(magic)), None)


@contextmanager
def _open_picture(path: Path) -> Iterator[Image.Image]:
    """Open a picture, read its header only, and check it."""
    # By handle, since by name Pillow maps plain TIFFs into memory and shears those that are to be turned.
    with open(path, "rb") as handle:
        picture = _identified(path, handle)
        if picture.format not in FORMATS:
            raise BadInput(
                "unsupported", f"{path} is a {picture.format} picture: convert it to PNG, JPEG, TIFF, BMP or DICOM"
            )
        check_size(path, *picture.size)
        # Counting the frames of a TIFF walks through the file, so it may fail as decoding may.
        frames = 1 if picture.format == "MPO" else _guarded(path, lambda: getattr(picture, "n_frames", 1))
        if frames > 1:
            raise BadInput("multi_frame", f"{path} holds {frames} pictures: save the one that is meant on its own")
        yield picture


def _identified(path: Path, handle: BinaryIO) -> Image.Image:
    try:
        return Image.open(handle)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise _too_large(path, f"{int(re.search(r'[0-9]+', str(error)).group()):,} pixels") from error
    except UnidentifiedImageError as error:
        announced = _beginning(path)
        if announced is None:
            raise BadInput(
                "not_an_image", f"{path} is not a picture: give a PNG, JPEG, TIFF, BMP or DICOM file"
            ) from error
        raise BadInput(
            "truncated", f"{path} begins as {announced} and breaks off in its header: copy or download it again"
        ) from error
    except Exception as error:
        raise _damaged(path, error) from error


def _guarded(path: Path, action):
    """Result of an action on a file; any error of a decoder becomes ``BadInput``."""
    try:
        return action()
    except Exception as error:
        raise _damaged(path, error) from error


def _damaged(path: Path, error: Exception) -> BadInput:
    # "Cannot load": a header whose pixels never begin.
    if isinstance(error, EOFError) or any(words in str(error).lower() for words in ("truncated", "cannot load")):
        return BadInput("truncated", f"{path} is cut short: copy or download it again")
    return BadInput("damaged", f"{path} cannot be decoded ({' '.join(str(error).split())}): copy or download it again")


def _check_png(path: Path) -> None:
    """Follow the chunks of a PNG to its end and compare their CRC, which Pillow does not do for pixels."""
    with open(path, "rb") as handle:
        handle.seek(8)
        name = b""
        while name != b"IEND":
            head = handle.read(8)
            length, name = struct.unpack(">I4s", head) if len(head) == 8 else (0, b"")
            content, crc = handle.read(length), handle.read(4)
            if len(content) < length or len(crc) < 4:
                raise BadInput("truncated", f"{path} is cut short: copy or download it again")
            if zlib.crc32(content, zlib.crc32(name)) != struct.unpack(">I", crc)[0]:
                raise BadInput("bad_crc", f"{path} has changed since it was written (a PNG checksum does not fit): "
                               "copy or download it again")  # fmt: skip


def _check_jpeg(path: Path) -> None:
    """Refuse a JPEG whose end is zeros, as an unfinished torrent leaves it: decoders take them for pixels."""
    content = path.read_bytes()
    written = content.rstrip(b"\0")
    if len(content) - len(written) > 1 and not written.endswith(b"\xff\xd9"):
        raise BadInput("truncated", f"{path} is cut short (it ends in zeros): copy or download it again")


def _read_picture(path: Path) -> tuple[NDArray, list[str]]:
    announced = _beginning(path)
    if announced == "PNG":
        _check_png(path)
    elif announced == "JPEG":
        _check_jpeg(path)
    # Another library may have set Pillow to fill missing rows with grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    with _open_picture(path) as picture:
        deep = picture.mode in ("RGB", "RGBA", "LA") and "16" in str(picture.tile[0].args if picture.tile else "")
        turned = _orientation(picture)
        _guarded(path, picture.load)
        values, notes = _guarded(path, lambda: _grey(picture))
    if deep:
        notes.append("16 bits a channel, only the upper 8 are used")
    if turned > 1:
        notes.append(f"turned upright by its EXIF orientation ({turned})")
    return values, notes


def _orientation(picture: Image.Image) -> int:
    """EXIF orientation 1..8; 1 (upright) where there is none or where it cannot be read."""
    try:
        orientation = picture.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:
        return 1
    return orientation if orientation in range(1, 9) else 1


def _grey(picture: Image.Image) -> tuple[NDArray, list[str]]:
    """Grey values (H, W), upright: uint8, or deeper as stored."""
    notes = []
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith("I") or picture.mode == "F":
        values = np.asarray(picture)
        return values.astype(values.dtype.newbyteorder("=")), notes
    if picture.mode == "1":
        notes.append("1 bit, black and white only")
    elif picture.mode == "P":
        notes.append("palette, colours looked up")
    elif picture.mode == "CMYK":
        notes.append("CMYK, turned to RGB without a colour profile")
    if picture.has_transparency_data and picture.mode not in ("L", "RGB"):
        notes.append("transparency, laid on black")
        picture = picture.convert("RGBA")
        picture = Image.alpha_composite(Image.new("RGBA", picture.size, "black"), picture)
    if picture.mode not in ("1", "L"):
        picture = picture.convert("RGB")
        red, green, blue = picture.split()
        if ImageChops.difference(red, green).getbbox() or ImageChops.difference(green, blue).getbbox():
            notes.append("colour, turned to grey by ITU-R 601 luma")
    return np.asarray(picture.convert("L")), notes


def to_unit(path: Path, values: NDArray, notes: list[str]) -> NDArray[np.float32]:
    """Values as float32 in [0, 1]; appends the note on how deep ones were scaled."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise BadInput(
            "not_finite", f"{path} holds {count} pixels that are NaN or infinite: export it again with whole numbers"
        )
    low, high = values.min(), values.max()
    if low == high:
        raise BadInput(
            "constant", f"{path} has the same value ({low}) in every pixel: it shows nothing, export it again"
        )
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255
    notes.append(f"more than 8 bits, scaled from its own range ({low:g} to {high:g})")
    scaled = (values.astype(np.float64) - float(low)) / (float(high) - float(low))
    return scaled.astype(np.float32)
