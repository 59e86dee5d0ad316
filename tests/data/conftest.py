"""Small made films, and folders in the layouts of Object-CXR."""

import io
import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from xiqa.errors import BadInput

TABLES = {"train": "train.csv", "val": "dev.csv", "test": "test.csv"}


def make_film(seed: int = 0, height: int = 40, width: int = 48) -> np.ndarray:
    """A smooth grey picture, uint8, that uses the whole range."""
    y, x = np.mgrid[:height, :width]
    picture = (
        np.sin(x / 7 + seed) + np.cos(y / (5 + seed % 7)) + 0.1 * np.random.default_rng(seed).random((height, width))
    )
    picture -= picture.min()
    return np.rint(picture / picture.max() * 255).astype(np.uint8)


def encode(array: np.ndarray, kind: str, **options) -> bytes:
    content = io.BytesIO()
    Image.fromarray(array).save(content, kind, **options)
    return content.getvalue()


def write_layout(root: Path, rows: dict[str, list[tuple[str, str]]], layout: str, first_seed: int = 0) -> Path:
    """Write tables and one film a row; rows are (name, annotation) of each split."""
    seed = first_seed
    for split, entries in rows.items():
        stem = Path(TABLES[split]).stem
        base = root / f"object-CXR_{split}" if layout == "repository" else root
        images = base / (stem if layout.startswith("challenge") else "images")
        images.mkdir(parents=True, exist_ok=True)
        prefix = f"{stem}/" if layout == "challenge_path" else ""
        column = "image_path" if layout == "challenge_path" else "image_name"
        lines = [f"{column},annotation", *(f"{prefix}{name},{annotation}" for name, annotation in entries)]
        (base / TABLES[split]).write_text("\n".join(lines) + "\n")
        for name, _ in entries:
            (images / name).write_bytes(encode(make_film(seed), "PNG"))
            seed += 1
    return root


def make_entries(count: int, start: int = 0) -> list[tuple[str, str]]:
    """Names and annotations, every second one with an object."""
    return [(f"{start + k:05d}.png", "0 5 6 20 18" if k % 2 else "") for k in range(count)]


@pytest.fixture
def reason_of():
    """The function that returns the reason why a call is refused."""

    def refused(function, *arguments):
        with pytest.raises(BadInput) as caught:
            function(*arguments)
        return caught.value.reason

    return refused


@pytest.fixture
def film():
    """The function that makes films."""
    return make_film


@pytest.fixture
def encoded():
    """The function that encodes an array as a picture file."""
    return encode


@pytest.fixture
def lay_out():
    """The function that writes a data set."""
    return write_layout


@pytest.fixture
def entries():
    """The function that makes rows of a table."""
    return make_entries


@pytest.fixture
def real_film() -> Path:
    """Folder of the real film, where there is one."""
    folder = Path(os.environ.get("XIQA_REAL_DATA", "")) / "object_cxr"
    if not os.environ.get("XIQA_REAL_DATA") or not folder.is_dir():
        pytest.skip("XIQA_REAL_DATA names no folder with object_cxr")
    return folder
