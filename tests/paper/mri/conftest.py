"""Made-up predictions of networks: noisy logits around a value that depends on the label."""

import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa import uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri.referral import Network, Referrals

mpl.use("Agg")


def side(clean, artifacts, seed):
    """Records and answers of a split."""
    rng = np.random.default_rng(seed)
    labels = np.random.default_rng(clean).permutation(np.repeat([0, 1], [clean, artifacts]))
    z = 2.0 * (2 * labels - 1) + rng.normal(size=len(labels))
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(z))) / (0.5 + np.abs(z)))))
    about = {"label": labels, "subject": np.arange(len(labels)) // 2, "artifact": "", "artifact_type": ""}
    about |= {"contrast": "T1", "rater_probability": np.nan, "plain": 1 / (1 + np.exp(-z))}
    frames = [pd.DataFrame(about), uncertainty.decompose(np.stack([1 - p, p], -1))]
    return pd.concat([*frames, frames[1].add_prefix("flip_")], axis=1)


@pytest.fixture(scope="session")
def ways():
    """Two networks on the same scans, and the flips of the first."""
    test_set = EnrichedTestSet(side(240, 60, 1), draws=100)
    networks = [Network(test_set, side(120, 30, 10 + seed), side(240, 60, 1 + seed)) for seed in (0, 1)]
    return Referrals(test_set, networks, networks[0])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")
