"""Smallest differences between arms that the MRI test set can show: ``python benchmarks/mri_power.py [PROFILE]``.

Half the width of the 95 % interval (paired bootstrap over subjects, means over seeds) of the differences between the
ramp and the other arms in average precision and in F1, on all test subjects of a finished run and on a part of them.
The size of the test set in ``xiqa.recipes`` follows this table, made on another simulated data set.
"""

import sys

import numpy as np
import pandas as pd

from xiqa import metrics
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import arms as mri_arms
from xiqa.paper.mri import results
from xiqa.paper.study import Study

PARTS = (0.25, 0.5, 1.0)


def main(profile: str) -> None:
    arms = mri_arms.read(results.read(Study(profile, compute=False)))
    test, rows = arms.trained["ramp"][0].test, []
    subjects = np.random.default_rng(0).permutation(test["subject"].unique())
    for part in PARTS:
        kept = test["subject"].isin(subjects[: round(part * len(subjects))]).to_numpy()
        test_set = EnrichedTestSet(test[kept])
        row = {"subjects": test_set.subjects, "scans": int(kept.sum()), "artifacts": int(test_set.labels.sum())}
        for name in ("baseline", "focal", "primed"):
            gaps = {"AP": [], "F1": []}
            for pair in zip(arms.trained["ramp"], arms.trained.get(name, []), strict=False):
                precision = [test_set.rank(arm.p[kept])["ap"] for arm in pair]
                f1 = [test_set.decide(arm.flagged[kept])["f1"] for arm in pair]
                gaps["AP"].append(precision[0] - precision[1])
                gaps["F1"].append(f1[0] - f1[1])
            for metric, values in gaps.items():
                _, low, high = metrics.estimate(np.mean(values, axis=0)) if values else (np.nan,) * 3
                row[f"{metric} against {name}"] = round((high - low) / 2, 3)
        rows.append(row)
    print(f"Smallest visible difference to the ramp (half of a 95 % interval), {len(arms.trained['ramp'])} seeds")
    print(pd.DataFrame(rows).to_markdown(index=False))


if __name__ == "__main__":
    main(sys.argv[1] if len(sys.argv) > 1 else "quick")
