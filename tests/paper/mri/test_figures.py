import numpy as np
import pytest

from xiqa import metrics, uncertainty
from xiqa.paper.mri import figures, review


def test_referral_curves_start_with_all_scans(ways):
    curves = figures.referral_curves(ways.first)
    first = curves[np.isinf(curves["eta"])]
    assert set(first["metric"]) == set(uncertainty.METRICS)
    assert (first["retained"] == 1).all()
    assert curves.groupby("metric", sort=False)["retained"].apply(lambda r: r.is_monotonic_decreasing).all()


def test_rejection_starts_with_all_scans(ways):
    table = figures.rejection_curves(ways.first, referred=(0.0, 0.2))
    whole = table[table["retained"] == table["retained"].max()]
    expected = metrics.detection(ways.test_set.labels, ways.first.keep_all().flagged, ways.test_set.weight)
    assert whole["accuracy"].to_numpy() == pytest.approx(float(expected["accuracy"]))
    assert table["retained"].min() >= 0.8 - 1e-9


def test_at_most_six_orders_of_review_are_drawn(ways):
    figure, data, _ = figures.review(ways, review.orders(ways))
    lines = [line.get_label() for line in figure.axes[0].get_lines()]
    assert set(lines) == set(data["order"])
    assert len(lines) == 6
