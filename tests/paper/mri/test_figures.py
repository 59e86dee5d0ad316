import matplotlib as mpl
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import figures, tables

mpl.use("Agg")


def side(count, artifacts, seed):
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1], [count, artifacts])
    z = rng.normal(size=len(labels)) + 2 * labels - 1
    p = 1 / (1 + np.exp(-(z + rng.normal(size=(20, len(labels))))))
    about = pd.DataFrame({"label": labels, "subject": np.arange(len(labels))})
    return pd.concat([about, uncertainty.decompose(np.stack([1 - p, p], -1))], axis=1)


@pytest.fixture(scope="module")
def sides():
    val, test = side(100, 30, 0), side(150, 50, 1)
    return val, test, enriched.Bench(test, draws=20)


@pytest.fixture(autouse=True)
def closed():
    yield
    plt.close("all")


def test_curves_are_named_by_their_area(sides):
    _, test, bench = sides
    found = figures.roc_curves(bench.labels, {"a": test["probability"], "b": -test["probability"]})
    area = metrics.auc(bench.labels, test["probability"])[0]
    assert set(found["curve"]) == {f"a (AUC {area:.3f})", f"b (AUC {1 - area:.3f})"}
    assert len(figures.draw_roc(found).axes) == 2
    assert len(figures.draw_roc(found, zoom=False).axes) == 1


def test_means_over_halvings():
    found = pd.DataFrame({"samples": [1, 1, 10], "repeat": [0, 1, 0], "auc": [0.8, 0.9, 0.9], "sse": [1.0, 3.0, 1.0]})
    table = figures.summarised(found.assign(nmse=1.0)).set_index("samples")
    assert table.loc[1, "auc"] == pytest.approx(0.85)
    assert table.loc[1, "sse_sd"] == pytest.approx(np.sqrt(2))
    figures.draw_convergence(table.reset_index(), table.reset_index())


def test_kept_curves_start_with_all_scans(sides):
    val, test, bench = sides
    curves = figures.referral_curves(val, test, bench)
    first = curves[np.isinf(curves["eta"])]
    assert set(first["metric"]) == set(uncertainty.METRICS)
    assert (first["retained"] == 1).all()
    assert curves.groupby("metric", sort=False)["retained"].apply(lambda r: r.is_monotonic_decreasing).all()


def test_rejection_starts_with_everything(sides):
    _, test, bench = sides
    found = figures.rejection_curves(test, 0.5, bench, retained=(1.0, 0.8))
    whole = found[found["retained"] == found["retained"].max()]
    expected = metrics.detection(bench.labels, test["probability"] >= 0.5, bench.weight)
    assert whole["accuracy"].to_numpy() == pytest.approx(float(expected["accuracy"]))
    assert found["retained"].min() >= 0.8 - 1e-9
    curves = figures.referral_curves(sides[0], test, bench)
    assert len(figures.draw_referral(curves, found).axes) == 5


def test_flags_run_from_everything_to_nothing(sides):
    val, test, bench = sides
    curves = figures.flag_curves(val, test, bench, "mutual_information", 0.1)
    plain = curves[curves["eta"] == "no referral"]
    assert plain["dffmr"].max() == pytest.approx(100)
    assert (plain["dffmr"].min(), plain["udm"].max()) == pytest.approx((0, 2))
    assert (plain["udm"].diff().dropna() >= -1e-9).all()
    figure = figures.draw_flags(curves, {"here": (10, 0.5)}, (17.29, 0.15))
    assert "UK Biobank 17.29 %, 0.15 %" in [t.get_text() for t in figure.axes[0].get_legend().get_texts()]


def test_the_other_figures_are_drawn(sides):
    _, test, bench = sides
    table = tables.reliability(bench, test["probability"].to_numpy())
    assert len(figures.draw_calibration({"a": table, "b": table}).axes) == 4
    ramps = pd.DataFrame(
        {"study": ["a", "a", "b"], "ramp": ["x", "x", "y"], "epoch": [0, 1, 0], "size": 5, "clean": 0.5}
    )
    assert len(figures.draw_ramps(ramps).axes) == 4
    counts = pd.DataFrame([{"setting": name, "tn": 5, "fp": 1, "fn": 0, "tp": 0} for name in "abcde"])
    assert len(figures.draw_confusion(counts).axes) == 8


def test_arms_that_were_primed_are_drawn_after_the_priming_steps():
    rows = [("p", "priming", "random", 10), ("p", "priming", "random", 20), ("b", "baseline", "random", 10),
            ("r0", "ramp", "priming", 5), ("r1", "ramp", "priming", 5)]  # fmt: skip
    histories = pd.DataFrame(rows, columns=["recipe", "arm", "start", "steps"]).assign(train_loss=1.0, val_ap=0.1)
    losses, precisions = figures.draw_training(histories, 0.02).axes
    assert [list(line.get_xdata()) for line in losses.lines] == [[10, 20], [10], [25], [25]]
    assert [text.get_text() for text in precisions.get_legend().get_texts()] == ["priming", "baseline", "ramp"]
    alone = figures.draw_training(histories[histories["arm"] == "ramp"], 0.02).axes[0]
    assert list(alone.lines[0].get_xdata()) == [5]


def test_the_curves_of_an_arm_hold_its_area_precision_and_operating_point(sides):
    _, test, bench = sides
    p = test["probability"].to_numpy()
    curves = figures.arm_curves(bench, {"one": (p, 0.4), "two": (1 - p, 2.0)})
    part = dict(list(curves[curves["arm"] == "one"].groupby("part")))
    assert np.trapezoid(part["roc"]["y"], part["roc"]["x"]) == pytest.approx(bench.rank(p)["auc"][0])
    recall = np.append(part["pr"]["x"], 0)
    assert -(np.diff(recall) * part["pr"]["y"]).sum() == pytest.approx(bench.rank(p)["ap"][0])
    found = bench.decide(p >= 0.4)
    assert part["pr point"][["x", "y"]].to_numpy()[0] == pytest.approx([found["sensitivity"][0], found["precision"][0]])
    assert part["roc point"]["x"].iloc[0] == pytest.approx(1 - found["specificity"][0])
    figure = figures.draw_arms(curves, 0.02)
    assert [text.get_text() for text in figure.axes[2].get_legend().get_texts()] == ["one", "two"]
