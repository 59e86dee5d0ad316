"""Prepared brain volumes: what networks of volumes see."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from xiqa.data.arrays.drawn import Unstored
from xiqa.data.names import SPLITS

TRUTH = Path("derivatives", "truth")
UNSTORED = "unstored.json"


class PreparedVolumes:
    """What ``prepare_volumes`` wrote into a folder.

    Attributes
    ----------
    shape : (X, Y, Z) of the volumes.
    problems : DataFrame (split, path below the data set's folder, line, reason, status, message).
    notes : list of phrases on how the data were read.

    """

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        # Subjects such as "0001" are text, and what the table leaves out is empty text.
        text = dict.fromkeys(("split", "image", "path", "subject", "artifact_type", "contrast", "artifact"), str)
        numbers = {name: [""] for name in ("severity", "rater_probability")}
        records = pd.read_csv(self.folder / "records.csv", dtype=text, keep_default_na=False, na_values=numbers)
        self._records = {split: records[records["split"] == split].reset_index(drop=True) for split in SPLITS}
        self.problems = pd.read_csv(self.folder / "problems.csv", dtype=str, keep_default_na=False)
        self.notes = (self.folder / "notes.txt").read_text().splitlines()
        about = self.folder / UNSTORED
        self._unstored = json.loads(about.read_text()) if about.is_file() else None
        self.shape = tuple(int(side) for side in self.volumes(SPLITS[0]).shape[1:])

    @property
    def stored(self) -> bool:
        """Whether volumes lie on disk; else they are drawn."""
        return self._unstored is None

    def volumes(self, split: str, without: bool = False) -> np.memmap | Unstored:
        """Volumes of a split, float16 (N, X, Y, Z) z-scores, read from disk (or drawn) as they are asked for.

        ``without`` wants the counterfactuals, which only drawn volumes have here.
        """
        if self._unstored:
            about = self._unstored
            return Unstored(about["spec"], split, about["shape"], len(self._records[split]), without)
        if without:
            raise ValueError("the counterfactuals of stored volumes are files: ask xiqa.synthetic.catalogue.without")
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
            records, problems = self._records[split], self.problems[self.problems["split"] == split]
            rows.append(
                {
                    "split": split,
                    "scans": len(records),
                    "subjects": records["subject"].nunique(),
                    "artifact": int(records["label"].sum()),
                    "left out": int((problems["status"] == "error").sum()),
                    "warnings": int((problems["status"] == "warning").sum()),
                }
            )
        return pd.DataFrame(rows)
