"""Features that should not predict the label (of files on disk, not of the networks' input), and plain classifiers."""

import itertools
import json
from collections.abc import Callable
from pathlib import Path

import nibabel
import numpy as np
import pandas as pd
from PIL import Image
from scipy import ndimage
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from xiqa.data.arrays import drawn
from xiqa.data.arrays.images import Prepared
from xiqa.data.names import SPLITS


def picture_file(path: Path) -> dict[str, float]:
    """Features of a picture file that do not depend on the cause of its label; grey values in [0, 255].

    ``tables``: sum of the JPEG quantisation tables (0 without); corners: an eighth of the side; ``zeros``: their share;
    ``noise``: median absolute Laplacian; ``border``: the outermost pixels.
    """
    with Image.open(path) as picture:
        tables = getattr(picture, "quantization", None) or {}
        grey = np.asarray(picture.convert("L"), dtype=np.float32)
    ends = [(slice(side), slice(-side, None)) for side in (max(length // 8, 1) for length in grey.shape)]
    corners = np.concatenate([grey[place].ravel() for place in itertools.product(*ends)])
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    return {
        "bytes": path.stat().st_size,
        "height": grey.shape[0],
        "width": grey.shape[1],
        "tables": float(sum(sum(table) for table in tables.values())),
        "corner_mean": corners.mean(),
        "corner_spread": corners.std(),
        "zeros": (grey == 0).mean(),
        "noise": np.median(np.abs(ndimage.laplace(grey))),
        "border_mean": border.mean(),
        "border_spread": border.std(),
        "brightness": grey.mean(),
    }


def volume_header(path: Path) -> dict[str, float]:
    """Features of a volume's file and header: bytes, lengths, voxel sizes, place, axis codes, type, scaling."""
    image = nibabel.load(path)
    header, affine = image.header, image.affine
    codes, sizes = nibabel.orientations.io_orientation(affine), np.linalg.norm(affine[:3, :3], axis=0)
    slope, intercept = header.get_slope_inter() if hasattr(header, "get_slope_inter") else (None, None)
    return {
        "bytes": path.stat().st_size,
        **{f"length_{axis}": length for axis, length in zip("ijk", image.shape[:3], strict=True)},
        **{f"voxel_{axis}": size for axis, size in zip("ijk", sizes, strict=True)},
        **{f"origin_{axis}": value for axis, value in zip("xyz", affine[:3, 3], strict=True)},
        **{f"axis_{axis}": value for axis, value in zip("ijk", codes[:, 0] * codes[:, 1], strict=True)},
        "aligned": float(np.abs(affine[:3, :3] / sizes).max(axis=0).min()),
        "type": image.get_data_dtype().num,
        "slope": float(slope or 0.0),
        "intercept": float(intercept or 0.0),
    }


def picture_features(prepared: Path, root: Path) -> pd.DataFrame:
    """Store function: `picture_file` of every picture, and the simulator's number of objects; columns as below."""
    data, parts = Prepared(prepared), []
    for split in SPLITS:
        records = data.records(split)
        rows = [picture_file(root / path) | _worn(root, split, path) for path in records["path"]]
        parts.append(pd.concat([records[["split", "unit", "label"]], pd.DataFrame(rows)], axis=1))
    return pd.concat(parts, ignore_index=True)


def _worn(root: Path, split: str, path: str) -> dict[str, float]:
    """Number of objects that a simulated film shows, wherever they lie; empty where the simulator wrote no number."""
    try:
        notes = json.loads((root / "derivatives" / split / f"{Path(path).stem}.json").read_text())
    except (OSError, ValueError):
        return {}
    return {"objects": float(len(notes["objects"]))} if "objects" in notes else {}


def volume_features(prepared: Path, root: Path) -> pd.DataFrame:
    """Store function: `volume_header` of every scan that lies on disk; columns split, unit, label, one a feature."""
    data, parts = drawn.read_volumes(prepared), []
    for split in SPLITS:
        records = data.records(split).rename(columns={"subject": "unit"})
        records = records[[(root / path).is_file() for path in records["path"]]].reset_index(drop=True)
        rows = pd.DataFrame([volume_header(root / path) for path in records["path"]])
        parts.append(pd.concat([records[["split", "unit", "label"]], rows], axis=1))
    return pd.concat(parts, ignore_index=True)


CLASSIFIERS: dict[str, Callable] = {
    "boosting": lambda: HistGradientBoostingClassifier(
        max_iter=60, max_leaf_nodes=8, random_state=0, class_weight="balanced"
    ),
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000, class_weight="balanced")),
}


def fitted(features: pd.DataFrame, columns: list[str], kind: str) -> pd.DataFrame:
    """Scores (columns unit, label, score) of test items by a classifier of the other splits, with balanced classes.

    ``kind`` is "boosting" (gradient boosting) or "logistic" (logistic regression on standardised features).
    """
    train, test = features[features["split"] != "test"], features[features["split"] == "test"]
    model = CLASSIFIERS[kind]().fit(train[columns], train["label"])
    return test[["unit", "label"]].assign(score=model.decision_function(test[columns]))
