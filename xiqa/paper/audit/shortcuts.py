"""Features that should not predict the label: the file, its header, background, borders, the number of objects.

They go into a plain classifier that is fitted on the training and validation splits and scored on the test split. A
picture's features are those of the file on disk, not of the networks' input.
"""

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
from sklearn.utils.class_weight import compute_sample_weight

from xiqa.data.arrays import drawn
from xiqa.data.arrays.images import Prepared

FITTED = ("train", "val")


def picture_file(path: Path) -> dict[str, float]:
    """Features of a picture file that do not depend on the cause of its label.

    Size in bytes, height, width, sum of the JPEG quantisation tables (0 without); of the four corners (an eighth of
    the side): mean and spread; share of zeros; noise (median absolute Laplacian); of the outermost pixels: mean and
    spread; mean brightness of all. Grey values in [0, 255].
    """
    with Image.open(path) as picture:
        tables = getattr(picture, "quantization", None) or {}
        grey = np.asarray(picture.convert("L"), dtype=np.float32)
    high, wide = (max(side // 8, 1) for side in grey.shape)
    corners = np.concatenate([grey[rows, columns].ravel() for rows in (slice(high), slice(-high, None))
                              for columns in (slice(wide), slice(-wide, None))])  # fmt: skip
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
    affine = image.affine
    codes = nibabel.orientations.io_orientation(affine)
    header = image.header
    slope, intercept = header.get_slope_inter() if hasattr(header, "get_slope_inter") else (None, None)
    return {
        "bytes": path.stat().st_size,
        **{f"length_{axis}": length for axis, length in zip("ijk", image.shape[:3], strict=True)},
        **{f"voxel_{axis}": size for axis, size in zip("ijk", np.linalg.norm(affine[:3, :3], axis=0), strict=True)},
        **{f"origin_{axis}": value for axis, value in zip("xyz", affine[:3, 3], strict=True)},
        **{f"axis_{axis}": value for axis, value in zip("ijk", codes[:, 0] * codes[:, 1], strict=True)},
        "aligned": float(np.abs(affine[:3, :3] / np.linalg.norm(affine[:3, :3], axis=0)).max(axis=0).min()),
        "type": image.get_data_dtype().num,
        "slope": float(slope or 0.0),
        "intercept": float(intercept or 0.0),
    }


def picture_features(prepared: Path, root: Path) -> pd.DataFrame:
    """Store function: `picture_file` of every picture and, where the simulator noted it, the number of objects.

    Returns
    -------
    DataFrame with the columns split, unit, label and one a feature.
    """
    data = Prepared(prepared)
    parts = []
    for split in (*FITTED, "test"):
        records = data.records(split)
        rows = [picture_file(root / path) | _worn(root, split, path) for path in records["path"]]
        parts.append(pd.concat([records[["split", "unit", "label"]], pd.DataFrame(rows)], axis=1))
    return pd.concat(parts, ignore_index=True)


def _worn(root: Path, split: str, path: str) -> dict[str, float]:
    """Number of objects that a simulated film shows, wherever they lie; empty where the simulator wrote no number."""
    try:
        written = json.loads((root / "derivatives" / split / f"{Path(path).stem}.json").read_text())
    except (OSError, ValueError):
        return {}
    return {"objects": float(len(written["objects"]))} if "objects" in written else {}


def volume_features(prepared: Path, root: Path) -> pd.DataFrame:
    """Store function: `volume_header` of every scan that lies on disk; columns split, unit, label, one a feature."""
    data = drawn.read_volumes(prepared)
    parts = []
    for split in (*FITTED, "test"):
        records = data.records(split).rename(columns={"subject": "unit"})
        on_disk = [(root / path).is_file() for path in records["path"]]
        records = records[on_disk].reset_index(drop=True)
        rows = pd.DataFrame([volume_header(root / path) for path in records["path"]])
        parts.append(pd.concat([records[["split", "unit", "label"]], rows], axis=1))
    return pd.concat(parts, ignore_index=True)


CLASSIFIERS: dict[str, Callable] = {
    "boosting": lambda: HistGradientBoostingClassifier(max_iter=60, max_leaf_nodes=8, random_state=0),
    "logistic": lambda: make_pipeline(StandardScaler(), LogisticRegression(max_iter=2000)),
}


def fitted(features: pd.DataFrame, columns: list[str], kind: str) -> pd.DataFrame:
    """Scores of a classifier on the test split, fitted on training and validation with balanced classes.

    Parameters
    ----------
    features : columns split, unit, label and ``columns``.
    kind : "boosting" (gradient boosting) or "logistic" (logistic regression on standardised features).

    Returns
    -------
    DataFrame with the columns unit, label, score, a row a test item.
    """
    train, test = features[features["split"].isin(FITTED)], features[features["split"] == "test"]
    model = CLASSIFIERS[kind]()
    weights = compute_sample_weight("balanced", train["label"])
    if kind == "logistic":
        model.fit(train[columns], train["label"], logisticregression__sample_weight=weights)
    else:
        model.fit(train[columns], train["label"], sample_weight=weights)
    return test[["unit", "label"]].assign(score=model.decision_function(test[columns]))
