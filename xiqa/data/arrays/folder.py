"""A folder of prepared arrays: its records, problems and notes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from xiqa.data.names import SPLITS


class PreparedFolder:
    """Records, ``problems`` (split, path below the data set's folder, line, reason, status, message) and ``notes``.

    ``text`` names the columns of the records that are text, also where they look like numbers ("00001"); empty cells
    are "". ``empty`` has for each column the texts that mean NaN.
    """

    def __init__(self, folder: str | Path, text: Sequence[str], empty: Mapping[str, list[str]] | None = None):
        self.folder = Path(folder)
        records = pd.read_csv(
            self.folder / "records.csv", dtype=dict.fromkeys(text, str), keep_default_na=False, na_values=empty
        )
        self._records = {split: records[records["split"] == split].reset_index(drop=True) for split in SPLITS}
        self.problems = pd.read_csv(self.folder / "problems.csv", dtype=str, keep_default_na=False)
        self.notes = (self.folder / "notes.txt").read_text().splitlines()

    def left_out(self, split: str) -> dict[str, int]:
        """Rows or files of a split that were left out, and warnings."""
        status = self.problems.loc[self.problems["split"] == split, "status"]
        return {"left out": int((status == "error").sum()), "warnings": int((status == "warning").sum())}
