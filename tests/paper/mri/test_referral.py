import numpy as np
import pandas as pd
import pytest
from sklearn import metrics as sk

from xiqa import metrics, uncertainty
from xiqa.metrics import enriched
from xiqa.paper.mri import answers, referral

PREVALENCE = 0.02


def records(split, clean, artifacts, seed=0):
    rng = np.random.default_rng(seed)
    label = rng.permutation(np.repeat([0, 1], [clean, artifacts]))
    subject = [f"{split}-{i // 2}" for i in range(len(label))]
    return pd.DataFrame({"image": [f"{i}" for i in range(len(label))], "subject": subject, "label": label})


def sampled(folder, frame, gain=2.0, samples=20, flips=False, seed=1):
    """Made-up answers: noisy logits around a value that knows the label."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    z = gain * (2 * frame["label"].to_numpy() - 1) + rng.normal(size=len(frame))
    softmax = lambda z: np.stack([1 / (1 + np.exp(z)), 1 / (1 + np.exp(-z))], -1).astype(np.float32)  # noqa: E731
    noise = 1 / (0.5 + np.abs(z))
    np.save(folder / "plain.npy", softmax(z))
    np.save(folder / "mc.npy", softmax(z + noise * rng.normal(size=(samples, len(z)))))
    if flips:
        np.save(folder / "flips.npy", softmax(z + noise * rng.normal(size=(8, len(z)))))
        np.save(folder / "flips_mc.npy", softmax(z + noise * rng.normal(size=(8, 3, len(z)))))
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    root, sides = tmp_path_factory.mktemp("samples"), {}
    for seed, (split, sizes) in enumerate({"val": (120, 30), "test": (240, 60)}.items()):
        frame = records(split, *sizes, seed)
        sides[split] = answers.answers(sampled(root / split, frame, flips=True, seed=seed), frame)
    return sides["val"], sides["test"], enriched.Bench(sides["test"], PREVALENCE, draws=200)


def way_of(study, column="mutual_information"):
    val, test, bench = study
    theta = uncertainty.youden(val["label"], val["probability"])
    return referral.referral(bench, val, test, column, theta, 0.10, column)


def test_answers_stand_beside_the_records(study, tmp_path):
    val, test, _ = study
    assert {"image", "subject", "label", "plain", *uncertainty.METRICS, "flip_probability"} <= set(test.columns)
    assert len(val) == 150
    assert not val.isna().any().any()
    without = answers.answers(sampled(tmp_path, val[["label"]]), val[["label"]])
    assert not any(column.startswith(("flip_", "both_")) for column in without)


def test_samples_in_all_orientations_are_pooled_and_their_variance_is_split(tmp_path):
    frame = records("val", 20, 10)
    folder = sampled(tmp_path, frame, flips=True)
    found, p = answers.answers(folder, frame), np.load(folder / "flips_mc.npy").astype(float)
    assert found["both_probability"].to_numpy() == pytest.approx(p[..., 1].mean(axis=(0, 1)))
    assert found["both_within"].to_numpy() == pytest.approx(p[..., 1].var(axis=1).mean(axis=0))
    assert (found["both_within"] + found["both_between"]).to_numpy() == pytest.approx(found["both_variance"].to_numpy())


def test_decisions_carry_the_prevalence(study):
    _, test, bench = study
    flagged = test["plain"].to_numpy() > 0.5
    found = bench.decide(flagged)
    assert found["f1"][0] == pytest.approx(sk.f1_score(bench.labels, flagged, sample_weight=bench.weight))
    assert bench.weight[bench.labels == 1].sum() / bench.weight.sum() == pytest.approx(PREVALENCE)
    assert all(len(values) == 201 for values in found.values())


class TestRefer:
    def test_shares_by_hand(self):
        frame = pd.DataFrame({"label": [0, 0, 1, 1], "subject": list("abcd")})
        bench = enriched.Bench(frame, prevalence=0.5, draws=5)
        flagged, kept = np.array([False, True, True, False]), np.array([1, 1, 1, 0])
        found = {name: values[0] for name, values in bench.refer(flagged, kept).items()}
        expected = {
            "retained": 0.75, "caught": 0.5, "referred": 0.5, "missed": 0, "accuracy_kept": 2 / 3, "f1_kept": 2 / 3,
            "f1_all": 2 / (2 + 1 + 1), "dffmr": 0.25 + 0.5, "udm": 0, "udd": 0.25,
        }  # fmt: skip
        assert found == pytest.approx(expected)

    def test_every_artifact_is_caught_referred_or_missed(self, study):
        bench, way = study[2], way_of(study)
        found = bench.refer(way.flagged, way.kept)
        whole = found["caught"] + found["referred"] + found["missed"]
        assert whole == pytest.approx(np.ones(201))

    def test_it_agrees_with_the_answers(self, study):
        _, test, bench = study
        way = way_of(study)
        said = uncertainty.refer(test["probability"], test["mutual_information"], way.theta, way.eta)
        found = bench.refer(way.flagged, way.kept)
        for name in ("dffmr", "udm", "udd"):
            assert 100 * found[name][0] == pytest.approx(getattr(metrics, name)(bench.labels, said, bench.weight))

    def test_a_share_kept_at_random_is_the_mean_of_many_draws(self, study):
        bench, rng = study[2], np.random.default_rng(0)
        flagged = study[1]["probability"].to_numpy() > 0.5
        small = enriched.Bench(study[1], PREVALENCE, draws=1)
        drawn = [small.refer(flagged, rng.random(300) < 0.7)["missed"][0] for _ in range(800)]
        assert bench.refer(flagged, np.full(300, 0.7))["missed"][0] == pytest.approx(np.mean(drawn), abs=0.005)

    def test_keeping_everything_is_no_referral(self, study):
        _, test, bench = study
        found = bench.refer(test["probability"] > 0.5, np.ones(300))
        decided = bench.decide(test["probability"] > 0.5)
        assert found["f1_kept"] == pytest.approx(decided["f1"])
        assert found["f1_all"] == pytest.approx(decided["f1"])
        assert found["caught"] == pytest.approx(decided["sensitivity"])


def test_a_tenth_of_validation_is_reviewed(study):
    val, _, bench = study
    weights = metrics.prevalence_weights(val["label"], bench.prevalence)
    way = way_of(study)
    share = weights[(val["mutual_information"] >= way.eta).to_numpy()].sum() / weights.sum()
    assert 0.05 < share <= 0.10 + 1e-9


def test_rivals_review_no_more_than_the_budget(study):
    _, test, bench = study
    for rival in referral.rivals(bench, test, 0.5, 0.2):
        retained = bench.refer(rival.flagged, rival.kept)["retained"][0]
        assert 0.8 - 1e-9 <= retained < 0.82
    by_p = referral.rivals(bench, test, 0.5, 0.2)[0]
    assert test["probability"][~by_p.kept].min() > test["probability"][by_p.kept].max()
