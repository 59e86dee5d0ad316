"""Folders of a run, and a small data set of radiographs that several chapters explain."""

import numpy as np
import pytest
from PIL import Image

from xiqa.data.prepare_images import prepare

SIZE = 64


@pytest.fixture(scope="session")
def films(tmp_path_factory):
    """Six films a split, four with a bright square whose box is annotated."""
    root, folder = tmp_path_factory.mktemp("data"), tmp_path_factory.mktemp("prepared")
    rng = np.random.default_rng(0)
    for split, table in (("train", "train.csv"), ("val", "dev.csv"), ("test", "test.csv")):
        (root / f"object-CXR_{split}" / "images").mkdir(parents=True)
        lines = ["image_name,annotation"]
        for i in range(6):
            image = rng.uniform(0.3, 0.5, (SIZE, SIZE))
            x, y = rng.integers(8, 40, 2)
            annotation = f"0 {x} {y} {x + 8} {y + 8}" if i < 4 else ""
            if annotation:
                image[y : y + 8, x : x + 8] = 1
            pixels = np.rint(255 * image).astype(np.uint8)
            Image.fromarray(pixels).save(root / f"object-CXR_{split}" / "images" / f"{i}.png")
            lines.append(f"{i}.png,{annotation}")
        (root / f"object-CXR_{split}" / table).write_text("\n".join(lines) + "\n")
    prepare(folder, root, SIZE)
    return folder


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Empty folders for results, figures and data, and no settings of a run."""
    for name in ("RESULTS", "FIGURES", "DATA"):
        monkeypatch.setenv(f"XIQA_{name}", str(tmp_path / name.lower()))
    for name in ("RUN", "STEP"):
        monkeypatch.delenv(f"XIQA_{name}", raising=False)
    return tmp_path
