"""Prepared brain volumes: what networks of volumes see."""

from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.data.arrays.folder import PreparedFolder
from xiqa.data.names import SPLITS

TRUTH = Path("derivatives", "truth")
DRAWN = "drawn.json"


class PreparedVolumes(PreparedFolder):
    """What ``prepare_volumes`` wrote into a folder; ``shape`` is (X, Y, Z) of the volumes."""

    def __init__(self, folder: str | Path):
        text = ("split", "image", "path", "subject", "artifact_type", "contrast", "artifact")
        super().__init__(folder, text, {name: [""] for name in ("severity", "rater_probability")})
        self.shape = tuple(int(side) for side in self.volumes(SPLITS[0]).shape[1:])

    def volumes(self, split: str) -> np.memmap:
        """Volumes of a split, float16 (N, X, Y, Z), read from disk as they are indexed."""
        return np.load(self.folder / f"{split}.npy", mmap_mode="r")

    def records(self, split: str) -> pd.DataFrame:
        """Records of a split in the order of its volumes.

        Columns: split, image, path, subject, label (1 = artifact), artifact_type, contrast; severity (unit of the
        artifact's docstring), rater_probability and artifact where a simulator noted them, else NaN and empty text.
        """
        return self._records[split].copy()

    def summary(self) -> pd.DataFrame:
        """A row a split: scans, subjects, artifact (scans with one), left out (rows or files), warnings."""
        rows = []
        for split in SPLITS:
            records = self._records[split]
            rows.append(
                {
                    "split": split,
                    "scans": len(records),
                    "subjects": records["subject"].nunique(),
                    "artifact": int(records["label"].sum()),
                    **self.left_out(split),
                }
            )
        return pd.DataFrame(rows)
