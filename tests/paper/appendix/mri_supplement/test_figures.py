import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.appendix.mri_supplement import figures

mpl.use("Agg")


def answers(count, artifacts, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [count, artifacts])
    z = rng.normal(size=len(labels)) + 2 * labels - 1
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(labels))))))
    mc = np.stack([1 - p, p], -1)
    records = pd.DataFrame({"label": labels, "subject": np.arange(len(labels))})
    return pd.concat([records, uncertainty.decompose(mc)], axis=1), mc


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_curves_are_named_by_their_area():
    test, _ = answers(150, 50, 1)
    curves = figures.roc_curves(test["label"].to_numpy(), {"a": test["probability"], "b": -test["probability"]})
    area = metrics.auc(test["label"], test["probability"])[0]
    assert set(curves["curve"]) == {f"a (AUC {area:.3f})", f"b (AUC {1 - area:.3f})"}


def test_few_samples_are_compared_with_the_other_half():
    test, mc = answers(150, 50, 1)
    _, data, _ = figures.roc(test, mc)
    names = data["curve"].str.partition(" (AUC")[0].unique().tolist()
    assert names == ["1 sample", "10 samples", "reference: the other 10"]
    reference = metrics.auc(test["label"], mc[10:].mean(axis=0)[:, 1])[0]
    assert data["curve"].iloc[-1].endswith(f"(AUC {reference:.3f})")


def test_udm_and_dffmr_run_from_everything_to_nothing():
    (val, _), (test, _) = answers(100, 30, 0), answers(150, 50, 1)
    curves = figures.flag_curves(EnrichedTestSet(test, draws=2), val, test)
    plain = curves[curves["eta"] == "no referral"]
    assert plain["dffmr"].max() == pytest.approx(100)
    assert (plain["dffmr"].min(), plain["udm"].max()) == pytest.approx((0, 2))
    assert (plain["udm"].diff().dropna() >= -1e-9).all()
