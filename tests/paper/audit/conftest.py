"""Entries as the preparation of pictures writes them, made by hand."""

import numpy as np
import pandas as pd
import pytest

SIZE = 32


@pytest.fixture
def entry(tmp_path):
    """Function that writes an entry: split -> (images (N, 32, 32) uint8, labels, units)."""

    def write(splits, name="entry"):
        folder = tmp_path / name
        folder.mkdir()
        rows = []
        for split, (images, labels, units) in splits.items():
            np.save(folder / f"{split}.npy", images)
            for i, (label, unit) in enumerate(zip(labels, units, strict=True)):
                path = f"object-CXR_{split}/images/{i}.png"
                rows.append((split, f"{i}.png", unit, path, label, label, "", SIZE, SIZE))
        columns = ["split", "image", "unit", "path", "label", "located", "annotation", "height", "width"]
        pd.DataFrame(rows, columns=columns).to_csv(folder / "records.csv", index=False)
        pd.DataFrame(columns=["split", "path", "line", "reason", "status", "message"]).to_csv(
            folder / "problems.csv", index=False
        )
        (folder / "notes.txt").write_text("")
        return folder

    return write


@pytest.fixture
def noise():
    """Function that gives pictures of noise."""
    return lambda count, seed=0: np.random.default_rng(seed).integers(0, 256, (count, SIZE, SIZE)).astype(np.uint8)
