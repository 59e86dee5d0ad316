import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa import metrics, uncertainty
from xiqa.metrics.enriched import EnrichedTestSet
from xiqa.paper.mri import figures, referral, review

mpl.use("Agg")


def side(count, artifacts, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [count, artifacts])
    z = rng.normal(size=len(labels)) + 2 * labels - 1
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(labels))))))
    about = pd.DataFrame({"label": labels, "subject": np.arange(len(labels))})
    return pd.concat([about, uncertainty.decompose(np.stack([1 - p, p], -1))], axis=1)


@pytest.fixture(scope="module")
def ways():
    val, test = side(100, 30, 0), side(150, 50, 1)
    none = referral.no_referral(test, 0.5)
    return referral.Referrals(EnrichedTestSet(test, draws=20), val, test, 0.5, none, [], [], 0.1, {}, [test])


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_referral_curves_start_with_all_scans(ways):
    curves = figures.referral_curves(ways)
    first = curves[np.isinf(curves["eta"])]
    assert set(first["metric"]) == set(uncertainty.METRICS)
    assert (first["retained"] == 1).all()
    assert curves.groupby("metric", sort=False)["retained"].apply(lambda r: r.is_monotonic_decreasing).all()


def test_rejection_starts_with_all_scans(ways):
    table = figures.rejection_curves(ways, retained=(1.0, 0.8))
    whole = table[table["retained"] == table["retained"].max()]
    expected = metrics.detection(ways.test_set.labels, ways.test["probability"] >= 0.5, ways.test_set.weight)
    assert whole["accuracy"].to_numpy() == pytest.approx(float(expected["accuracy"]))
    assert table["retained"].min() >= 0.8 - 1e-9


def test_every_order_of_review_has_a_line_of_its_own(ways):
    scores = review.orders(ways.test, 0.5, members=[ways.test, ways.test])
    figure, data, _ = figures.review(ways, scores)
    lines = {line.get_label(): line for line in figure.axes[0].get_lines()}
    assert set(lines) == set(scores) == set(data["order"])
    assert len({(line.get_color(), line.get_linestyle()) for line in lines.values()}) == len(scores)
