import numpy as np
import pandas as pd
import pytest

from xiqa.paper.appendix.explained_mri import predicted


def scans(rng, count=240, effect=0.0):
    spread, p = rng.normal(size=count), rng.random(count)
    miss = rng.random(count) < 1 / (1 + np.exp(-effect * spread - 2 * p + 1))
    return pd.DataFrame(
        {"subject": np.arange(count) // 2, "hit": 1.0 - miss, "spread": spread, "probability": p,
         "mutual_information": rng.random(count)}
    )  # fmt: skip


def test_a_spread_that_tells_is_found_and_noise_is_not():
    told = predicted.predicts(scans(np.random.default_rng(0), effect=2.0), draws=200)
    assert told["p"] < 1e-6
    assert told["difference"] == pytest.approx(told["auc_with"] - told["auc_without"])
    assert told["difference"] > told["low"] > 0.05
    assert told["auc_spread_low"] > 0.6
    ps = [predicted.predicts(scans(np.random.default_rng(k)), draws=2)["p"] for k in range(1, 11)]
    assert 0.25 < np.mean(ps) < 0.75  # uniform: 0.5, standard error 0.09


def test_the_likelihood_ratio_is_that_of_newton_steps():
    frame = scans(np.random.default_rng(5), effect=0.4)
    miss = 1 - frame["hit"].to_numpy()

    def loglik(names):
        x = np.column_stack([np.ones(len(frame)), frame[names]])
        beta = np.zeros(x.shape[1])
        for _ in range(30):
            mu = 1 / (1 + np.exp(-x @ beta))
            beta += np.linalg.solve(x.T @ (x * (mu * (1 - mu))[:, None]), x.T @ (miss - mu))
        return (miss * np.log(mu) + (1 - miss) * np.log(1 - mu)).sum()

    short = ["probability", "mutual_information"]
    wanted = 2 * (loglik([*short, "spread"]) - loglik(short))
    assert predicted.predicts(frame, draws=2)["likelihood_ratio"] == pytest.approx(wanted, abs=1e-3)


def test_too_few_misses_or_subjects_say_nothing():
    frame = scans(np.random.default_rng(0))
    few = frame.assign(hit=np.arange(len(frame)) >= 9)
    found = predicted.predicts(few)
    assert (found["scans"], found["misses"]) == (240, 9)
    assert np.isnan([found["p"], found["auc_spread"], found["difference"]]).all()
    assert np.isnan(predicted.predicts(frame.assign(subject="one"))["p"])
    assert predicted.predicts(frame.assign(spread=np.nan))["scans"] == 0


def test_a_miss_may_be_a_column():
    frame = scans(np.random.default_rng(3), effect=1.0)
    named = frame.assign(missed_artifact=1 - frame["hit"]).drop(columns="hit")
    assert predicted.predicts(named, "missed_artifact", draws=50) == predicted.predicts(frame, draws=50)
    turned = predicted.predicts(frame.assign(found=frame["hit"]), "found", draws=2)
    assert turned["auc_spread"] == pytest.approx(1 - predicted.predicts(frame, draws=2)["auc_spread"])
    assert turned["likelihood_ratio"] == pytest.approx(predicted.predicts(frame, draws=2)["likelihood_ratio"], abs=1e-3)
