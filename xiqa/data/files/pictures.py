"""Radiographs that are pictures (PNG, JPEG, TIFF, BMP): one grey array, or an error of one sentence.

A picture is turned upright by its EXIF orientation, as every viewer shows it and as annotators saw it; widths, heights
and annotations refer to that view. Nothing is repaired silently: everything done beside decoding is a note.
"""

import re
import struct
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, ImageChops, ImageFile, ImageOps, UnidentifiedImageError
from PIL.PngImagePlugin import PngImageFile

from xiqa.data.files.checks import check_file, cut_short, guarded
from xiqa.errors import BadInput

# MPO is what phone cameras write as .jpg: the picture, with a preview behind it.
FORMATS = ("PNG", "JPEG", "MPO", "TIFF", "BMP")
BEGINNINGS = {b"\x89PNG\r\n\x1a\n": "PNG", b"\xff\xd8\xff": "JPEG", b"II*\0": "TIFF", b"MM\0*": "TIFF", b"BM": "BMP"}
SMALLEST = 32
# Pillow only warns here, and refuses at twice as much. The largest flat-panel detectors have a fifth of it.
LARGEST = 89_478_485


@dataclass(frozen=True)
class Radiograph:
    """One decoded radiograph: float32 (H, W) in [0, 1], bright where the picture is bright, and notes.

    Notes are what was done beside decoding, one phrase each; whatever varies within one kind stands in brackets.
    """

    array: NDArray[np.float32]
    notes: list[str]


def load_picture(path: str | Path) -> Radiograph:
    """Decode one radiograph that is a picture: PNG, JPEG, TIFF or BMP, of 8 bits or more, grey or not.

    Eight-bit values are divided by 255. Deeper ones are scaled from the smallest to the largest value of the picture,
    since no file contains how many of the bits are in use. Colours become grey by ITU-R 601 luma. Errors as
    :func:`xiqa.data.files.radiographs.load_radiograph`.
    """
    path = Path(path)
    check_picture(path)
    values, notes = _read_picture(path)
    return Radiograph(to_unit(path, values, notes), notes)


def check_picture(path: Path) -> None:
    """Refuse a path that is no readable file with content."""
    check_file(path, "the picture file")
    if not path.stat().st_size:
        raise BadInput("empty_file", f"{path} has no content (0 bytes): copy or download it again")


def check_size(path: Path, width: int, height: int) -> None:
    """Refuse a picture that is too small or too large."""
    if width * height > LARGEST:
        raise _too_large(path, f"{width} x {height} pixels")
    if min(width, height) < SMALLEST:
        message = f"{path} has {width} x {height} pixels, fewer than {SMALLEST} a side: give the full radiograph"
        raise BadInput("too_small", message)


def to_unit(path: Path, values: NDArray, notes: list[str]) -> NDArray[np.float32]:
    """Values as float32 in [0, 1]; appends the note on how deep ones were scaled."""
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        count = int((~np.isfinite(values)).sum())
        raise BadInput(
            "not_finite", f"{path} holds {count} pixels that are NaN or infinite: export it as whole numbers"
        )
    low, high = values.min(), values.max()
    if low == high:
        message = f"{path} has the same value ({low}) in every pixel: it shows nothing, export it again"
        raise BadInput("constant", message)
    if values.dtype == np.uint8:
        return values.astype(np.float32) / 255
    notes.append(f"more than 8 bits, scaled from its own range ({low:g} to {high:g})")
    scaled = (values.astype(np.float64) - float(low)) / (float(high) - float(low))
    return scaled.astype(np.float32)


def _read_picture(path: Path) -> tuple[NDArray, list[str]]:
    # Another library may have set Pillow to fill missing rows with grey.
    ImageFile.LOAD_TRUNCATED_IMAGES = False
    # By handle, since by name Pillow maps plain TIFFs into memory and shears those that are to be turned.
    with open(path, "rb") as handle, guarded(path, _error):
        # Image.open hides why a PNG is broken.
        picture = PngImageFile(handle) if _announced(path) == "PNG" else Image.open(handle)
        if picture.format not in FORMATS:
            message = f"{path} is a {picture.format} picture: convert it to PNG, JPEG, TIFF, BMP or DICOM"
            raise BadInput("unsupported", message)
        check_size(path, *picture.size)
        if picture.format == "PNG":
            picture.verify()  # the checksums of the pixels, which Pillow ignores otherwise
            handle.seek(0)
            picture = Image.open(handle)
        elif picture.format in ("JPEG", "MPO"):
            _check_jpeg(path)
        frames = 1 if picture.format == "MPO" else getattr(picture, "n_frames", 1)
        if frames > 1:
            raise BadInput("multi_frame", f"{path} holds {frames} pictures: save the one that is meant on its own")
        deep = picture.mode in ("RGB", "RGBA", "LA") and "16" in str(picture.tile[0].args if picture.tile else "")
        turned = _orientation(picture)
        picture.load()
        values, notes = _grey(picture)
    if deep:
        notes.append("16 bits a channel, only the upper 8 are used")
    if turned > 1:
        notes.append(f"turned upright by its EXIF orientation ({turned})")
    return values, notes


def _announced(path: Path) -> str | None:
    """Format of a file, from its first bytes."""
    with open(path, "rb") as handle:
        start = handle.read(8)
    return next((name for magic, name in BEGINNINGS.items() if start.startswith(magic)), None)


def _check_jpeg(path: Path) -> None:
    """Refuse a JPEG whose end is zeros, as an unfinished torrent leaves it: decoders take them for pixels."""
    content = path.read_bytes()
    written = content.rstrip(b"\0")
    if len(content) - len(written) > 1 and not written.endswith(b"\xff\xd9"):
        raise BadInput("truncated", f"{path} is cut short (it ends in zeros): copy or download it again")


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


def _too_large(path: Path, size: str) -> BadInput:
    message = (
        f"{path} declares {size}, more than the {LARGEST:,} of any radiograph: check its source or make it smaller"
    )
    return BadInput("too_large", message)


def _error(path: Path, error: Exception, words: str) -> BadInput:
    """The reason of an error that Pillow raised."""
    if isinstance(error, Image.DecompressionBombError | Image.DecompressionBombWarning):
        return _too_large(path, f"{int(re.search(r'[0-9]+', words).group()):,} pixels")
    if isinstance(error, UnidentifiedImageError):
        announced = _announced(path)
        if announced is None:
            return BadInput("not_an_image", f"{path} is not a picture: give a PNG, JPEG, TIFF, BMP or DICOM file")
        message = f"{path} begins as {announced} and breaks off in its header: copy or download it again"
        return BadInput("truncated", message)
    # "Cannot load": a header whose pixels never begin.
    ends = ("truncated", "cannot load", "incomplete checksum")
    too_few_bytes = isinstance(error, EOFError) or isinstance(error.__cause__, struct.error)
    if too_few_bytes or any(end in words.lower() for end in ends):
        return cut_short(path)
    if "broken PNG" in words:
        message = f"{path} has changed since it was written (a PNG checksum does not fit): copy or download it again"
        return BadInput("bad_crc", message)
    return BadInput("damaged", f"{path} cannot be decoded ({words}): copy or download it again")
